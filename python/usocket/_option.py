"""The options of a socket: the system's, and the mode by its timeout."""

from __future__ import annotations

from ctypes import byref, c_char, c_int32

from ._accelerator import accelerated
from ._errors import int32
from ._errors import size as size_of
from ._fields import Fields, part_of
from ._lib import lib
from ._wait import timeout_us

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Optional, overload

_default: Optional[float] = None


def getdefaulttimeout() -> Optional[float]:
    """The default timeout of new sockets in seconds: None, blocking, unless set.

    From: CPython's `socket`.
    """
    return _default


def setdefaulttimeout(timeout: Optional[float]) -> None:
    """Sets it, as `socket.settimeout` takes it. From: CPython's `socket`."""
    global _default
    left = timeout_us(timeout)
    _default = None if left < 0 else left / 1e6


default_timeout = getdefaulttimeout


@accelerated
@part_of("socket")
class Options(Fields):
    """Options and modes."""

    __slots__ = ()

    def setsockopt(
        self, level: int, optname: int, value: Any, optlen: Optional[int] = None
    ) -> None:
        """Sets an option (SOL_, SO_, TCP_, IP_ ... constants) to an integer or a buffer's bytes,
        or, with None and a length, to nothing of that length.

        Raises OSError ENOPROTOOPT, EINVAL; OverflowError, TypeError. From: every document.
        """
        level, optname = int32(level), int32(optname)
        if (value is None) != (optlen is not None):
            raise TypeError("value None requires a length, and a length requires None")
        if isinstance(value, int):
            self._check(lib.usocket_setsockopt_int(self._handle, level, optname, int32(value)))
        else:
            raw = None if value is None else bytes(memoryview(value))
            size = optlen if raw is None else len(raw)
            self._check(lib.usocket_setsockopt(self._handle, level, optname, raw, size))

    if TYPE_CHECKING:

        @overload
        def getsockopt(self, level: int, optname: int) -> int: ...
        @overload
        def getsockopt(self, level: int, optname: int, buflen: int) -> bytes: ...

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        """An option as an integer, or with `buflen` as at most that many bytes.

        Raises OSError ENOPROTOOPT, EINVAL; ValueError for a negative buflen. From: CPython.
        """
        level, optname = int32(level), int32(optname)
        size = size_of(buflen, "buflen in getsockopt")
        if size == 0:
            value = c_int32()
            self._check(lib.usocket_getsockopt_int(self._handle, level, optname, byref(value)))
            return value.value
        room = (c_char * size)()
        return room[: self._check(lib.usocket_getsockopt(self._handle, level, optname, room, size))]

    def settimeout(self, value: Optional[float]) -> None:
        """Sets the timeout of operations, in seconds: None for ever, 0 for non-blocking.

        It applies to each operation as a whole, in steps of a microsecond. Raises ValueError for a
        negative number or NaN, OverflowError for one beyond 292,000 years but infinity, TypeError. From:
        every document.
        """
        timeout = timeout_us(value)
        self._check(lib.usocket_settimeout(self._handle, timeout))
        self._timeout = None if value is None else timeout / 1e6

    def gettimeout(self) -> Optional[float]:
        """The timeout in seconds: None in blocking, 0.0 in non-blocking mode. From: CPython."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """`settimeout(None)` if the flag is true, else `settimeout(0)`. From: every document."""
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """Whether the mode is not non-blocking. From: CPython 3.7."""
        return self._timeout != 0.0
