"""Moving the bytes of a connection over two memory BIOs: TLS without a socket.

No operation waits, so each is done under the connection's lock: threads may use it as they please.
"""

from __future__ import annotations

from ctypes import c_char, c_void_p, cast
from errno import EAGAIN
from functools import wraps
from typing import Any, Callable, Tuple, TypeVar

from usocket._buffer import give_back, take_room
from usocket._buffer import incoming as room_in
from usocket._buffer import outgoing as bytes_of
from usocket._lib import lib

_F = TypeVar("_F", bound=Callable[..., Any])

_SHUT_WR = 1
_PIECE = 16384


def locked(operation: _F) -> _F:
    """Decorates an operation: one at a time."""

    @wraps(operation)
    def call(self: Any, *args: Any, **named: Any) -> Any:
        with self._lock:
            return operation(self, *args, **named)

    return call  # type: ignore[return-value]


class Bios:
    """A connection of the library's over a BIO that bytes come from and one that they go to."""

    _lock: Any
    _handle: int
    _bios: Tuple[Any, Any]
    # Encrypted, received, more than the library takes at once.
    _in: bytes
    # Whether the library was told of the end.
    _ended: bool

    def _started(self) -> bool:
        """Whether there is the library's end yet."""
        return True

    def _take(self, data: bytes) -> None:
        """Takes bytes that have come in."""
        self._feed(data)

    # The exceptions: for a negative number, for bytes that have yet to come, and for ever.

    def _error(self, code: int) -> BaseException:
        raise NotImplementedError

    def _want_read(self) -> BaseException:
        raise NotImplementedError

    def _no_more(self) -> BaseException:
        raise NotImplementedError

    # --- bytes

    def _feed(self, data: bytes) -> None:
        self._in += data
        while self._in:
            data = self._in
            n = lib.usocket_tls_feed(self._handle, data, len(data))
            if n == -EAGAIN:
                return  # What has come is to be received first; the rest waits here.
            if n < 0:
                raise self._error(n)
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
            self._take(data)
            return
        if not self._bios[0].eof:
            raise self._want_read()
        if not self._handle or self._ended:
            raise self._no_more()
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

    # --- operations, which need not wait when they are done

    def _drive(self, call: Callable[[], int]) -> int:
        """Calls until the call need not wait, moving bytes both ways: what it gives in the end."""
        while True:
            code = call() if self._started() else -EAGAIN
            self._flush()
            if code != -EAGAIN:
                return code
            self._fill()

    def _greet(self) -> int:
        """Does the handshake."""
        return self._drive(lambda: lib.usocket_tls_handshake(self._handle))

    def _read(self, size: int, buffer: Any, received: Callable[[int], int]) -> Any:
        """Receives: bytes, or how many came into the buffer; `received` makes that of the code."""
        if buffer is None:
            if size < 0:
                raise ValueError("size should not be negative")
            if not size:
                return b""
            room = take_room(size)
            try:
                return room[: received(self._recv(room, size))]
            finally:
                give_back(room)
        start, length, held = room_in(buffer)
        try:
            want = length if size <= 0 or size > length else size
            return received(self._recv(start, want)) if want else 0
        finally:
            del held

    def _recv(self, start: Any, size: int) -> int:
        return self._drive(lambda: lib.usocket_recv(self._handle, start, size, 0))

    def _write(self, data: Any) -> Tuple[int, int]:
        """Sends all of it: how much went, and the number of what was in the way, or 0.

        Only the handshake wants to read: then nothing went, and the same is written once more.
        """
        start, size, held = bytes_of(data)
        try:
            place: Any = start
            at, done = cast(place, c_void_p).value or 0, 0
            while done < size:
                step, left = at + done, size - done
                code = self._drive(lambda: self._sent(step, left))
                if code < 0:
                    return done, code
                done += code
            return done, 0
        finally:
            del held

    def _sent(self, start: Any, size: int) -> int:
        code = lib.usocket_send(self._handle, start, size, 0)
        if code == -EAGAIN:  # Perhaps for want of room, of which there is some then.
            self._flush()
            code = lib.usocket_send(self._handle, start, size, 0)
        return code

    def _goodbye(self) -> int:
        """Sends close_notify and waits for the peer's; returns 0 then, 1 or more while there is unread
        data."""
        lib.usocket_shutdown(self._handle, _SHUT_WR)
        room = (c_char * _PIECE)()
        return self._recv(room, _PIECE)
