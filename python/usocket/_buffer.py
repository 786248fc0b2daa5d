"""Memory on its way to and from the library."""

from __future__ import annotations

from ctypes import byref, c_char
from typing import Optional, Tuple

# What one call takes out of the kernel at most, unless more is asked of it.
ROOM = 65536
_Room = c_char * ROOM

# Rooms that nobody uses at the moment. To make one costs more than a system call.
_spare: list = []
_SPARE_MAX = 16


def take_room(size: int):
    """A ctypes array of at least `size` bytes, ROOM or more. Its content is left over."""
    if size > ROOM:
        return (c_char * size)()
    try:
        return _spare.pop()
    except IndexError:
        return _Room()


def give_back(room) -> None:
    """Keeps a room of take_room for the next one. What is not given back is garbage like any."""
    if len(room) == ROOM and len(_spare) < _SPARE_MAX:
        _spare.append(room)


def outgoing(data) -> Tuple[object, int]:
    """Bytes to send, as a pointer for the library and a length.

    bytes and writable buffers are sent from where they are; str is sent as UTF-8.
    """
    if type(data) is bytes:
        return data, len(data)
    if isinstance(data, str):
        data = data.encode()
        return data, len(data)
    with memoryview(data) as view:
        if not view.c_contiguous:
            raise BufferError("the buffer is not contiguous")
        size = view.nbytes
        if view.readonly or size == 0:
            return view.tobytes(), size
        # The c_char keeps the buffer from being resized while the library reads it.
        return byref(c_char.from_buffer(data)), size


def incoming(buffer) -> Tuple[Optional[c_char], int]:
    """A writable buffer to receive into: a c_char at its start, its length. None when empty."""
    if type(buffer) is bytearray:  # The usual one, with nothing to be asked about it.
        size = len(buffer)
        return (c_char.from_buffer(buffer) if size else None), size
    with memoryview(buffer) as view:
        if view.readonly:
            raise TypeError("a writable buffer is needed, not a read-only one")
        if not view.c_contiguous:
            raise BufferError("the buffer is not contiguous")
        size = view.nbytes
        return (c_char.from_buffer(buffer) if size else None), size
