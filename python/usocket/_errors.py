"""Exceptions for the library's negative numbers."""

from __future__ import annotations

import ctypes
from _socket import (
    gaierror as gaierror,
)  # CPython's own, so that an `except` of either module catches it.
from operator import index

from ._lib import lib
from ._tls_errors import SSLError as SSLError
from ._tls_errors import tls_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

timeout = TimeoutError


class PortError(OverflowError, ValueError):
    """A port outside 0...65535: an OverflowError, as in CPython, and a ValueError."""

    __module__ = "usocket"


def strerror(code: int) -> str:
    """The text for a code of the library; an errno is negated."""
    return lib.usocket_strerror(code).decode()


def detail(handle: int = 0) -> str:
    """The sentence of the last error, "" if there is none.

    With 0: of this thread's last failed call, if that had no handle.
    """
    buf = ctypes.create_string_buffer(1024)
    lib.usocket_error_detail(handle, buf, len(buf))
    return buf.value.decode()


def error(code: int, handle: int = 0) -> BaseException:
    """The exception for a negative number of the library: an OSError.

    (A TLS verify callback may raise other exceptions, such as KeyboardInterrupt.)
    """
    if code > -4096:
        return OSError(-code, strerror(code))
    number = lib.usocket_gai_code(code)
    if number:
        return gaierror(number, detail() or strerror(code))
    return tls_error(code, (handle and detail(handle)) or strerror(code))


def check(code: int) -> int:
    """Returns a number of the library, or raises the exception it stands for."""
    if code < 0:
        raise error(code)
    return code


def int32(value: Any) -> int:
    """Checks an argument that is a C int. ctypes would truncate a larger one."""
    number: int = index(value)
    if not -0x80000000 <= number <= 0x7FFFFFFF:
        raise OverflowError(f"{number} does not fit into a C int")
    return number


def size(value: Any, what: str) -> int:
    """Checks an argument that is a number of bytes."""
    number: int = index(value)
    if number < 0:
        raise ValueError(f"negative {what}")
    return number
