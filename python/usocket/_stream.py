"""The stream methods of a socket: MicroPython's read, readinto, readline, write, makefile.

"No short reads, no short writes": each goes on until everything is done, the stream ends, or an error
occurs. An error after some bytes (a timeout, a reset) is kept for the next call, and the bytes are
returned. The library does this within a call; this module does it across calls (readall makes many) and
across signals.
"""

from __future__ import annotations

from ctypes import addressof, c_char, memmove, string_at
from errno import EAGAIN, EINTR
from operator import index
from time import monotonic

from ._accelerator import accelerated
from ._buffer import ROOM, give_back, incoming, take_room
from ._constants import CONSTANTS
from ._errors import size as size_of
from ._fields import part_of
from ._lib import lib
from ._transfer import POLLIN, POLLOUT, Transfer
from ._wait import resume

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Optional, Tuple

    # The result of a first call, and the deadline; in _Begun also the bytes, and the number requested.
    _First = Tuple[int, Optional[float]]
    _Begun = Tuple[bytes, int, int, Optional[float]]

MSG_PEEK = CONSTANTS["MSG_PEEK"]
NEWLINE = 10


def _part_of(buf: Any, offset: int, length: Optional[int] = None) -> Any:
    """The part of a buffer for `write(buf, length)` and `write(buf, offset, length)`."""
    if length is None:
        offset, length = 0, offset
    if offset < 0 or length < 0:
        raise ValueError("negative offset or length in write")
    view = memoryview(buf.encode() if isinstance(buf, str) else buf).cast("B")
    return view[offset : offset + length]


_read, _readline, _recv = lib.usocket_read, lib.usocket_readline, lib.usocket_recv


@accelerated
@part_of("socket")
class Stream(Transfer):
    """The stream methods of a socket."""

    __slots__ = ()

    def read(self, size: Optional[int] = -1) -> Optional[bytes]:
        """Reads `size` bytes; without a size, or with a negative one or None, as `readall`.

        It returns less at the end of the stream (b"" when it has ended), from a non-blocking socket (the
        available bytes), or before a timeout or an error that the next call then raises. None: a
        non-blocking socket had nothing.
        Raises TimeoutError when the timeout passed without a byte, OSError. Blocks according to the
        mode, with one timeout for the whole. Thread-safe. From: every document with streams.
        """
        limit = -1 if size is None else index(size)
        return self._collect(None if limit < 0 else limit)

    def readall(self) -> Optional[bytes]:
        """Reads until the stream ends. Results, errors and the rest as for `read`. From: WiPy."""
        return self._collect(None)

    def readline(self, size: Optional[int] = -1) -> Optional[bytes]:
        """Reads a line with its newline, of at most `size` bytes if that is not negative or None.

        It returns a line without newline where `read` returns less than asked. Bytes after the newline
        stay in the kernel. Errors and the rest as for `read`, and OSError EOPNOTSUPP on a socket that is
        not a stream. From: every document with streams.
        """
        limit = -1 if size is None else index(size)
        return self._collect(None if limit < 0 else limit, line=True)

    def readinto(self, buf: Any, nbytes: Optional[int] = None) -> Optional[int]:
        """Reads into a writable buffer: all of it, or at most `nbytes`, as `read` does.

        Returns how many bytes were read, 0 at the end of the stream, None when a non-blocking
        socket had nothing. Raises TypeError for a read-only buffer, ValueError for a negative
        nbytes, and as `read`. From: every document with streams.
        """
        start, room, held = incoming(buf)
        try:
            if nbytes is not None:
                room = min(room, size_of(nbytes, "nbytes in readinto"))
            if self._late_in:
                self._raise_late_in()
            n = self._fill(start, room) if room else self._check_open()
            if n >= 0:
                return n
            if n == -EAGAIN:
                return None
            raise self._error(n)
        finally:
            del held

    def write(self, buf: Any, *part: int) -> Optional[int]:
        """Writes all of a buffer (str as UTF-8); with one number that many bytes, with two numbers an
        offset and a length (as in MicroPython's streams).

        Returns how many bytes were written: less than all from a non-blocking socket, or before a
        timeout or an error that the next call then raises. None: a non-blocking socket took nothing.
        Raises TimeoutError when the timeout passed without a byte, OSError.
        Blocks according to the mode, with one timeout for the whole. Thread-safe; bytes of concurrent
        writers may interleave. From: every document with streams.
        """
        if part:
            buf = _part_of(buf, *part)
        start, size, held = self._outgoing(buf)
        try:
            if self._late_out:
                self._raise_late_out()
            done, code = self._drain(start, size)
            if code == 0:
                return done
            if done:
                if code != -EAGAIN:
                    self._late_out = code
                return done
            if code == -EAGAIN:
                return None
            return self._failed(code, POLLOUT)
        finally:
            del held

    def makefile(
        self,
        mode: str = "rb",
        buffering: Optional[int] = None,
        *,
        encoding: None = None,
        errors: None = None,
        newline: None = None,
        bufsize: Optional[int] = None,
    ) -> Any:
        """Returns the socket itself, which is a file already: closing one closes the other, and the
        OSError of a later use says so. (CPython returns a second file, and the connection stays open
        until both are closed: `usocket.install()` does that.)

        mode: "rb", "wb" or "rwb" (in any order of letters); all read and write. buffering (in
        CPython 2.5 bufsize) is ignored, a socket is unbuffered. Text modes, encoding, errors and newline are a ValueError.
        Raises OSError EBADF when closed. From: every document.
        """
        if not isinstance(mode, str):
            raise TypeError(f"mode must be str, not {type(mode).__name__}")
        if "".join(sorted(mode)) not in ("br", "bw", "brw"):
            raise ValueError(f"invalid mode {mode!r} (only rb, wb, rwb)")
        if encoding is not None or errors is not None or newline is not None:
            raise ValueError("encoding, errors and newline are not supported: the file is binary")
        self._check_open()
        self._filed = True
        return self

    def _collect(
        self, limit: Optional[int], line: bool = False, begun: Optional[_Begun] = None
    ) -> Optional[bytes]:
        """read, readall and readline: `limit` bytes, None for no limit.

        begun: the incomplete result of a first call by the accelerator.
        """
        if self._late_in:
            self._raise_late_in()
        if limit == 0:
            self._check_open()
            return b""
        timeout = self._timeout
        deadline = monotonic() + timeout if timeout else None
        parts: list[Any] = []
        total = n = 0
        room = take_room(ROOM)
        start = addressof(room)
        while True:
            want = ROOM if limit is None else min(ROOM, limit - total)
            if begun:
                data, n, want, deadline = begun
                memmove(start, data, len(data))
                n, begun = self._fill(start, want, line, (n, deadline)), None
            elif parts and deadline is not None:
                n = self._fill_within(start, want, 0, deadline, line)
            else:
                n = self._fill(start, want, line)
            if n > 0:
                total += n
                parts.append(room[:n])
            if n < want or total == limit or (line and parts[-1][-1] == NEWLINE):
                break
        give_back(room)
        if n < 0:
            if not parts:
                if n == -EAGAIN:
                    return None
                raise self._error(n)
            if n != -EAGAIN:
                self._late_in = n
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _fill(
        self, start: Any, size: int, line: bool = False, first: Optional[_First] = None
    ) -> int:
        """usocket_read or usocket_readline, continued after signals.

        first: the result and the deadline of a call already made.

        Returns the number of bytes received, or a negative number if there are none. An error after the
        first byte is kept.
        """
        handle, timeout = self._handle, self._timeout
        if first:
            n, deadline = first
        else:
            deadline = monotonic() + timeout if timeout else None
            n = _readline(handle, start, size) if line else _read(handle, start, size)
        if n == size or n == 0 or (n > 0 and line and _last_is_newline(start, n)):
            return n
        done = 0
        if n > 0:
            # A short read. The library keeps the reason, and an empty read returns it: 0 at the end of
            # the stream or if a non-blocking socket had no more.
            done, n = n, _read(handle, None, 0)
            if n == 0:
                return done
            if n != -EINTR:
                self._late_in = n
                return done
        elif n != -EINTR:
            return n
        return self._fill_within(start, size, done, deadline, line)

    def _fill_within(
        self, start: int, size: int, done: int, deadline: Optional[float], line: bool
    ) -> int:
        """The same in pieces until a deadline, after the first `done` bytes."""
        handle = self._handle
        while done < size:
            at, want = start + done, size - done
            if line:
                # Look ahead, then read only the line.
                n = resume(deadline, POLLIN, _recv, handle, at, want, MSG_PEEK)
                want = string_at(at, max(n, 0)).find(b"\n") + 1 or n
            else:
                n = want
            if n > 0:
                n = resume(deadline, POLLIN, _recv, handle, at, want, 0)
            if n < 0 and done == 0:
                return n
            if n <= 0:
                if n not in (0, -EAGAIN):
                    self._late_in = n
                break
            done += n
            if line and _last_is_newline(start, done):
                break
        return done


def _last_is_newline(start: int, n: int) -> bool:
    return c_char.from_address(start + n - 1).value == b"\n"
