"""Sending everything: the common part of sendall and write."""

from __future__ import annotations

from ctypes import c_void_p, cast
from errno import EAGAIN, EINTR
from time import monotonic

from ._fields import Fields
from ._lib import lib
from ._wait import resume

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Tuple

POLLIN, POLLOUT = 1, 4

_send, _write = lib.usocket_send, lib.usocket_write


class Transfer(Fields):
    """A socket that transfers data."""

    __slots__ = ()

    # The function for bytes to send: `_buffer.outgoing`, or one that also takes text.
    _outgoing: Callable[..., Any]

    def _drain(self, data: Any, size: int) -> Tuple[int, int]:
        """usocket_write, continued after signals: returns the number of bytes written, and the reason
        for a short write.

        The reason is a negative number, 0 when all went.
        """
        handle, timeout = self._handle, self._timeout
        deadline = monotonic() + timeout if timeout else None
        n = _write(handle, data, size)
        if n == size:
            return n, 0
        if n < 0:
            done, code = 0, n
        else:
            # As in _fill: an empty write returns the reason; 0 means that no more fits now.
            done, code = n, _write(handle, None, 0) or -EAGAIN
        if code != -EINTR:
            return done, code
        return self._drain_within(data, size, done, deadline, 0)

    def _drain_within(
        self, data: Any, size: int, done: int, deadline: Optional[float], flags: int
    ) -> Tuple[int, int]:
        """The same piece by piece until a deadline, after the first `done` bytes, with flags."""
        start = cast(data, c_void_p).value or 0
        while True:
            n = resume(deadline, POLLOUT, _send, self._handle, start + done, size - done, flags)
            if n < 0:
                return done, n
            done += n
            if done >= size:
                return done, 0
