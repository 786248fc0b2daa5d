"""A socket as BSD and CPython have it: every method but those of a stream."""

from __future__ import annotations

import os
import warnings
from ctypes import byref, c_int64
from errno import EBADF, EINTR, EISCONN, ETIMEDOUT
from operator import index
from time import monotonic

from ._accelerator import accelerated
from ._address import decode, encode
from ._buffer import ROOM, give_back, incoming, outgoing_or_text, take_room
from ._constants import CONSTANTS
from ._errors import check, error, int32
from ._errors import size as size_of
from ._fields import part_of
from ._lib import Addr, lib
from ._message import Messages
from ._numbers import BACKLOG_DEFAULT
from ._option import Options, default_timeout
from ._transfer import POLLIN, POLLOUT, Transfer
from ._wait import check_signals, microseconds, resume, timeout_us, wait

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Tuple, Type, TypeVar

    from ._address import Address

    _S = TypeVar("_S", bound="BSDSocket")

SOCK_STREAM = CONSTANTS["SOCK_STREAM"]
SOCK_NONBLOCK = CONSTANTS.get("SOCK_NONBLOCK", 0)
SOCK_CLOEXEC = CONSTANTS.get("SOCK_CLOEXEC", 0)
NO_FLAGS = NO_SIZE = 0

_recv, _recvfrom = lib.usocket_recv, lib.usocket_recvfrom
_send, _sendto = lib.usocket_send, lib.usocket_sendto
_close = lib.usocket_close


@accelerated
@part_of("socket")
class BSDSocket(Options, Messages, Transfer):
    """The common base of `usocket.socket` and the standard modules' socket (`usocket.install`)."""

    __slots__ = ("_proto", "_type")

    # The class that accept and dup make.
    _kind: Any
    # The types that may be sent.
    _outgoing = staticmethod(outgoing_or_text)

    def _become(self: _S, handle: int) -> _S:
        """Takes over a new handle of the library, or raises its error."""
        self._handle = check(handle)
        self._late_in = self._late_out = 0
        self._filed = False
        self._family = lib.usocket_family(handle)
        self._type = lib.usocket_type(handle)
        self._proto = lib.usocket_proto(handle)
        timeout = c_int64()
        check(lib.usocket_gettimeout(handle, byref(timeout)))
        self._timeout = None if timeout.value < 0 else timeout.value / 1e6
        return self

    def _another(self, handle: int, timeout: Optional[float]) -> Any:
        """A socket like this one for another handle of the library, which is in blocking mode."""
        new = self._kind.__new__(self._kind)
        new._handle = check(handle)
        new._late_in = new._late_out = 0
        new._filed = False
        new._family, new._type, new._proto = self._family, self._type, self._proto
        new._timeout = None
        if timeout is not None:
            new.settimeout(timeout)
        return new

    def _address(self, address: Address, call: str) -> Addr:
        """The library's address for an argument of a method."""
        return encode(self._family, address)

    def __enter__(self: _S) -> _S:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self, _warn: Any = warnings.warn, _close: Any = _close) -> None:
        handle = getattr(self, "_handle", 0)
        if handle:
            try:
                _warn(f"unclosed {self!r}", ResourceWarning, source=self)
            finally:  # Warnings may be errors (-W error).
                self._handle = 0
                _close(handle)

    def __repr__(self) -> str:
        fd = self.fileno()
        if fd < 0:
            return f"<{type(self).__module__}.{type(self).__qualname__} [closed]>"
        parts = [f"fd={fd}, family={self._family}, type={self._type}, proto={self._proto}"]
        for what, ask in (("laddr", self.getsockname), ("raddr", self.getpeername)):
            try:
                parts.append(f"{what}={ask()!r}")
            except OSError:
                pass
        return f"<{type(self).__module__}.{type(self).__qualname__} {', '.join(parts)}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    family = property(lambda self: self._family, doc="The address family, an int. From: CPython.")
    type = property(lambda self: self._type, doc="The type, an int. From: CPython.")
    proto = property(
        lambda self: self._proto, doc="The protocol, an int; what 0 stood for. From: CPython."
    )

    def close(self) -> None:
        """Closes the socket; closing it again has no effect. The other end sees the end of the stream.

        Operations that other threads are in end with OSError EBADF. Does not block (SO_LINGER
        aside). Thread-safe. From: every document.
        """
        handle, self._handle = self._handle, 0
        if handle:
            code = _close(handle)
            if code not in (0, -EBADF):
                raise error(code)

    def detach(self) -> int:
        """Detaches the descriptor, which stays open; the socket becomes closed. Returns it; -1 when
        closed already.

        Raises OSError EBUSY while another thread is in an operation. From: CPython.
        """
        if not self._handle:
            return -1
        fd = check(lib.usocket_detach(self._handle))
        self._handle = 0
        return fd

    def dup(self) -> Any:
        """A second socket for the same connection, of the same class, in the same mode.

        A subclass is made as in CPython: by its constructor, with `fileno`. From: CPython.
        """
        if type(self) is self._kind:
            return self._another(lib.usocket_dup(self._handle), self._timeout)
        handle = check(lib.usocket_dup(self._handle))
        fd = -1
        try:
            fd = os.dup(self.fileno())
            make: Any = type(self)
            new = make(self._family, self._type, self._proto, fileno=fd)
        except BaseException:
            lib.usocket_close(handle)
            if fd >= 0:
                os.close(fd)
            raise
        # The duplicate has properties that a descriptor does not tell.
        made, new._handle = new._handle, 0
        lib.usocket_close(made)
        return new._become(handle)

    def fileno(self) -> int:
        """The descriptor, 0 or more, for `select` and the like; -1 when closed. From: CPython."""
        return max(-1, lib.usocket_fileno(self._handle))

    def bind(self, address: Address) -> None:
        """Binds the socket to an address, which `usocket._address` describes.

        Raises OSError EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL (bound already, or a name for an
        address); PortError, TypeError. Does not block. From: every document.
        """
        self._check(lib.usocket_bind(self._handle, byref(self._address(address, "bind"))))

    def listen(self, backlog: int = BACKLOG_DEFAULT) -> None:
        """Lets the socket accept connections, `backlog` of them waiting (any number below 0 counts as 0).

        Raises OSError EADDRINUSE, EOPNOTSUPP (no stream). Does not block. From: every document.
        """
        self._check(lib.usocket_listen(self._handle, int32(max(-1, index(backlog)))))

    def accept(self) -> tuple[Any, ...]:
        """Accepts a connection: `(conn, address)`, a new socket with the default timeout, and the peer's
        address.

        Raises OSError EINVAL (not listening), BlockingIOError (non-blocking), TimeoutError.
        Blocks according to the mode. Thread-safe. From: every document.
        """
        handle, address = self._accepted()
        return self._another(handle, default_timeout()), address

    def _accepted(self) -> Tuple[int, Address]:
        """The handle of a connection, and the peer's address."""
        peer, handle, timeout = Addr(), self._handle, self._timeout
        deadline = monotonic() + timeout if timeout else None
        new = lib.usocket_accept(handle, byref(peer))
        while new == -EINTR:
            check_signals()
            if deadline is not None:
                self._check(wait(handle, POLLIN, deadline))
            new = lib.usocket_accept(handle, byref(peer))
        return self._check(new), decode(peer)

    def connect(self, address: Address) -> None:
        """Connects to an address, which `usocket._address` describes; of datagrams, sets the peer.

        Raises ConnectionRefusedError, TimeoutError, BlockingIOError (EINPROGRESS, non-blocking),
        OSError EINVAL (a name for an address), EISCONN; PortError, TypeError. Blocks according to the
        mode. From: every document.
        """
        self._check(self._connect(self._address(address, "connect")))

    def connect_ex(self, address: Address) -> int:
        """Like `connect`, but returns the errno, 0 for success; a bad address still raises.

        From: CPython.
        """
        return -self._connect(self._address(address, "connect_ex"))

    def _connect(self, addr: Addr) -> int:
        handle, timeout = self._handle, self._timeout
        deadline = monotonic() + timeout if timeout else None
        code = lib.usocket_connect(handle, byref(addr))
        while code == -EINTR:
            check_signals()
            # The attempt goes on in the kernel; this waits for it.
            if deadline is None:
                code = lib.usocket_connect(handle, byref(addr))
            else:
                code = self._connect_until(deadline, addr)
            if code == -EISCONN:
                code = 0
        return code

    def _connect_until(self, deadline: float, addr: Addr) -> int:
        """Continues a connect after a signal, for the remaining time."""
        handle, left = self._handle, microseconds(deadline - monotonic())
        if left == 0:
            return -ETIMEDOUT
        lib.usocket_settimeout(handle, left)
        try:
            return lib.usocket_connect(handle, byref(addr))
        finally:
            lib.usocket_settimeout(handle, timeout_us(self._timeout))

    def shutdown(self, how: int) -> None:
        """Ends one half or both: SHUT_RD, SHUT_WR, SHUT_RDWR. OSError ENOTCONN, EINVAL.

        From: CPython.
        """
        self._check(lib.usocket_shutdown(self._handle, int32(how)))

    def getsockname(self) -> Address:
        """The socket's own address. From: CPython."""
        addr = Addr()
        self._check(lib.usocket_getsockname(self._handle, byref(addr)))
        return decode(addr)

    def getpeername(self) -> Address:
        """The peer's address. OSError ENOTCONN. From: CPython."""
        addr = Addr()
        self._check(lib.usocket_getpeername(self._handle, byref(addr)))
        return decode(addr)

    def send(self, data: Any, flags: int = NO_FLAGS) -> int:
        """Sends bytes (any buffer; str as UTF-8), possibly not all. Returns how many.

        Raises BlockingIOError (non-blocking), TimeoutError, BrokenPipeError, ConnectionResetError,
        OSError ENOTCONN, SSLError (an IPPROTO_SEC socket that is not wrapped). Blocks according to the
        mode. Thread-safe. From: every document (flags: CPython).
        """
        start, size, held = self._outgoing(data)
        try:
            if self._late_out:
                self._raise_late_out()
            return self._move(_send, POLLOUT, start, size, flags)
        finally:
            del held

    def sendall(self, data: Any, flags: int = NO_FLAGS) -> None:
        """Sends all of the bytes, with one timeout for the whole.

        After an error the number of bytes sent is unknown; `write` returns it. A non-blocking socket
        that does not take all raises BlockingIOError. Otherwise as `send`. From: every document.
        """
        start, size, held = self._outgoing(data)
        try:
            if self._late_out:
                self._raise_late_out()
            if size and flags is NO_FLAGS:
                _, code = self._drain(start, size)
            else:
                deadline = monotonic() + self._timeout if self._timeout else None
                _, code = self._drain_within(start, size, 0, deadline, int32(flags))
            if code:
                self._failed(code, POLLOUT)
        finally:
            del held

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        """`sendto(data[, flags], address)`: sends, usually one datagram, to an address.

        Returns how many bytes went. Errors as for `send`, and those of a bad address as for
        `connect`. From: every document (flags: CPython).
        """
        if not 1 <= len(flags_and_address) <= 2:
            n = len(flags_and_address) + 1
            raise TypeError(f"sendto() takes 2 or 3 arguments ({n} given)")
        *flags, address = flags_and_address
        start, size, held = self._outgoing(data)
        try:
            to = byref(self._address(address, "sendto"))
            if self._late_out:
                self._raise_late_out()
            return self._move(_sendto, POLLOUT, start, size, flags[0] if flags else NO_FLAGS, to)
        finally:
            del held

    def sendfile(self, file: Any, offset: int = 0, count: Optional[int] = None) -> int:
        """Sends a file, opened in binary mode, from `offset` on: `count` bytes, or all there are.

        Returns how many bytes were sent; the file's position is after them, also on an error.
        Raises ValueError for a file in text mode, a count that is not positive, a non-blocking
        socket, and what is no stream; otherwise as `sendall`. From: CPython.
        """
        if "b" not in getattr(file, "mode", "b"):
            raise ValueError("file should be opened in binary mode")
        if self._type != SOCK_STREAM:
            raise ValueError("only SOCK_STREAM type sockets are supported")
        if count is not None and index(count) <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
        if self._timeout == 0:
            raise ValueError("non-blocking sockets are not supported")
        if offset:
            file.seek(offset)
        total = 0
        try:
            while count is None or total < count:
                size = ROOM if count is None else min(ROOM, count - total)
                piece = memoryview(file.read(size))
                if not piece:
                    break
                while piece:
                    n = self.send(piece)
                    total += n
                    piece = piece[n:]
        finally:
            if total and hasattr(file, "seek"):
                file.seek(offset + total)
        return total

    def get_inheritable(self) -> bool:
        """Whether programs started by exec inherit the descriptor: by default they do not. From:
        CPython."""
        return os.get_inheritable(self._descriptor())

    def set_inheritable(self, inheritable: bool) -> None:
        """Sets that. From: CPython."""
        os.set_inheritable(self._descriptor(), inheritable)

    def _descriptor(self) -> int:
        return self._check(lib.usocket_fileno(self._handle))

    def recv(self, bufsize: int, flags: int = NO_FLAGS) -> bytes:
        """Receives at most `bufsize` bytes; b"" at the end of a stream.

        Raises ValueError for a negative size, BlockingIOError (non-blocking), TimeoutError,
        ConnectionResetError, OSError ENOTCONN, SSLError (an IPPROTO_SEC socket that is not
        wrapped), MemoryError. Blocks according to the mode. Thread-safe. From: every document.
        """
        size = size_of(bufsize, "buffersize in recv")
        if self._late_in:
            self._raise_late_in()
        room = take_room(size)
        # With MSG_TRUNC the number may be larger than the buffer.
        data: bytes = room[: min(size, self._move(_recv, POLLIN, room, size, flags))]
        give_back(room)
        return data

    def recvfrom(self, bufsize: int, flags: int = NO_FLAGS) -> Tuple[bytes, Address]:
        """Like `recv`, with the sender: `(bytes, address)`. On a stream the address is None.

        From: every document (flags: CPython).
        """
        size = size_of(bufsize, "buffersize in recvfrom")
        if self._late_in:
            self._raise_late_in()
        room, sender = take_room(size), Addr()
        n = self._move(_recvfrom, POLLIN, room, size, flags, byref(sender))
        data = room[: min(size, n)]
        give_back(room)
        return data, decode(sender)

    def recv_into(self, buffer: Any, nbytes: int = NO_SIZE, flags: int = NO_FLAGS) -> int:
        """Like `recv` into a writable buffer: at most `nbytes`, 0 for as much as fits.

        Returns how many bytes came. Raises ValueError when nbytes is negative or does not fit,
        TypeError for a read-only buffer, and as `recv`. From: CPython.
        """
        start, size, held = self._room_in(buffer, nbytes, "recv_into")
        try:
            return self._move(_recv, POLLIN, start, size, flags)
        finally:
            del held

    def recvfrom_into(
        self, buffer: Any, nbytes: int = NO_SIZE, flags: int = NO_FLAGS
    ) -> Tuple[int, Address]:
        """Like `recv_into`, with the sender: `(nbytes, address)`. From: CPython."""
        start, size, held = self._room_in(buffer, nbytes, "recvfrom_into")
        sender = Addr()
        try:
            n = self._move(_recvfrom, POLLIN, start, size, flags, byref(sender))
        finally:
            del held
        return n, decode(sender)

    def _room_in(self, buffer: Any, nbytes: int, what: str) -> Any:
        """The address of a writable buffer, the length to use, and the object that keeps it in place."""
        start, room, held = incoming(buffer)
        try:
            if nbytes is not NO_SIZE:
                size = size_of(nbytes, f"buffersize in {what}")
                if size > room:
                    raise ValueError(f"buffer too small for requested bytes in {what}")
                room = size or room
            if self._late_in:
                self._raise_late_in()
            return start, room, held
        finally:
            del held

    def _move(
        self, call: Callable[..., int], events: int, start: Any, size: int, flags: int, *rest: Any
    ) -> int:
        """A send or receive of the library, continued after signals."""
        if flags is not NO_FLAGS:
            flags = int32(flags)
        timeout = self._timeout
        deadline = monotonic() + timeout if timeout else None
        n = call(self._handle, start, size, flags, *rest)
        if n < 0:
            if n == -EINTR:
                n = resume(deadline, events, call, self._handle, start, size, flags, *rest)
            if n < 0:
                return self._failed(n, events)
        return n
