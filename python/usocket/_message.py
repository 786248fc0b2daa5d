"""Messages: bytes from several buffers, with ancillary data (descriptors, packet information)."""

from __future__ import annotations

from ctypes import addressof, byref, c_char, c_int, c_int32, c_size_t, c_void_p, cast, sizeof
from operator import index
from sys import byteorder

from ._address import decode
from ._buffer import give_back, incoming, take_room
from ._constants import CONSTANTS
from ._errors import int32
from ._errors import size as size_of
from ._fields import part_of
from ._lib import Addr, Message, Piece, lib
from ._transfer import POLLIN, POLLOUT, Transfer

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, List, Optional, Tuple
    from ._address import Address

    Ancillary = Tuple[int, int, bytes]

# Flags that the library adds; not for programs.
MSG_CMSG_CLOEXEC = CONSTANTS.get("MSG_CMSG_CLOEXEC", 0)

_WORD = sizeof(c_size_t)
_HEAD = _WORD + 2 * sizeof(c_int)  # struct cmsghdr: length, level, type.


def _send(handle: int, message: Any, _: Any, flags: int) -> int:
    return lib.usocket_sendmsg(handle, message, flags)


def _receive(handle: int, message: Any, _: Any, flags: int) -> int:
    return lib.usocket_recvmsg(handle, message, flags)


def CMSG_LEN(length: int) -> int:
    """The size of an item of ancillary data of `length` bytes, without trailing padding.

    Raises OverflowError for a length out of range. From: CPython.
    """
    length = index(length)
    if not 0 <= length <= 0x7FFFFFFF - _HEAD:
        raise OverflowError("CMSG_LEN() argument out of range")
    return _HEAD + length


def CMSG_SPACE(length: int) -> int:
    """The space for an item of ancillary data of `length` bytes, with padding.

    Raises OverflowError for a length out of range. From: CPython.
    """
    length = index(length)
    if not 0 <= length <= 0x7FFFFFFF - _HEAD - _WORD:
        raise OverflowError("CMSG_SPACE() argument out of range")
    return _HEAD + _padded(length)


def _padded(n: int) -> int:
    return (n + _WORD - 1) & ~(_WORD - 1)


def _items(ancdata: Iterable[Ancillary]) -> bytes:
    """Ancillary data in the system's form."""
    parts = []
    for item in ancdata:
        if not isinstance(item, (tuple, list)) or len(item) != 3:
            raise TypeError("ancillary data must be a sequence of (level, type, data)")
        level, kind, data = int32(item[0]), int32(item[1]), bytes(memoryview(item[2]))
        head = CMSG_LEN(len(data)).to_bytes(_WORD, byteorder)
        head += bytes(c_int32(level)) + bytes(c_int32(kind))
        parts.append(head + data.ljust(_padded(len(data)), b"\0"))
    return b"".join(parts)


def _taken_apart(control: bytes) -> List[Ancillary]:
    """Ancillary data from the system's form; the last item may be truncated."""
    items, at = [], 0
    while at + _HEAD <= len(control):
        length = int.from_bytes(control[at : at + _WORD], byteorder)
        if length < _HEAD:
            break
        level = c_int32.from_buffer_copy(control, at + _WORD).value
        kind = c_int32.from_buffer_copy(control, at + _WORD + 4).value
        items.append((level, kind, control[at + _HEAD : at + length]))
        at += _padded(length)
    return items


@part_of("socket")
class Messages(Transfer):
    """sendmsg and recvmsg."""

    __slots__ = ()

    _address: Callable[[Address, str], Addr]
    _move: Callable[..., Any]

    def sendmsg(
        self,
        buffers: Iterable[Any],
        ancdata: Iterable[Ancillary] = (),
        flags: int = 0,
        address: Address = None,  # type: ignore[assignment]
    ) -> int:
        """Sends the bytes of several buffers in order, possibly not all. Returns how many.

        ancdata: items `(level, type, data)`, such as the descriptors of SCM_RIGHTS.
        address: where to, of a socket that is not connected.
        Errors and waiting as for `send`. From: CPython.
        """
        pieces = [self._outgoing(b) for b in buffers]
        try:
            control = _items(ancdata)
            to = None if address is None else self._address(address, "sendmsg")
            if self._late_out:
                self._raise_late_out()
            places = [(start, size) for start, size, _ in pieces]
            n: int = self._move(_send, POLLOUT, byref(_message(places, to, control)), 0, flags)
            return n
        finally:
            del pieces

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0
    ) -> Tuple[bytes, List[Ancillary], int, Address]:
        """Receives at most `bufsize` bytes, and as much ancillary data as fits into `ancbufsize`.

        Returns `(data, ancdata, msg_flags, address)`; MSG_TRUNC and MSG_CTRUNC among the flags mean
        truncation. Received descriptors (SCM_RIGHTS) are close-on-exec. Errors and waiting as for
        `recv`. From: CPython.
        """
        size = size_of(bufsize, "buffer size in recvmsg()")
        room = take_room(size)
        try:
            n, *rest = self._receive([(addressof(room), size)], ancbufsize, flags)
            return (room[: min(n, size)], *rest)
        finally:
            give_back(room)

    def recvmsg_into(
        self, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0
    ) -> Tuple[int, List[Ancillary], int, Address]:
        """Like `recvmsg` into writable buffers, one after the other: `(nbytes, ancdata, msg_flags,
        address)`. From: CPython."""
        pieces = [incoming(b) for b in buffers]
        try:
            places = [(start, size) for start, size, _ in pieces]
            return self._receive(places, ancbufsize, flags)
        finally:
            del pieces

    def _receive(self, places: list[Any], ancbufsize: int, flags: int) -> tuple[Any, ...]:
        """Receives into pieces of memory: (length, ancillary data, flags, sender)."""
        space = size_of(ancbufsize, "ancillary data buffer size in recvmsg()")
        if space > 0x7FFFFFFF:
            raise ValueError("invalid ancillary data buffer length")
        if self._late_in:
            self._raise_late_in()
        sender, control = Addr(), (c_char * space)()
        message = _message(places, sender, control if space else b"")
        n = self._move(_receive, POLLIN, byref(message), 0, flags)
        got: Any = control[: min(space, message.control_len)]
        items = _taken_apart(got) if space else []
        return n, items, message.flags & ~MSG_CMSG_CLOEXEC, decode(sender)


def _message(places: list[Any], address: Optional[Addr], control: Any) -> Message:
    """The library's message for places in memory, an address (or None) and ancillary data."""
    pieces = (Piece * len(places))(
        *[Piece(cast(start, c_void_p).value if start else None, size) for start, size in places]
    )
    message = Message(data=cast(pieces, c_void_p), count=len(places))
    if address is not None:
        message.addr = cast(byref(address), c_void_p)
    if len(control):
        message.control, message.control_len = cast(control, c_void_p), len(control)
    # Keep the memory alive as long as the message.
    message.held = (pieces, address, control)
    return message


def send_fds(
    sock: Any, buffers: Iterable[Any], fds: Iterable[int], flags: int = 0, address: Any = None
) -> int:
    """Sends descriptors with bytes through a Unix socket. Returns how many bytes went.

    Raises as `socket.sendmsg`. From: CPython's `socket`.
    """
    from array import array  # It imports a lot.

    rights = (CONSTANTS["SOL_SOCKET"], CONSTANTS["SCM_RIGHTS"], array("i", fds))
    n: int = sock.sendmsg(buffers, [rights], flags, address)
    return n


def recv_fds(sock: Any, bufsize: int, maxfds: int, flags: int = 0) -> tuple[Any, ...]:
    """Receives bytes and at most `maxfds` descriptors: `(data, fds, msg_flags, address)`.

    Raises as `socket.recvmsg`. From: CPython's `socket`.
    """
    from array import array

    fds = array("i")
    data, items, flags, address = sock.recvmsg(bufsize, CMSG_LEN(maxfds * fds.itemsize), flags)
    for level, kind, raw in items:
        if (level, kind) == (CONSTANTS["SOL_SOCKET"], CONSTANTS["SCM_RIGHTS"]):
            fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
    return data, list(fds), flags, address
