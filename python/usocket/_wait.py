"""Signals and deadlines: how an operation goes on after a signal ended it.

A signal makes the library's call return -EINTR (`_lib` tells it to). Its handler runs, and if that
raises nothing the operation goes on for the time that is left. Nothing here is on the way of an
operation that no signal disturbs.
"""

from __future__ import annotations

import ctypes
from ctypes import byref
from errno import EAGAIN, EINTR, ETIMEDOUT
from math import ceil, inf, isnan
from time import monotonic

from ._constants import CONSTANTS
from ._lib import PollFd, lib

TYPE_CHECKING = False  # `typing` takes longer to import than all that is here.
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

MSG_DONTWAIT = CONSTANTS["MSG_DONTWAIT"]

# How often "ready" may be contradicted before each next try waits a moment (in seconds) as well.
CONTRADICTIONS = 4
PAUSE = 0.001

# Runs the handlers of the signals that came, in the main thread, and raises what they raise.
check_signals = ctypes.pythonapi.PyErr_CheckSignals
check_signals.restype = ctypes.c_int
check_signals.argtypes = ()


def microseconds(seconds: float) -> int:
    """Seconds as the library takes them; rounded up, so that no wait is too short."""
    return max(0, ceil(seconds * 1e6))


def timeout_us(seconds: Optional[float]) -> int:
    """A caller's timeout as the library takes it, in microseconds; None is -1, for ever.

    Infinity is longer than anything lasts. Raises ValueError for a negative number or NaN, OverflowError for another
    beyond 292,000 years, TypeError.
    """
    if seconds is None:
        return -1
    if seconds == inf:
        return 1 << 62
    if isnan(seconds) or seconds < 0:
        raise ValueError("Timeout value out of range")
    timeout = microseconds(seconds)
    if timeout > 0x7FFFFFFFFFFFFFFF:
        raise OverflowError("timeout doesn't fit into 64 bits of microseconds")
    return timeout


def poll(entries: Any, n: int, deadline: Optional[float]) -> int:
    """usocket_poll over `n` entries until a time of `monotonic()`; None is for ever.

    Gives how many are ready (0 when the time is over) or a negative number.
    """
    return undisturbed(lambda left: lib.usocket_poll(entries, n, left), deadline)


def undisturbed(call: Callable[[int], int], deadline: Optional[float]) -> int:
    """What a waiting call gives in the end; signals are handled, and do not stretch its time.

    `call` takes the microseconds that are left until the deadline, a time of `monotonic()`.
    """
    while True:
        code = call(-1 if deadline is None else microseconds(deadline - monotonic()))
        if code != -EINTR:
            return code
        check_signals()


def wait(handle: int, events: int, deadline: Optional[float]) -> int:
    """Waits until a handle has one of `events`: 0, or a negative number, at worst -ETIMEDOUT."""
    entry = PollFd(handle, -1, events, 0)
    ready = poll(byref(entry), 1, deadline)
    return -ETIMEDOUT if ready == 0 else min(ready, 0)


def through(
    call: Callable[[int], int],
    handle: int,
    timeout: Optional[float],
    deadline: Optional[float] = None,
) -> int:
    """The code of a call without flags that waits as its socket's timeout has it, made again after signals
    with the time that is left.

    deadline: when it has to be over, where some of its time is gone already.
    """
    late, end = deadline is not None, deadline
    if timeout and not late:
        end = monotonic() + timeout
    code = _until(end, call, handle, timeout) if late else call(handle)
    while code == -EINTR:
        check_signals()
        code = _until(end, call, handle, timeout)
    return code


def _until(
    deadline: Optional[float], call: Callable[[int], int], handle: int, timeout: Optional[float]
) -> int:
    """The call with the time that is left, and not with the whole timeout."""
    if deadline is None:
        return call(handle)
    left = microseconds(deadline - monotonic())
    if left == 0:
        return -ETIMEDOUT
    lib.usocket_settimeout(handle, left)
    try:
        return call(handle)
    finally:
        lib.usocket_settimeout(handle, timeout_us(timeout))


def resume(
    deadline: Optional[float],
    events: int,
    call: Callable[..., int],
    handle: Any,
    buf: Any,
    size: Any,
    flags: Any,
    *rest: Any,
) -> int:
    """Goes on with a send or receive of the library until a time of `monotonic()`.

    `call` has its flags in the fourth place. Without a deadline the mode of the socket counts.
    Gives what `call` gives in the end.
    """
    if flags & MSG_DONTWAIT:
        deadline = None
    if deadline is not None:
        flags |= MSG_DONTWAIT
    contradictions = 0
    while True:
        check_signals()
        code = call(handle, buf, size, flags, *rest)
        if code == -EAGAIN and deadline is not None:
            code = wait(handle, events, deadline)
            if code < 0:
                return code
            # "Ready" and EAGAIN in turn is what a Unix datagram peer with a full queue gives.
            contradictions += 1
            if contradictions > CONTRADICTIONS:
                poll(None, 0, monotonic() + PAUSE)
                if monotonic() > deadline:
                    return -ETIMEDOUT
        elif code != -EINTR:
            return code
