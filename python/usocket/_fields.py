"""The common base of a socket's parts."""

from __future__ import annotations

from errno import EBADF
from types import FunctionType

from ._accelerator import fast
from ._errors import error
from ._lib import lib

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Callable, Optional, TypeVar

    _C = TypeVar("_C", bound=type)

CLOSED_AS_A_FILE = (
    "Bad file descriptor: makefile() gave the socket itself, and closing that closed the socket"
)


def part_of(name: str) -> Callable[[_C], _C]:
    """Decorates a class that is a part of another: errors of wrong arguments and repr name the class
    that programs use."""

    def rename(part: _C) -> _C:
        for thing in vars(part).values():
            if isinstance(thing, FunctionType):
                thing.__qualname__ = f"{name}.{thing.__name__}"
        return part

    return rename


class _Slots:
    __slots__ = ("_family", "_filed", "_handle", "_late_in", "_late_out", "_timeout")


# In C, for the methods in C.
if TYPE_CHECKING or fast is None:
    _Base = _Slots
else:
    _Base = fast.Socket


class Fields(_Base):
    """The fields of a socket."""

    __slots__ = ()

    _family: int
    # The handle; 0 when closed, for which the library returns EBADF.
    _handle: int
    # Seconds; None is blocking mode, 0.0 non-blocking.
    _timeout: Optional[float]
    # Whether makefile has returned it as a file, which may have been closed.
    _filed: bool
    # Errors of the library (negative numbers) that the next call in that direction raises.
    _late_in: int
    _late_out: int

    def _error(self, code: int) -> BaseException:
        """The exception for an error of an operation on this socket."""
        if code == -EBADF and not self._handle and self._filed:
            return OSError(EBADF, CLOSED_AS_A_FILE)
        return error(code, self._handle)

    def _failed(self, code: int, events: int) -> int:
        """Handles an error code of a send (POLLOUT) or a receive (POLLIN): raises, unless overridden by
        a kind of socket."""
        raise self._error(code)

    def _check(self, code: int) -> int:
        """Returns a number of the library, or raises the exception it stands for."""
        if code < 0:
            raise self._error(code)
        return code

    def _check_open(self) -> int:
        """0 for an open socket; OSError EBADF for a closed one."""
        self._check(lib.usocket_fileno(self._handle))
        return 0

    def _raise_late_in(self) -> None:
        """Raises the error that ended the last call on the receiving side, once."""
        code, self._late_in = self._late_in, 0
        raise self._error(code)

    def _raise_late_out(self) -> None:
        """Raises the error that ended the last call on the sending side, once."""
        code, self._late_out = self._late_out, 0
        raise self._error(code)
