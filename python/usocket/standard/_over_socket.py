"""A TLS connection over a socket: the library wraps that, and moves the bytes.

It reads at most one record at a time from the kernel, like OpenSSL: select reports data in the kernel, and
bytes after the peer's close_notify stay there. Threads may use it like any socket of the library.
"""

from __future__ import annotations

import os
from ctypes import c_char
from errno import EAGAIN, EBADF, EBUSY, ECONNRESET, EPIPE, ETIMEDOUT
from time import monotonic
from typing import Any, Optional
from weakref import ref

from .. import _causes as causes
from .._bsd import BSDSocket
from .._errors import check
from .._lib import lib
from .._numbers import TLS_NO_READ_AHEAD
from .._transfer import POLLIN, POLLOUT
from .._wait import MSG_DONTWAIT, resume, through, timeout_us
from . import _hello, _ssl_errors as errors
from ._connection import Connection
from ._socket import socket

_recv = BSDSocket.recv
_get, _put = socket._get, socket._put


class OverSocket(Connection):
    """The same over a socket, which refers to it as `_tls`."""

    def _over(self, beneath: Any) -> None:
        self._sock = ref(beneath)
        if beneath._tls is not None:  # From an earlier attempt, such as a connect.
            _unwrapped(beneath)

    def _transport(self) -> Any:
        sock = self._sock()
        if sock is None:
            raise errors.ssl_error("UNINITIALIZED", "Underlying socket connection gone")
        return sock

    def _create(self, context: int, name: Optional[bytes]) -> int:
        sock = self._transport()
        handle: int = sock._handle
        code = lib.usocket_tls_wrap(handle, context, name, TLS_NO_READ_AHEAD)
        if code == 0 and self._first:
            code = min(0, lib.usocket_tls_feed(handle, bytes(self._first), len(self._first)))
        if code < 0:
            raise errors.of(code, handle)
        sock._tls = self
        return handle

    def _started(self) -> Any:
        """The wrapped socket; on a server once the settings are known."""
        sock = self._transport()
        if not self._handle:
            with self._lock:
                if not self._handle:
                    self._answer(self._hello(sock) if self._asks() else None)
                    self._first.clear()
        return sock

    def _hello(self, sock: Any) -> _hello.Hello:
        """Receives the ClientHello, and nothing after it."""
        deadline = monotonic() + sock._timeout if sock._timeout else None
        while True:
            hello = _hello.read(bytes(self._first))
            if hello is not None:
                return hello
            size = _hello.missing(self._first)
            room = (c_char * size)()
            n = resume(deadline, POLLIN, lib.usocket_recv, sock._handle, room, size, 0)
            if n == 0:
                raise errors.end_of_file()
            if n < 0:
                raise self._error(n, POLLIN, "handshake")
            self._first += room.raw[:n]

    def _send_raw(self, data: bytes) -> None:
        lib.usocket_send(self._transport()._handle, data, len(data), MSG_DONTWAIT)

    # --- errors

    def _error(self, code: int, events: int, what: str) -> BaseException:
        """The exception for the result of an operation."""
        if code == -EAGAIN:
            return self._wants(events)
        sock = self._transport()
        if code == -ETIMEDOUT and sock._timeout:
            return TimeoutError(f"The {what} operation timed out")
        if code == -EPIPE and self._said_goodbye:
            return errors.ssl_error("PROTOCOL_IS_SHUTDOWN", "protocol is shutdown")
        if code == -EBADF:
            e: BaseException = sock._error(code)
            return e
        return errors.of(code, self._handle, self.server_hostname)

    def _failed(self, code: int, events: int) -> int:
        """The result of the socket's own methods for an error code of the library."""
        if code == -ECONNRESET and events == POLLIN and self._done:
            # As in OpenSSL: a client that closes before it has read its tickets sends a reset.
            raise errors.end_of_file()
        raise self._error(code, events, "read" if events == POLLIN else "write")

    # --- operations

    def do_handshake(self) -> None:
        if self._done:
            return
        sock = self._transport()
        deadline = None
        if sock._timeout and not self._handle and self._asks():
            deadline = monotonic() + sock._timeout  # The ClientHello uses a part of it.
        self._started()
        code = through(lib.usocket_tls_handshake, self._handle, sock._timeout, deadline)
        if code < 0:
            raise self._error(code, POLLIN, "handshake")
        self._greeted()

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        sock = self._sock()
        if buffer is None:
            if size <= 0:
                if size:
                    raise ValueError("size should not be negative")
                return b""
            if not self._done or sock is None:
                sock = self._started()
            got: Any = _recv(sock, size)
        else:
            if not self._done or sock is None:
                with memoryview(buffer) as view:
                    if not view.nbytes:
                        return 0
                sock = self._started()
            got = _get(sock, buffer, size)
        if not self._done:
            self._greeted()
        if not got and self._said_goodbye and (buffer is None or memoryview(buffer).nbytes):
            # TLS has ended on both sides; this is no longer the end of the peer's data.
            raise errors.zero_return()
        return got

    def write(self, data: Any) -> int:
        sock = self._sock()
        if not self._done or sock is None:
            sock = self._started()
        size: int = _put(sock, data)
        if not self._done:
            self._greeted()
        return size

    def shutdown(self) -> Any:
        """Sends close_notify and waits for the peer's; returns the socket, on which plain data may follow."""
        if not self._handle or not self._done:
            raise errors.ssl_error("SHUTDOWN_WHILE_IN_INIT", "shutdown while in init")
        sock, handle = self._transport(), self._handle
        self._said_goodbye = True
        code = through(lib.usocket_tls_unwrap, handle, sock._timeout)
        if code in (-EPIPE, -ECONNRESET):
            # A closed peer may have sent close_notify before.
            end = lib.usocket_recv(handle, (c_char * 1)(), 1, MSG_DONTWAIT)
            code = end if end in (0, causes.TRUNCATED) else code
        if code == -EBUSY:
            raise errors.ssl_error(
                "APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "application data after close notify"
            )
        if code < 0 and code != causes.TRUNCATED:
            raise self._error(code, POLLIN, "read")
        _unwrapped(sock)
        return sock


def _unwrapped(sock: Any) -> None:
    """Continues a socket in clear text, on the same descriptor."""
    fd = lib.usocket_detach(sock._handle)
    if fd == -EBUSY:
        return  # Another thread uses it. Plain data then goes through the library's TLS object.
    sock._handle, sock._tls = 0, None
    handle = lib.usocket_from_fd(check(fd))
    if handle < 0:
        os.close(fd)
    sock._handle = check(handle)
    check(lib.usocket_settimeout(handle, timeout_us(sock._timeout)))
