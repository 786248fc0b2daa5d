"""The class `poll`."""

from __future__ import annotations

import select as _system
from errno import EBADF, ENOENT
from math import ceil
from operator import index
from time import monotonic
from typing import Dict, Iterator, List, Optional, Tuple, Union

from usocket._errors import error, int32
from usocket._lib import PollFd
from usocket._socket import socket
from usocket._wait import poll as _wait_for

POLLIN = int(_system.POLLIN)
POLLOUT = int(_system.POLLOUT)
POLLERR = int(_system.POLLERR)
POLLHUP = int(_system.POLLHUP)
POLLNVAL = int(_system.POLLNVAL)
POLLPRI = int(_system.POLLPRI)

_ONE_SHOT = 1


class _Entry:
    """One registered object: what it is to the library, and what it is waited for."""

    __slots__ = ("obj", "handle", "fd", "events")

    def __init__(self, obj, events: int):
        self.obj, self.events = obj, events
        self.handle, self.fd = _source(obj)


class poll:
    """A set of objects to wait for.

    An object is a usocket socket, an integer (a descriptor), or has a `fileno()`. It counts as
    what it is when it is registered: a socket that is closed later reports POLLNVAL. Belongs to
    one thread at a time. From: MicroPython.
    """

    __module__ = "uselect"

    def __init__(self) -> None:
        self._entries: Dict[object, _Entry] = {}
        self._set = _Set([])
        self._stale = False

    def register(self, obj, eventmask: int = POLLIN | POLLOUT) -> None:
        """Adds an object, or changes what one that is there is waited for.

        Raises OSError EBADF for a closed socket, ValueError for a negative descriptor or mask,
        TypeError for an object without a descriptor.
        """
        self._entries[_key(obj)] = _Entry(obj, _mask(eventmask))
        self._stale = True

    def unregister(self, obj) -> None:
        """Removes an object; one that is not there is no error."""
        self._entries.pop(_key(obj), None)
        self._stale = True

    def modify(self, obj, eventmask: int) -> None:
        """Changes what a registered object is waited for. OSError ENOENT for an unknown one."""
        mask = _mask(eventmask)
        try:
            self._entries[_key(obj)].events = mask
        except KeyError:
            raise error(-ENOENT) from None
        self._stale = True

    def poll(
        self, timeout: Optional[float] = -1, flags: int = 0
    ) -> List[Tuple[Union[object, int], int]]:
        """Waits for at least one event, or `timeout` milliseconds (None or negative: for ever).

        With flag 1 ("one-shot") what has an event is not waited for again until `modify`.
        Returns `(object, events)` for each that has events, empty when the time is over; POLLERR,
        POLLHUP and POLLNVAL come unasked. Signals do not lengthen or shorten the time.
        Raises OSError EINVAL for more objects than the process may open descriptors, TypeError.
        """
        deadline = None
        if timeout is not None and timeout >= 0:
            deadline = monotonic() + ceil(timeout * 1000) / 1e6
        once = int32(flags) & _ONE_SHOT
        if self._stale:
            self._set, self._stale = _Set(list(self._entries.values())), False
        ready = self._set.wait(deadline)
        if once and ready:
            for entry, _ in ready:
                entry.events = 0
            self._stale = True
        return [(entry.obj, events) for entry, events in ready]

    def ipoll(
        self, timeout: Optional[float] = -1, flags: int = 0
    ) -> Iterator[Tuple[Union[object, int], int]]:
        """The same as an iterator."""
        return iter(self.poll(timeout, flags))


class _Set:
    """The entries as the library waits for them: an array for usocket_poll."""

    def __init__(self, entries: List[_Entry]):
        self._entries = entries
        self._array = (PollFd * len(entries))(
            *[(entry.handle, entry.fd, entry.events, 0) for entry in entries]
        )

    def wait(self, deadline: Optional[float]) -> List[Tuple[_Entry, int]]:
        """Waits until a time of `monotonic()`: the entries that have events, and which."""
        ready = _wait_for(self._array, len(self._entries), deadline)
        if ready < 0:
            raise error(ready)
        if ready == 0:
            return []
        pairs = zip(self._entries, self._array)
        return [(entry, answer.revents) for entry, answer in pairs if answer.revents]


def _key(obj) -> object:
    """An integer is its value, any other object is itself and not what it is equal to."""
    return ("descriptor", obj) if isinstance(obj, int) else id(obj)


def _mask(events: int) -> int:
    events = index(events)
    if not 0 <= events <= 0x7FFF:
        raise ValueError(f"{events} is no event mask")
    return events


def _source(obj) -> Tuple[int, int]:
    """Handle and descriptor of an object; one of them counts."""
    if isinstance(obj, socket):
        if not obj._handle:
            raise error(-EBADF)
        return obj._handle, -1
    fd = obj if isinstance(obj, int) else _fileno(obj)
    if fd < 0:
        raise ValueError(f"{fd} is no descriptor")
    return 0, int32(fd)


def _fileno(obj) -> int:
    try:
        return index(obj.fileno())
    except AttributeError:
        raise TypeError(f"{type(obj).__name__} is no integer and has no fileno()") from None
