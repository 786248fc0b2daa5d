"""The class `SSLSession`: a client's session for resumption."""

from __future__ import annotations

from errno import EINVAL, EISCONN, ENODATA
from typing import Any
from weakref import finalize

from usocket._errors import check
from usocket._lib import lib


class SSLSession:
    """The session of a client connection, which `SSLSocket.session` gives and `wrap_socket` takes.

    It can be used for one connection of the same context (RFC 8446, appendix C.4); for another one it
    has no effect, and that does a full handshake. From: CPython.
    """

    __module__ = "ussl"
    __slots__ = ("__weakref__", "_context", "_handle")

    def __init__(self, handle: int, context: Any) -> None:
        self._handle, self._context = handle, context
        finalize(self, lib.usocket_close, handle)

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def _give_to(self, handle: int) -> None:
        """Makes a wrapped socket of the library resume it."""
        code = lib.usocket_tls_set_session(handle, self._handle)
        if code == -EINVAL:
            raise ValueError("Session refers to a different SSLContext.")
        if code == -EISCONN:
            raise ValueError("Cannot set session after handshake.")
        if code != -ENODATA:
            check(code)
