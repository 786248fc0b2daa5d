"""TLS without a socket: `MemoryBIO`, and `SSLObject` between two of them."""

from __future__ import annotations

import sys
from errno import EPIPE
from threading import Lock, RLock
from typing import Any, Callable, Optional
from weakref import finalize

from usocket._causes import TRUNCATED
from usocket._errors import error, strerror
from usocket._lib import lib
from usocket._tls_errors import SSLEOFError, SSLWantReadError, want_error

from ._bios import Bios, locked
from ._context import SSLContext
from ._info import Facts
from ._session import SSLSession
from ._setup import as_hostname, check_side, made, prepared


class MemoryBIO:
    """Bytes on their way between an SSLObject and whatever carries them. Thread-safe. From: CPython."""

    __module__ = "ussl"
    __slots__ = ("_bytes", "_ended", "_lock")

    def __init__(self) -> None:
        self._bytes, self._ended, self._lock = bytearray(), False, Lock()

    def read(self, size: int = -1) -> bytes:
        """Takes at most `size` bytes out, all without; b"" when there are none."""
        with self._lock:
            size = len(self._bytes) if size < 0 else size
            data = bytes(self._bytes[:size])
            del self._bytes[:size]
            return data

    def write(self, buf: Any) -> int:
        """Puts bytes in, all of them: how many. OSError EPIPE after `write_eof`."""
        with self._lock:
            if self._ended:
                raise error(-EPIPE)
            before = len(self._bytes)
            self._bytes += memoryview(buf)
            return len(self._bytes) - before

    def write_eof(self) -> None:
        """Says that no more comes."""
        self._ended = True

    @property
    def pending(self) -> int:
        """How many bytes are in it."""
        return len(self._bytes)

    @property
    def eof(self) -> bool:
        """Whether there are no bytes, and no more come."""
        return self._ended and not self._bytes


class SSLObject(Facts, Bios):
    """A TLS connection between two BIOs, with no socket: the caller carries the bytes. Made by
    `SSLContext.wrap_bio`; asyncio makes its transports of it.

    What it needs it reads from `incoming`, what the peer is to get it writes to `outgoing`: after each
    call, whatever that came to, the caller carries what is there. Nothing blocks. SSLWantReadError:
    put in what the peer sends, then try again. Errors are those of an SSLSocket; the end without the
    peer's close_notify is SSLEOFError. Thread-safe. From: CPython.
    """

    __module__ = "ussl"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("use SSLContext.wrap_bio() to create an SSLObject")

    @classmethod
    def _wrap(
        cls,
        context: SSLContext,
        incoming: Any,
        outgoing: Any,
        server_side: bool,
        hostname: Any,
        session: Optional[SSLSession],
    ) -> SSLObject:
        check_side(context, server_side, hostname)
        new = cls.__new__(cls)
        new._context, new._server_side, new._hostname = context, server_side, as_hostname(hostname)
        new._session, new._wrapped, new._lock = None, True, RLock()
        new._bios, new._in, new._ended = (incoming, outgoing), b"", False
        name = prepared(context, new._hostname, session)
        new._verifier, new._chooser = context._verifier, context._chooser
        new._handle = made(lib.usocket_tls_create(context._handle, name, 0), context)
        finalize(new, lib.usocket_close, new._handle)
        if session is not None:
            session._give_to(new._handle)
        context._stats.begin(new)
        return new

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    @locked
    def do_handshake(self) -> None:
        """Does the handshake, or goes on with it. SSLWantReadError, and the errors of an SSLSocket's."""
        self._done(self._greet())
        self._context._stats.end(self)

    @locked
    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """At most `len` bytes, b"" at the end; or how many came, into a buffer."""
        return self._read(len, buffer, self._done)

    @locked
    def write(self, data: Any) -> int:
        """Encrypts all of it: how many bytes that are."""
        done, code = self._write(data)
        self._done(code)
        return done

    @locked
    def unwrap(self) -> None:
        """Sends close_notify, and waits for the peer's (SSLWantReadError until it is there). Unread data is
        dropped; SSLEOFError when the peer closes without close_notify."""
        while self._done(self._goodbye()):
            pass

    def _done(self, code: int) -> int:
        if code < 0:
            raise self._error(code)
        return code

    def _error(self, code: int) -> BaseException:
        return error(code, self._handle)

    def _want_read(self) -> BaseException:
        return _also_cpythons(want_error(False))

    def _no_more(self) -> BaseException:
        return SSLEOFError(TRUNCATED, strerror(TRUNCATED))


def _also_cpythons(e: Any) -> BaseException:
    """The same, that the `except` clauses of asyncio catch too, where CPython's `ssl` is in use."""
    theirs = getattr(sys.modules.get("ssl"), "SSLWantReadError", None)
    if theirs is None:
        return e  # type: ignore[no-any-return]
    if theirs not in _both:
        _both[theirs] = type("SSLWantReadError", (SSLWantReadError, theirs), {"__module__": "ussl"})
    also: BaseException = _both[theirs](*e.args)
    return also


_both: dict[Any, Callable[..., BaseException]] = {}
SSLContext.sslobject_class = SSLObject
