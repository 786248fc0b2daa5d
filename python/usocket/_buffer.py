"""Memory on its way to and from the library.

The library gets addresses, as integers. Meanwhile the caller keeps an object that holds the memory in
place, in a local variable that it deletes before it returns. An exception refers to the locals of every
frame, and a buffer still held there could not be resized while the exception exists.
"""

from __future__ import annotations

from ctypes import (
    Structure,
    addressof,
    byref,
    c_char,
    c_char_p,
    c_int,
    c_ssize_t,
    c_void_p,
    py_object,
    pythonapi,
)

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Tuple, Union

    # The address of memory; for bytes, which cannot move, the object itself. None for no memory.
    Start = Union[bytes, int, None]

# The most that one call reads from the kernel by default.
ROOM = 65536
_Room = c_char * ROOM

# Unused buffers. Making one costs more than a system call.
_spare: list[Any] = []
_SPARE_MAX = 16


def take_room(size: int) -> Any:
    """A ctypes array of at least `size` bytes, ROOM or more, with arbitrary content."""
    if size > ROOM:
        return (c_char * size)()
    try:
        return _spare.pop()
    except IndexError:
        return _Room()


def give_back(room: Any) -> None:
    """Returns a buffer of take_room for reuse. Without this call it is garbage-collected."""
    if len(room) == ROOM and len(_spare) < _SPARE_MAX:
        _spare.append(room)


class _View(Structure):
    """`Py_buffer`: how C sees the memory of any object, read-only memory too. Dropping it lets go."""

    _fields_ = [
        ("start", c_void_p),
        ("obj", c_void_p),
        ("size", c_ssize_t),
        ("itemsize", c_ssize_t),
        ("readonly", c_int),
        ("ndim", c_int),
        ("format", c_char_p),
        ("shape", c_void_p),
        ("strides", c_void_p),
        ("suboffsets", c_void_p),
        ("internal", c_void_p),
    ]

    def __init__(
        self, obj: Any, flags: int = 0, _get: Any = pythonapi.PyObject_GetBuffer
    ) -> None:
        super().__init__()
        _get(obj, byref(self), flags)  # PyBUF_SIMPLE: contiguous, or BufferError.

    def __del__(self, _release: Any = pythonapi.PyBuffer_Release) -> None:
        _release(byref(self))


_WRITABLE = 1  # PyBUF_WRITABLE

pythonapi.PyObject_GetBuffer.argtypes = (py_object, c_void_p, c_int)
pythonapi.PyBuffer_Release.argtypes = (c_void_p,)
pythonapi.PyBuffer_Release.restype = None


def outgoing(data: Any) -> Tuple[Start, int, object]:
    """Bytes to send, without a copy: their address, their length, and the object that keeps them in
    place."""
    if type(data) is bytes:
        return data, len(data), None
    if type(data) is bytearray and (held := _held(data)) is not None:
        return addressof(held), len(data), held
    view = _View(data)
    return view.start, view.size, view


def outgoing_or_text(data: Any) -> Tuple[Start, int, object]:
    """The same; a str goes as UTF-8."""
    return outgoing(data.encode() if isinstance(data, str) else data)


def incoming(buffer: Any) -> Tuple[Start, int, object]:
    """A writable buffer to receive into: its address, its length, and the object that keeps it in
    place."""
    if type(buffer) is bytearray:  # The usual type needs no checks.
        held: Any = _held(buffer)
        return (None, 0, None) if held is None else (addressof(held), len(buffer), held)
    with memoryview(buffer) as view:
        if view.readonly:
            raise TypeError("the buffer is read-only, a writable one is required")
        if not view.c_contiguous:
            raise BufferError("the buffer is not contiguous")
    held = _View(buffer, _WRITABLE)
    return (held.start, held.size, held) if held.size else (None, 0, None)


def _held(data: bytearray) -> Any:
    """What keeps a bytearray in place, None for an empty one. Its length is to be asked for afterwards:
    before, another thread could have changed it."""
    try:
        return c_char.from_buffer(data) if data else None
    except ValueError:  # Emptied by another thread.
        return None
