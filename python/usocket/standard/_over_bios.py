"""A TLS connection over two memory BIOs: the library's TLS over buffers, whose bytes are moved here.

No operation waits, so each is done under the connection's lock: threads may use it as they please.
"""

from __future__ import annotations

from ctypes import c_char, c_void_p, cast
from errno import EAGAIN, EPIPE
from functools import wraps
from typing import Any, Callable, Optional, TypeVar
from weakref import finalize

from .. import _causes as causes
from .._buffer import give_back, take_room
from .._buffer import incoming as room_in
from .._buffer import outgoing as bytes_of
from .._lib import lib
from . import _hello, _ssl_errors as errors
from ._connection import Connection

_F = TypeVar("_F", bound=Callable[..., Any])

SHUT_WR = 1
PIECE = 16384


def _locked(operation: _F) -> _F:
    @wraps(operation)
    def call(self: Any, *args: Any, **named: Any) -> Any:
        with self._lock:
            return operation(self, *args, **named)

    return call  # type: ignore[return-value]


class OverBios(Connection):
    """The same over two memory BIOs: what comes in, and what goes out."""

    def _over(self, beneath: Any) -> None:
        self._bios = beneath
        self._in = b""  # Encrypted, received, more than the library takes at once.
        self._ended = False

    def _create(self, context: int, name: Optional[bytes]) -> int:
        handle = lib.usocket_tls_create(context, name, 0)
        if handle < 0:
            raise errors.of(handle, context)
        finalize(self, lib.usocket_close, handle)
        return handle

    def _started(self) -> bool:
        """Whether there is the library's end: of a server once it is known how to answer."""
        if not self._handle:
            if not self._asks():
                self._answer(None)
            else:
                hello = _hello.read(bytes(self._first))
                if hello is None:
                    return False
                self._answer(hello)
            first, self._first = bytes(self._first), bytearray()
            self._feed(first)
        return True

    def _send_raw(self, data: bytes) -> None:
        self._bios[1].write(data)

    # --- bytes

    def _feed(self, data: bytes) -> None:
        self._in += data
        while self._in:
            data = self._in
            n = lib.usocket_tls_feed(self._handle, data, len(data))
            if n == -EAGAIN:
                return  # What has come is to be received first; the rest waits here.
            if n < 0:
                raise errors.of(n, self._handle, self.server_hostname)
            self._in = data[n:]

    def _fill(self) -> None:
        """Takes more in; raises when there is none now."""
        if self._in:
            before = len(self._in)
            self._feed(b"")
            if len(self._in) < before:
                return
        data = self._bios[0].read()
        if data:
            if self._handle:
                self._feed(data)
            else:
                self._first += data
            return
        if not self._bios[0].eof:
            raise errors.want_read()
        if not self._handle or self._ended:
            raise errors.end_of_file()
        self._ended = True
        lib.usocket_tls_feed_end(self._handle)

    def _flush(self) -> None:
        """Gives out what is encrypted."""
        while self._handle:
            size = lib.usocket_tls_drain(self._handle, None, 0)
            if size <= 0:
                return
            room = (c_char * size)()
            n = lib.usocket_tls_drain(self._handle, room, size)
            if n <= 0:
                return
            self._bios[1].write(room.raw[:n])

    def _drive(self, call: Callable[[], int]) -> int:
        """Calls until the call need not wait, moving bytes both ways: what it gives in the end."""
        while True:
            code = call() if self._started() else -EAGAIN
            self._flush()
            if code != -EAGAIN:
                return code
            self._fill()

    # --- operations

    @_locked
    def do_handshake(self) -> None:
        if self._done:
            return
        code = self._drive(lambda: lib.usocket_tls_handshake(self._handle))
        if code < 0:
            raise errors.of(code, self._handle, self.server_hostname)
        self._greeted()

    @_locked
    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        if buffer is None:
            if size < 0:
                raise ValueError("size should not be negative")
            if not size:
                return b""
            room = take_room(size)
            try:
                return room[: self._receive(room, size)]
            finally:
                give_back(room)
        start, length, held = room_in(buffer)
        try:
            want = length if size <= 0 or size > length else size
            return self._receive(start, want) if want else 0
        finally:
            del held

    def _receive(self, start: Any, size: int) -> int:
        code = self._drive(lambda: lib.usocket_recv(self._handle, start, size, 0))
        if code < 0:
            raise errors.of(code, self._handle, self.server_hostname)
        self._greeted()
        if code == 0 and self._said_goodbye:
            # Over on both sides, and no longer the end of what the peer had to say.
            raise errors.zero_return()
        return code

    @_locked
    def write(self, data: Any) -> int:
        start, size, held = bytes_of(data)
        try:
            place: Any = start
            at = cast(place, c_void_p).value or 0
            # All of it, as OpenSSL has it. After SSLWantReadError, which only the handshake gives, the
            # same is written once more.
            done = 0
            while done < size:
                step, left = at + done, size - done
                code = self._drive(lambda: self._sent(step, left))
                if code < 0:
                    raise self._failed_write(code)
                self._greeted()
                done += code
            return size
        finally:
            del held

    def _sent(self, start: Any, size: int) -> int:
        code = lib.usocket_send(self._handle, start, size, 0)
        if code == -EAGAIN:  # Perhaps for want of room, of which there is some then.
            self._flush()
            code = lib.usocket_send(self._handle, start, size, 0)
        return code

    def _failed_write(self, code: int) -> BaseException:
        if code == -EPIPE:
            return errors.ssl_error("PROTOCOL_IS_SHUTDOWN", "protocol is shutdown")
        return errors.of(code, self._handle, self.server_hostname)

    @_locked
    def shutdown(self) -> None:
        """Says goodbye and waits for the peer's."""
        if not self._handle or not self._done:
            raise errors.ssl_error("SHUTDOWN_WHILE_IN_INIT", "shutdown while in init")
        lib.usocket_shutdown(self._handle, SHUT_WR)
        self._said_goodbye = True
        room = (c_char * PIECE)()
        code = self._drive(lambda: lib.usocket_recv(self._handle, room, PIECE, 0))
        if code > 0:
            raise errors.ssl_error(
                "APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "application data after close notify"
            )
        if code < 0 and code != causes.TRUNCATED:
            raise errors.of(code, self._handle, self.server_hostname)
