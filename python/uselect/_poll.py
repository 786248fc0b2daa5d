"""The class `poll`."""

from __future__ import annotations

import select as _system
from errno import EBADF, ENOENT
from itertools import count
from math import ceil
from operator import index
from time import monotonic
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union
from weakref import finalize

from usocket._errors import check, error, int32
from usocket._lib import Event, PollFd, lib
from usocket._socket import socket
from usocket._wait import poll as _wait_for
from usocket._wait import undisturbed as _undisturbed

POLLIN = int(_system.POLLIN)
POLLOUT = int(_system.POLLOUT)
POLLERR = int(_system.POLLERR)
POLLHUP = int(_system.POLLHUP)
POLLNVAL = int(_system.POLLNVAL)
POLLPRI = int(_system.POLLPRI)

_ONE_SHOT = 1


class _Entry:
    """One registered object: its handle or descriptor, and its events."""

    __slots__ = ("obj", "handle", "fd", "events", "order")

    def __init__(self, obj: Any, events: int, order: int) -> None:
        self.obj, self.events, self.order = obj, events, order
        self.handle, self.fd = _source(obj)


class poll:
    """A set of objects to wait for.

    An object is a usocket socket, an integer (a descriptor), or has a `fileno()`. Its handle or
    descriptor is determined at registration: a socket closed later reports POLLNVAL. Belongs to one
    thread at a time. From: MicroPython.
    """

    __module__ = "uselect"

    def __init__(self) -> None:
        self._entries: Dict[object, _Entry] = {}
        self._orders = count()
        self._sockets = _Sockets()
        self._descriptors = _Descriptors(self._sockets)

    def register(self, obj: Any, eventmask: int = POLLIN | POLLOUT) -> None:
        """Registers an object, or changes the events of a registered one.

        Raises OSError EBADF for a closed socket, ValueError for a negative descriptor or mask,
        TypeError for an object without a descriptor.
        """
        old = self._entries.get(_key(obj))
        entry = _Entry(obj, _mask(eventmask), old.order if old else next(self._orders))
        self.unregister(obj)
        self._group(entry).add(entry)
        self._entries[_key(obj)] = entry

    def unregister(self, obj: Any) -> None:
        """Removes an object; no error if it is not registered."""
        entry = self._entries.pop(_key(obj), None)
        if entry is not None:
            self._group(entry).remove(entry)

    def modify(self, obj: Any, eventmask: int) -> None:
        """Changes the events of a registered object. OSError ENOENT for an unknown one."""
        mask = _mask(eventmask)
        entry = self._entries.get(_key(obj))
        if entry is None:
            raise error(-ENOENT)
        self._change(entry, mask)

    def poll(
        self, timeout: Optional[float] = -1, flags: int = 0
    ) -> List[Tuple[Union[object, int], int]]:
        """Waits for at least one event, or `timeout` milliseconds (None or negative: for ever).

        With flag 1 ("one-shot") an object with an event is disabled until `modify`.
        Returns `(object, events)` for each that has events, empty after the timeout; POLLERR, POLLHUP
        and POLLNVAL are always reported. Signals do not lengthen or shorten the time.
        Raises OSError EINVAL for more objects than the process may open descriptors, TypeError.
        """
        deadline = None
        if timeout is not None and timeout >= 0:
            deadline = monotonic() + ceil(timeout * 1000) / 1e6
        once = int32(flags) & _ONE_SHOT
        ready = (self._descriptors or self._sockets).wait(deadline)
        if once:
            for entry, _ in ready:
                self._change(entry, 0)
        ready.sort(key=_registration)
        return [(entry.obj, events) for entry, events in ready]

    def ipoll(
        self, timeout: Optional[float] = -1, flags: int = 0
    ) -> Iterator[Tuple[Union[object, int], int]]:
        """The same as an iterator."""
        return iter(self.poll(timeout, flags))

    def _group(self, entry: _Entry) -> Any:
        return self._sockets if entry.handle else self._descriptors

    def _change(self, entry: _Entry, events: int) -> None:
        entry.events = events
        self._group(entry).change(entry)


class _Sockets:
    """The sockets of the library, registered with a poller: the cost of a wait depends on the ready
    ones."""

    def __init__(self) -> None:
        self.poller = check(lib.usocket_poller_create())
        finalize(self, lib.usocket_close, self.poller)
        self._entries: Dict[int, _Entry] = {}
        # A closed socket reports POLLNVAL while it is registered; the poller reports it only once.
        self._closed: Dict[int, _Entry] = {}
        self._room = (Event * 1)()

    def add(self, entry: _Entry) -> None:
        handle = entry.handle
        check(lib.usocket_poller_add(self.poller, handle, _asked(entry), handle))
        self._entries[handle] = entry

    def change(self, entry: _Entry) -> None:
        handle = entry.handle
        code = lib.usocket_poller_modify(self.poller, handle, _asked(entry), handle)
        if code != -EBADF:  # Closed: the next wait reports it.
            check(code)

    def remove(self, entry: _Entry) -> None:
        del self._entries[entry.handle]
        self._closed.pop(entry.handle, None)
        lib.usocket_poller_remove(self.poller, entry.handle)

    def has_closed(self) -> bool:
        return bool(self._closed)

    def wait(self, deadline: Optional[float]) -> List[Tuple[_Entry, int]]:
        """Waits until a time of `monotonic()`; returns the entries with their events."""
        if len(self._room) < len(self._entries):
            self._room = (Event * (2 * len(self._entries)))()
        if self._closed:
            deadline = 0.0
        n = _undisturbed(
            lambda left: lib.usocket_poller_wait(self.poller, self._room, len(self._room), left),
            deadline,
        )
        ready = []
        for event in self._room[: check(n)]:
            entry = self._entries.get(event.socket)
            if entry is None:
                continue  # Closed after its removal.
            if event.events & POLLNVAL:
                self._closed[event.socket] = entry
            else:
                ready.append((entry, event.events))
        return ready + [(entry, POLLNVAL) for entry in self._closed.values()]


class _Descriptors:
    """Descriptors that the library does not own, in an array for usocket_poll: it reports those closed
    meanwhile. The sockets' poller is a further entry."""

    def __init__(self, sockets: _Sockets) -> None:
        self._sockets = sockets
        self._entries: Dict[int, _Entry] = {}
        self._array: Any = None  # Made on demand, after each change.

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add(self, entry: _Entry) -> None:
        self._entries[id(entry)] = entry
        self._array = None

    def change(self, entry: _Entry) -> None:
        self._array = None

    def remove(self, entry: _Entry) -> None:
        del self._entries[id(entry)]
        self._array = None

    def wait(self, deadline: Optional[float]) -> List[Tuple[_Entry, int]]:
        """As `_Sockets.wait`, for both kinds."""
        if self._array is None:
            self._array = (PollFd * (1 + len(self._entries)))(
                PollFd(self._sockets.poller, -1, POLLIN, 0),
                *[PollFd(0, entry.fd, entry.events, 0) for entry in self._entries.values()],
            )
        if self._sockets.has_closed():
            deadline = 0.0
        check(_wait_for(self._array, len(self._array), deadline))
        pairs = zip(self._entries.values(), self._array[1:])
        ready = [(entry, answer.revents) for entry, answer in pairs if answer.revents]
        return ready + self._sockets.wait(0.0)


def _registration(ready: Tuple[_Entry, int]) -> int:
    return ready[0].order


def _asked(entry: _Entry) -> int:
    """POLLERR, which is always reported, stands for the empty mask; POLLNVAL reports a closed socket."""
    return entry.events | POLLERR | POLLNVAL


def _key(obj: Any) -> object:
    """The key of an object: the value of an integer, the identity of any other object."""
    return ("descriptor", obj) if isinstance(obj, int) else id(obj)


def _mask(events: int) -> int:
    events = index(events)
    if not 0 <= events <= 0x7FFF:
        raise ValueError(f"{events} is not an event mask")
    return events


def _source(obj: Any) -> Tuple[int, int]:
    """Handle and descriptor of an object; one of them is used."""
    if isinstance(obj, socket):
        if not obj._handle:
            raise error(-EBADF)
        return obj._handle, -1
    fd = obj if isinstance(obj, int) else _fileno(obj)
    if fd < 0:
        raise ValueError(f"{fd} is not a file descriptor")
    return 0, int32(fd)


def _fileno(obj: Any) -> int:
    try:
        return index(obj.fileno())
    except AttributeError:
        raise TypeError(f"{type(obj).__name__} is not an integer and has no fileno()") from None
