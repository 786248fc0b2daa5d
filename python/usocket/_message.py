"""Messages: bytes from several buffers, with ancillary data (descriptors, packet information)."""

from __future__ import annotations

from array import array
from ctypes import (
    CDLL,
    Structure,
    addressof,
    byref,
    c_char,
    c_int,
    c_int32,
    c_size_t,
    c_ssize_t,
    c_uint32,
    c_void_p,
    cast,
    get_errno,
    sizeof,
    string_at,
)
from errno import EAGAIN, EINTR
from sys import byteorder
from time import monotonic
from typing import Callable, Iterable, List, Tuple

from ._address import Address, decode
from ._buffer import give_back, incoming, take_room
from ._constants import CONSTANTS
from ._errors import int32
from ._errors import size as size_of
from ._fields import part_of
from ._lib import Addr, lib
from ._transfer import POLLIN, POLLOUT, Transfer
from ._wait import MSG_DONTWAIT, check_signals, wait

IPPROTO_SEC = CONSTANTS["IPPROTO_SEC"]
MSG_NOSIGNAL = CONSTANTS.get("MSG_NOSIGNAL", 0)
MSG_WAITALL = CONSTANTS["MSG_WAITALL"]
MSG_CMSG_CLOEXEC = CONSTANTS.get("MSG_CMSG_CLOEXEC", 0)

Ancillary = Tuple[int, int, bytes]

# As many buffers as the system takes at once.
IOV_MAX = 1024
_WORD = sizeof(c_size_t)
_HEAD = _WORD + 2 * sizeof(c_int)  # struct cmsghdr: length, level, type.


class _Vector(Structure):
    _fields_ = [("start", c_void_p), ("size", c_size_t)]


class _Header(Structure):
    """`struct msghdr`."""

    _fields_ = [
        ("name", c_void_p),
        ("namelen", c_uint32),
        ("iov", c_void_p),
        ("iovlen", c_size_t),
        ("control", c_void_p),
        ("controllen", c_size_t),
        ("flags", c_int),
    ]


_libc = CDLL(None, use_errno=True)
for _name in ("sendmsg", "recvmsg"):
    getattr(_libc, _name).argtypes = (c_int, c_void_p, c_int)
    getattr(_libc, _name).restype = c_ssize_t


def CMSG_LEN(length: int) -> int:
    """How long an item of ancillary data of `length` bytes is, without padding behind it.

    Raises OverflowError for a length out of range. From: CPython.
    """
    if not 0 <= length <= 0x7FFFFFFF - _HEAD:
        raise OverflowError("CMSG_LEN() argument out of range")
    return _HEAD + length


def CMSG_SPACE(length: int) -> int:
    """How much room an item of ancillary data of `length` bytes takes, with padding.

    Raises OverflowError for a length out of range. From: CPython.
    """
    if not 0 <= length <= 0x7FFFFFFF - _HEAD - _WORD:
        raise OverflowError("CMSG_SPACE() argument out of range")
    return _HEAD + _padded(length)


def _padded(n: int) -> int:
    return (n + _WORD - 1) & ~(_WORD - 1)


def _items(ancdata: Iterable[Ancillary]) -> bytes:
    """Ancillary data as the system has it."""
    parts = []
    for item in ancdata:
        if not isinstance(item, (tuple, list)) or len(item) != 3:
            raise TypeError("ancillary data is a sequence of (level, type, data)")
        level, kind, data = int32(item[0]), int32(item[1]), bytes(memoryview(item[2]))
        head = CMSG_LEN(len(data)).to_bytes(_WORD, byteorder)
        head += bytes(c_int32(level)) + bytes(c_int32(kind))
        parts.append(head + data.ljust(_padded(len(data)), b"\0"))
    return b"".join(parts)


def _taken_apart(control: bytes) -> List[Ancillary]:
    """Ancillary data from the system; the last item may be cut off."""
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
    _family: int
    _proto: int
    _type: int

    def sendmsg(
        self,
        buffers: Iterable,
        ancdata: Iterable[Ancillary] = (),
        flags: int = 0,
        address: Address = None,  # type: ignore[assignment]
    ) -> int:
        """Sends the bytes of several buffers, one after the other, perhaps not all. Returns how many.

        ancdata: items `(level, type, data)`, such as the descriptors of SCM_RIGHTS.
        address: where to, of a socket that is not connected.
        Errors and waiting as for `send`. From: CPython.
        """
        pieces = [self._outgoing(b) for b in buffers]
        try:
            flags, control = int32(flags), _items(ancdata)
            to = None if address is None else self._address(address, "sendmsg")
            if self._late_out:
                self._raise_late_out()
            if self._proto == IPPROTO_SEC:
                return self.send(b"".join(string_at(p, n) for p, n, _ in pieces))  # type: ignore[attr-defined]
            places = [(start, size) for start, size, _ in pieces]
            return self._message(_libc.sendmsg, POLLOUT, _header(places, to, control), flags)
        finally:
            del pieces

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0
    ) -> Tuple[bytes, List[Ancillary], int, Address]:
        """Receives at most `bufsize` bytes, and as much ancillary data as fits into `ancbufsize`.

        Returns `(data, ancdata, msg_flags, address)`; MSG_TRUNC and MSG_CTRUNC among the flags say
        that something was cut off. Descriptors that come (SCM_RIGHTS) are close-on-exec.
        Errors and waiting as for `recv`. From: CPython.
        """
        size = size_of(bufsize, "buffer size in recvmsg()")
        room = take_room(size)
        try:
            n, *rest = self._receive([(addressof(room), size)], ancbufsize, flags)
            return (room[: min(n, size)], *rest)  # type: ignore[return-value]
        finally:
            give_back(room)

    def recvmsg_into(
        self, buffers: Iterable, ancbufsize: int = 0, flags: int = 0
    ) -> Tuple[int, List[Ancillary], int, Address]:
        """Like `recvmsg` into writable buffers, one after the other: `(nbytes, ancdata, msg_flags,
        address)`. From: CPython."""
        pieces = [incoming(b) for b in buffers]
        try:
            places = [(start, size) for start, size, _ in pieces]
            return self._receive(places, ancbufsize, flags)  # type: ignore[return-value]
        finally:
            del pieces

    def _receive(self, places: list, ancbufsize: int, flags: int) -> tuple:
        """Receives into pieces of memory: how much, ancillary data, flags, from whom."""
        space, flags = size_of(ancbufsize, "ancillary data buffer size in recvmsg()"), int32(flags)
        if space > 0x7FFFFFFF:
            raise ValueError("invalid ancillary data buffer length")
        if self._late_in:
            self._raise_late_in()
        if self._proto == IPPROTO_SEC:
            self.recv(0)  # type: ignore[attr-defined]
        sender, control = Addr(), (c_char * space)()
        header = _header(places, sender, control if space else b"")
        n = self._message(_libc.recvmsg, POLLIN, header, flags | MSG_CMSG_CLOEXEC)
        sender.len = min(header.namelen, sizeof(sender.storage))
        items = _taken_apart(control[: min(space, header.controllen)]) if space else []
        return n, items, header.flags & ~MSG_CMSG_CLOEXEC, decode(sender)

    def _message(self, call, events: int, header: _Header, flags: int) -> int:
        """sendmsg(2) or recvmsg(2) as the mode has it, carried on over signals."""
        timeout = self._timeout
        deadline = monotonic() + timeout if timeout else None
        # To wait in the library's poll is to be woken when the socket is closed. All or nothing is
        # for the system to wait for.
        all_of_it = timeout is None and flags & MSG_WAITALL
        at_once = MSG_NOSIGNAL if all_of_it else MSG_NOSIGNAL | MSG_DONTWAIT
        while True:
            fd = lib.usocket_fileno(self._handle)
            if fd < 0:
                raise self._error(fd)
            n = call(fd, byref(header), flags | at_once)
            code = n if n >= 0 else -get_errno()
            if code == -EAGAIN and timeout != 0 and not flags & MSG_DONTWAIT:
                code = wait(self._handle, events, deadline)
                if code < 0:
                    raise self._error(code)
            elif code == -EINTR:
                check_signals()
            elif code < 0:
                raise self._error(code)
            else:
                return code


def _header(places: list, address, control) -> _Header:
    """The `struct msghdr` for places in memory, an address (or None) and ancillary data."""
    vector = (_Vector * len(places))(
        *((cast(start, c_void_p).value if start else None, size) for start, size in places)
    )
    header = _Header()
    if address is not None:
        header.name = cast(byref(address), c_void_p).value
        header.namelen = address.len or sizeof(address.storage)
    header.iov, header.iovlen = cast(vector, c_void_p).value, len(places)
    if len(control):
        header.control, header.controllen = cast(control, c_void_p).value, len(control)
    # What the header points to lives as long as it does.
    header.held = (vector, address, control)
    return header


def send_fds(sock, buffers: Iterable, fds: Iterable[int], flags: int = 0, address=None) -> int:
    """Sends descriptors with bytes through a Unix socket. Returns how many bytes went.

    Raises as `socket.sendmsg`. From: CPython's `socket`.
    """
    rights = (CONSTANTS["SOL_SOCKET"], CONSTANTS["SCM_RIGHTS"], array("i", fds))
    return sock.sendmsg(buffers, [rights], flags, address)


def recv_fds(sock, bufsize: int, maxfds: int, flags: int = 0) -> tuple:
    """Receives bytes and at most `maxfds` descriptors: `(data, fds, msg_flags, address)`.

    Raises as `socket.recvmsg`. From: CPython's `socket`.
    """
    fds = array("i")
    data, items, flags, address = sock.recvmsg(bufsize, CMSG_LEN(maxfds * fds.itemsize), flags)
    for level, kind, raw in items:
        if (level, kind) == (CONSTANTS["SOL_SOCKET"], CONSTANTS["SCM_RIGHTS"]):
            fds.frombytes(raw[: len(raw) - len(raw) % fds.itemsize])
    return data, list(fds), flags, address
