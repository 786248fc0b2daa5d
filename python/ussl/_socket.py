"""The class `SSLSocket`: a socket of usocket that speaks TLS."""

from __future__ import annotations

import _socket
import os
from ctypes import byref
from errno import EAGAIN, EBUSY, ENOTCONN, EOPNOTSUPP
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple

from usocket._bsd import BSDSocket
from usocket._constants import CONSTANTS
from usocket._causes import TRUNCATED
from usocket._errors import error
from usocket._lib import Addr, lib
from usocket._socket import socket
from usocket._tls_errors import want_error
from usocket._transfer import POLLIN, POLLOUT
from usocket._wait import through

from ._context import SSLContext
from ._info import Info
from ._session import SSLSession
from ._setup import as_hostname, check_side, made, prepared

if TYPE_CHECKING:
    from usocket._address import Address

SOL_SOCKET, SO_ACCEPTCONN = CONSTANTS["SOL_SOCKET"], CONSTANTS["SO_ACCEPTCONN"]

# The sockets of CPython's modules: in C, and those of `usocket.install()`.
_CPYTHONS = (_socket.socket, BSDSocket)


class SSLSocket(Info):
    """A TLS connection, with everything a socket has. Made by `SSLContext.wrap_socket`.

    The methods of a socket do what they do there, with these differences:

    - What is first done does the handshake, if it was not done before, and may raise its errors:
      SSLCertVerificationError, SSLEOFError, SSLError, each with a sentence that says why. A TLS error is
      final: every later call raises it again.
    - Non-blocking, `recv`, `send` and the like raise SSLWantReadError or SSLWantWriteError (both
      BlockingIOError, errno EAGAIN): TLS may have to wait for the other direction. `read`, `readline`
      and `write` give None, as they do on every socket.
    - `shutdown(SHUT_WR)` and `close` send close_notify. The end without the peer's is like a proper end
      with `suppress_ragged_eofs`, else SSLEOFError; `read`, `readall` and `readline` then raise it at
      once, and what they had read is its attribute `partial`.
    - `dup` raises OSError EOPNOTSUPP: a session cannot be duplicated.
    - `accept`, on a listening socket that was wrapped on the server side, gives SSLSockets.

    One thread may send while another receives. From: CPython's and MicroPython's `ssl`.
    """

    __module__ = "ussl"
    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("use SSLContext.wrap_socket() to create an SSLSocket")

    @classmethod
    def _wrap(
        cls,
        sock: Any,
        context: SSLContext,
        server_side: bool,
        hostname: Any,
        greet: bool,
        ragged: bool,
        session: Optional[SSLSession],
    ) -> SSLSocket:
        if isinstance(sock, SSLSocket):
            raise ValueError("the socket is already wrapped in TLS")
        if not isinstance(sock, (socket, *_CPYTHONS)):
            raise TypeError(f"expected a socket, not {type(sock).__name__}")
        check_side(context, server_side, hostname)
        if not isinstance(sock, socket):
            # For CPython's socket: wraps a duplicate, and on success the original gives up its
            # descriptor.
            with _duplicate(sock) as ours:
                new = cls._wrap(ours, context, server_side, hostname, False, ragged, session)
                os.close(sock.detach())
            new._greet = greet
            return new._greeted()
        new = cls.__new__(cls)
        new._context, new._server_side = context, server_side
        new._greet, new._ragged = greet, ragged
        new._hostname = as_hostname(hostname)
        new._session, new._wrapped = None, False
        accepted = server_side and not _listens(sock)
        if accepted or not server_side:
            # A listener stays unwrapped; the connections it accepts are wrapped.
            new._wrap_handle(sock._handle, session)
            new._wrapped = True
        new._handle, sock._handle = sock._handle, 0
        new._late_in = new._late_out = 0
        new._filed = sock._filed
        new._family, new._type, new._proto = sock._family, sock._type, sock._proto
        new._timeout = sock._timeout
        if new._wrapped:
            context._stats.begin(new)
        return new._greeted(accepted)

    def _greeted(self, connected: bool = False) -> SSLSocket:
        """Itself, after the handshake if that is to be done now; `connected` if that is known."""
        if self._greet and self._wrapped and self._timeout != 0:
            if connected or self._is_connected():
                self._do_handshake_or_close()
        return self

    def _wrap_handle(self, handle: int, session: Optional[SSLSession]) -> None:
        """Wraps the library's socket, and raises errors of the context or the name."""
        context = self._context
        name = prepared(context, self._hostname, session)
        self._verifier, self._chooser = context._verifier, context._chooser
        made(lib.usocket_tls_wrap(handle, context._handle, name, 0), context)
        if session is not None:
            session._give_to(handle)

    def _is_connected(self) -> bool:
        return _has_peer(self)

    def _do_handshake_or_close(self) -> None:
        try:
            self.do_handshake()
        except BaseException:
            self.close()
            raise

    # --- what a socket does

    def connect(self, address: Address) -> None:
        """Connects, then does the handshake, unless it was wrapped without
        `do_handshake_on_connect` or is non-blocking. Raises what both do; ValueError on the
        server side. From: CPython."""
        if self._server_side:
            raise ValueError("can't connect in server-side mode")
        super().connect(address)
        if self._greet and self._timeout != 0:
            self.do_handshake()

    def connect_ex(self, address: Address) -> int:
        """Like `connect`, but returns the errno of connecting; the handshake still raises."""
        if self._server_side:
            raise ValueError("can't connect in server-side mode")
        code = super().connect_ex(address)
        if code == 0 and self._greet and self._timeout != 0:
            self.do_handshake()
        return code

    def accept(self) -> Tuple[SSLSocket, Address]:
        """Accepts a connection and wraps it as this one is: `(conn, address)`. With
        `do_handshake_on_connect` the handshake is done as well, and its errors close the connection. A
        silent client delays it, so servers should do it on the connection's own thread. From:
        CPython."""
        conn, address = super().accept()
        try:
            return self._context.wrap_socket(
                conn, True, self._greet, suppress_ragged_eofs=self._ragged
            ), address
        except BaseException:
            conn.close()
            raise

    def close(self) -> None:
        """As a socket's; sends close_notify if that is possible at once, or within the timeout."""
        if self._handle and self._wrapped:
            self._context._stats.end(self)
        super().close()

    def dup(self) -> None:
        """Not possible: OSError EOPNOTSUPP."""
        raise error(-EOPNOTSUPP)

    def sendmsg(self, buffers: Any, ancdata: Any = (), flags: int = 0, address: Any = None) -> int:
        """As a socket's, of several buffers; TLS carries no ancillary data and no addresses:
        NotImplementedError."""
        if ancdata or address is not None:
            raise NotImplementedError("TLS carries neither ancillary data nor addresses")
        return super().sendmsg(buffers, (), flags)

    def recvmsg(self, *args: Any, **named: Any) -> Any:
        """NotImplementedError: TLS carries no messages. From: CPython."""
        raise NotImplementedError("TLS carries no messages: recv")

    def recvmsg_into(self, *args: Any, **named: Any) -> Any:
        """NotImplementedError: TLS carries no messages. From: CPython."""
        raise NotImplementedError("TLS carries no messages: recv_into")

    def _failed(self, code: int, events: int) -> int:
        if code == TRUNCATED and self._ragged and events == POLLIN:
            return 0
        e = self._error(code)
        raise self._wants(events) if isinstance(e, BlockingIOError) else e

    def _collect(
        self, limit: Optional[int], line: bool = False, begun: Any = None
    ) -> Optional[bytes]:
        data = super()._collect(limit, line, begun)
        if self._late_in == TRUNCATED:
            # A complete stream and a truncated one look alike: report it also to callers that do not
            # call again.
            self._late_in = 0
            e = error(TRUNCATED, self._handle)
            e.partial = data  # type: ignore[attr-defined]
            raise e
        return data

    def _fill(self, start: int, size: int, line: bool = False, first: Any = None) -> int:
        fill = super()._fill
        n = fill(start, size, line, first)
        return self._proper_end(self._last(n, lambda: fill(start, size, line)))

    def _fill_within(self, start: int, size: int, done: int, deadline: Any, line: bool) -> int:
        fill = super()._fill_within
        n = fill(start, size, done, deadline, line)
        return self._proper_end(self._last(n, lambda: fill(start, size, done, deadline, line)))

    def _last(self, n: int, again: Any) -> int:
        """The bytes received; for a truncated stream the library reports the error first, and then
        returns the last bytes."""
        if n != TRUNCATED:
            return n
        n = again()
        if n > 0:
            self._late_in = TRUNCATED
        return n

    def _proper_end(self, n: int) -> int:
        """The bytes received, if the end without close_notify counts as a proper end."""
        if self._ragged:
            if self._late_in == TRUNCATED:
                self._late_in = 0
            if n == TRUNCATED:
                return 0
        return n

    def _wants(self, events: int) -> Any:
        """The exception for EAGAIN: for the direction that TLS waits for, or else the caller's."""
        wants = lib.usocket_tls_wants(self._handle)
        if wants <= 0 or wants & events:
            wants = events
        return want_error(bool(wants & POLLOUT))

    # --- what TLS does

    def do_handshake(self, block: bool = False) -> None:
        """Does or continues the handshake, with one timeout for the whole.

        block: waits without limit, whatever the mode.
        Raises SSLCertVerificationError (the peer's certificate), SSLEOFError (the connection
        ended), SSLError (anything else, an alert from the peer too), SSLWantReadError or
        SSLWantWriteError (non-blocking), TimeoutError, OSError. Blocks according to the mode.
        From: CPython.
        """
        timeout = self._timeout
        if block and timeout == 0.0:
            self.settimeout(None)
            try:
                self.do_handshake()
            finally:
                self.settimeout(timeout)
            return
        self._settle(self._through(lib.usocket_tls_handshake))

    def _settle(self, code: int) -> None:
        """Raises the error of a waiting call of TLS."""
        if code == -EAGAIN:
            raise self._wants(POLLIN)
        if code < 0:
            raise error(code, self._handle)

    def _through(self, call: Callable[[int], int]) -> int:
        """The code of a call that waits."""
        return through(call, self._handle, self._timeout)

    def unwrap(self) -> socket:
        """Ends TLS on both sides and returns the connection as a plain socket, on which both sides go on
        (FTP's CCC); this one is closed.

        Unread data of the session is dropped; the plain socket first receives bytes that the peer sent
        after its close_notify. Raises SSLEOFError when the peer closes without close_notify,
        SSLWantReadError (non-blocking: call it again), TimeoutError, OSError. From: CPython.
        """
        code = self._through(lib.usocket_tls_unwrap)
        while code == -EBUSY:
            self.recv(65536)
            code = self._through(lib.usocket_tls_unwrap)
        self._settle(code)
        plain: socket = self._another(self._handle, self._timeout)
        self._context._stats.end(self)
        self._handle = 0
        return plain


SSLContext.sslsocket_class = SSLSocket


def _duplicate(theirs: Any) -> socket:
    """A socket of ours for a duplicate of one of CPython's, in the same mode."""
    if theirs.fileno() < 0:
        raise error(lib.usocket_fileno(0))
    fd = os.dup(theirs.fileno())
    try:
        ours = socket(fileno=fd)
    except BaseException:
        os.close(fd)
        raise
    ours.settimeout(theirs.gettimeout())
    return ours


def _listens(sock: socket) -> bool:
    if not sock._handle:
        raise error(lib.usocket_fileno(0))
    if sock.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
        return True
    # Not connected: it may listen later, and cannot connect.
    return not _has_peer(sock)


def _has_peer(sock: socket) -> bool:
    code = lib.usocket_getpeername(sock._handle, byref(Addr()))
    return code != -ENOTCONN and sock._check(code) == 0
