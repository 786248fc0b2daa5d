"""The verify callbacks of contexts, which the library calls through a pointer to a C function."""

from __future__ import annotations

from ctypes import CFUNCTYPE, POINTER, c_int32, c_size_t, c_uint8, c_void_p, string_at
from operator import index
from typing import Any, Callable, Optional

from usocket._lib import lib
from usocket._tls_errors import in_callback

from . import _callback


class Verifier(_callback.Callback):
    """A verify callback."""

    __slots__ = ()

    def __init__(self, callback: Callable[[bytes, int], int]) -> None:
        super().__init__(callback)


def _verdict(number: Any, der: Any, size: Any, depth: Any) -> int:
    """The C function. An exception refuses the peer and is kept."""
    in_callback.raised = None
    try:
        return int(index(_callback.known(number).callback(string_at(der, size), depth)) != 0)
    except BaseException as e:
        in_callback.raised = e
        return 1


_function = CFUNCTYPE(c_int32, c_void_p, POINTER(c_uint8), c_size_t, c_int32)(_verdict)


def set_callback(context: int, verifier: Optional[Verifier]) -> int:
    """Sets a context's callback, or removes it with None; returns the library's code."""
    setter = lib.usocket_tls_context_set_verify_callback
    return _callback.set_callback(setter, context, _function, verifier)
