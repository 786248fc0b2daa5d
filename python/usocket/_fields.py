"""What the parts of a socket have in common."""

from __future__ import annotations

from typing import Optional

from ._errors import check, error
from ._lib import lib


class Fields:
    """The fields of a socket, apart from what it was made as."""

    __slots__ = ("_handle", "_late_in", "_late_out", "_timeout")

    # The library's; 0 when closed, which the library answers with EBADF.
    _handle: int
    # Seconds; None is blocking mode, 0.0 non-blocking.
    _timeout: Optional[float]
    # Errors of the library (negative numbers) that the next call in that direction raises.
    _late_in: int
    _late_out: int

    def _check_open(self) -> int:
        """0 for an open socket; OSError EBADF for a closed one."""
        check(lib.usocket_fileno(self._handle))
        return 0

    def _raise_late_in(self) -> None:
        """Raises the error that ended the last call on the receiving side, once."""
        code, self._late_in = self._late_in, 0
        raise error(code, self._handle)

    def _raise_late_out(self) -> None:
        """Raises the error that ended the last call on the sending side, once."""
        code, self._late_out = self._late_out, 0
        raise error(code, self._handle)
