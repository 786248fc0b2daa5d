"""Signals and deadlines: continuing an operation after a signal.

A signal makes the library's call return -EINTR (`_lib` tells it to). The handler runs, and if it raises
nothing the operation goes on for the remaining time. An operation without a signal does not use this
module.
"""

from __future__ import annotations

import ctypes
from ctypes import byref
from errno import EAGAIN, EINTR, ETIMEDOUT
from math import ceil, inf, isnan
from operator import index
from time import monotonic

from ._constants import CONSTANTS
from ._lib import PollFd, lib

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

MSG_DONTWAIT = CONSTANTS["MSG_DONTWAIT"]

# How often EAGAIN may contradict "ready" before each try also pauses (in seconds).
CONTRADICTIONS = 4
PAUSE = 0.001

# Runs the handlers of the signals that came, in the main thread, and raises what they raise.
check_signals = ctypes.pythonapi.PyErr_CheckSignals
check_signals.restype = ctypes.c_int
check_signals.argtypes = ()


def microseconds(seconds: float) -> int:
    """Converts seconds to the library's microseconds, rounded up, so that no wait is too short."""
    return max(0, ceil(seconds * 1e6))


def timeout_us(seconds: Optional[float]) -> int:
    """Converts a caller's timeout to the library's microseconds; None is -1, for ever.

    Infinity is allowed. Raises ValueError for a negative number or NaN, OverflowError for another beyond
    292,000 years, TypeError.
    """
    if seconds is None:
        return -1
    if not isinstance(seconds, (int, float)) and hasattr(seconds, "__index__"):
        seconds = index(seconds)
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

    Returns the number of ready entries (0 after the timeout) or a negative number.
    """
    return undisturbed(lambda left: lib.usocket_poll(entries, n, left), deadline)


def undisturbed(call: Callable[[int], int], deadline: Optional[float]) -> int:
    """Repeats a waiting call after signals, within its deadline, and returns its result.

    `call` takes the remaining microseconds; the deadline is a time of `monotonic()`.
    """
    while True:
        code = call(-1 if deadline is None else microseconds(deadline - monotonic()))
        if code != -EINTR:
            return code
        check_signals()


def wait(handle: int, events: int, deadline: Optional[float]) -> int:
    """Waits until a handle has one of `events`; returns 0 or a negative number, such as -ETIMEDOUT."""
    entry = PollFd(handle, -1, events, 0)
    ready = poll(byref(entry), 1, deadline)
    return -ETIMEDOUT if ready == 0 else min(ready, 0)


def through(
    call: Callable[[int], int],
    handle: int,
    timeout: Optional[float],
    deadline: Optional[float] = None,
) -> int:
    """Makes a call without flags that waits within its socket's timeout, and repeats it after signals
    with the remaining time; returns its code.

    deadline: the end of the operation, if it has begun already.
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
    """Makes the call with the remaining time instead of the whole timeout."""
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
    """Continues a send or receive of the library until a time of `monotonic()`.

    `call` has its flags as the fourth argument. Without a deadline the socket's mode applies. Returns
    the final result of `call`.
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
            # A Unix datagram peer with a full queue gives "ready" and EAGAIN in turn.
            contradictions += 1
            if contradictions > CONTRADICTIONS:
                poll(None, 0, monotonic() + PAUSE)
                if monotonic() > deadline:
                    return -ETIMEDOUT
        elif code != -EINTR:
            return code
