"""The class `SSLSocket`: a socket of usocket that speaks TLS."""

from __future__ import annotations

from ctypes import create_string_buffer
from errno import EAGAIN, EINTR, ENODATA, ENOTCONN, EOPNOTSUPP, ETIMEDOUT
from operator import index
from time import monotonic
from typing import List, Optional, Tuple, Union

from usocket._address import Address, text
from usocket._constants import CONSTANTS
from usocket._errors import check, detail, error, strerror
from usocket._lib import lib
from usocket._socket import socket
from usocket._stream import POLLIN, POLLOUT
from usocket._tls_errors import (
    BAD_NAME,
    CRL_MISSING,
    NAME_REQUIRED,
    NOT_WRAPPED,
    TRUNCATED,
    SSLConfigError,
    SSLEOFError,
    tls_error,
    want_error,
)
from usocket._wait import check_signals, microseconds, timeout_us

from ._cert import as_dict
from ._constants import CHANNEL_BINDING_TYPES, PROTOCOL_TLS_SERVER
from ._context import SSLContext, read_text
from ._session import SSLSession

SOL_SOCKET, SO_ACCEPTCONN = CONSTANTS["SOL_SOCKET"], CONSTANTS["SO_ACCEPTCONN"]
SHUT_WR = CONSTANTS["SHUT_WR"]

_VERSIONS = {0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}


class SSLSocket(socket):
    """A TLS connection, with everything a socket has. Made by `SSLContext.wrap_socket`.

    The methods of a socket do what they do there, with these differences:

    - What is first done does the handshake, if it was not done before, and may raise its errors:
      SSLCertVerificationError, SSLEOFError, SSLError, each with a sentence that says why. An error
      of TLS is final: every later call raises it again.
    - Non-blocking, `recv`, `send` and the like raise SSLWantReadError or SSLWantWriteError (both
      BlockingIOError, errno EAGAIN): what TLS needs may be the other direction than one's own.
      `read`, `readline` and `write` give None, as they do on every socket.
    - `shutdown(SHUT_WR)` and `close` say goodbye (close_notify). The end without the peer's is
      like the proper one with `suppress_ragged_eofs`, else SSLEOFError.
    - `dup` is OSError EOPNOTSUPP: one session cannot be two.
    - `accept`, on a listening socket that was wrapped on the server side, gives SSLSockets.

    One thread may send while another receives. From: CPython's and MicroPython's `ssl`.
    """

    __module__ = "ussl"
    __slots__ = (
        "_context",
        "_greet",
        "_hostname",
        "_ragged",
        "_server_side",
        "_session",
        "_wrapped",
    )

    def __init__(self, *args, **kwargs):
        raise TypeError("an SSLSocket is made by SSLContext.wrap_socket()")

    @classmethod
    def _wrap(
        cls,
        sock,
        context: SSLContext,
        server_side: bool,
        hostname,
        greet: bool,
        ragged: bool,
        session: Optional[SSLSession],
    ) -> SSLSocket:
        if isinstance(sock, SSLSocket):
            raise ValueError("the socket is wrapped in TLS already")
        if not isinstance(sock, socket):
            raise TypeError(f"a usocket socket is needed, not {type(sock).__name__}")
        if server_side != (context.protocol == PROTOCOL_TLS_SERVER):
            side = "server" if server_side else "client"
            raise ValueError(f"server_side={server_side} needs a context for the {side} side")
        if server_side and hostname:
            raise ValueError("server_hostname can only be specified in client mode")
        new = cls.__new__(cls)
        new._context, new._server_side = context, server_side
        new._greet, new._ragged = greet, ragged
        new._hostname = _hostname(hostname)
        new._session, new._wrapped = None, False
        if not server_side or not _listens(sock):
            # A listener stays what it is; the connections it accepts are wrapped.
            new._wrap_handle(sock._handle, session)
            new._wrapped = True
        new._handle, sock._handle = sock._handle, 0
        new._late_in = new._late_out = 0
        new._family, new._type, new._proto = sock._family, sock._type, sock._proto
        new._timeout = sock._timeout
        if greet and new._wrapped and new._timeout != 0 and new._is_connected():
            new._do_handshake_or_close()
        return new

    def _wrap_handle(self, handle: int, session: Optional[SSLSession]) -> None:
        """Wraps the library's socket, and tells what was wrong with a context or a name."""
        context, name = self._context, self._hostname
        if context.verify_flags and not context._crls:
            raise tls_error(CRL_MISSING, "verify_flags needs revocation lists: load_crl()")
        if session is not None and not isinstance(session, SSLSession):
            raise TypeError("session is no SSLSession")
        if session is not None and session._context is not context:
            raise ValueError("Session refers to a different SSLContext.")
        given = None if name is None else text(name, "server_hostname")
        code = lib.usocket_tls_wrap(handle, context._handle, given, 0)
        if code == NAME_REQUIRED:
            raise SSLConfigError("CERT_REQUIRED requires server_hostname", code, strerror(code))
        if code == BAD_NAME:
            raise SSLConfigError("invalid server_hostname", code, detail() or strerror(code))
        if code < 0:
            raise error(code, context._handle)
        if session is not None:
            session._give_to(handle)

    def _is_connected(self) -> bool:
        try:
            self.getpeername()
        except OSError as e:
            if e.errno != ENOTCONN:
                raise
            return False
        return True

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
        """Like `connect`, but gives the errno of the connecting; the handshake still raises."""
        if self._server_side:
            raise ValueError("can't connect in server-side mode")
        code = super().connect_ex(address)
        if code == 0 and self._greet and self._timeout != 0:
            self.do_handshake()
        return code

    def accept(self) -> Tuple[SSLSocket, Address]:
        """Accepts a connection and wraps it as this one is: `(conn, address)`. With
        `do_handshake_on_connect` the handshake is done as well, whose errors close the connection;
        a client that says nothing holds it up, so servers better leave it to the connection's
        own thread. From: CPython."""
        conn, address = super().accept()
        try:
            return self._context.wrap_socket(
                conn, True, self._greet, suppress_ragged_eofs=self._ragged
            ), address
        except BaseException:
            conn.close()
            raise

    def dup(self):
        """Not possible: OSError EOPNOTSUPP."""
        raise error(-EOPNOTSUPP)

    def _move(self, call, events: int, buf, size: int, flags: int, *rest) -> int:
        try:
            return super()._move(call, events, buf, size, flags, *rest)
        except BlockingIOError:
            raise self._wants(events) from None
        except SSLEOFError as e:
            if e.code == TRUNCATED and self._ragged and events == POLLIN:
                return 0
            raise

    def sendall(self, data, flags: int = 0) -> None:
        """As a socket's; the handshake counts as part of it."""
        try:
            super().sendall(data, flags)
        except BlockingIOError:
            raise self._wants(POLLOUT) from None

    def _fill(self, start: int, size: int, line: bool = False) -> int:
        return self._proper_end(super()._fill(start, size, line))

    def _fill_within(self, start: int, size: int, done: int, deadline, line: bool) -> int:
        return self._proper_end(super()._fill_within(start, size, done, deadline, line))

    def _proper_end(self, n: int) -> int:
        """What came, where the end without close_notify is the end."""
        if self._ragged:
            if self._late_in == TRUNCATED:
                self._late_in = 0
            if n == TRUNCATED:
                return 0
        return n

    def _wants(self, events: int):
        """The exception for EAGAIN: what TLS waits for, or else what the caller did."""
        wants = lib.usocket_tls_wants(self._handle)
        if wants <= 0 or wants & events:
            wants = events
        return want_error(bool(wants & POLLOUT))

    # --- what TLS does

    def do_handshake(self, block: bool = False) -> None:
        """Does the handshake, or goes on with it; one timeout for the whole.

        block: waits for as long as it takes, whatever the mode.
        Raises SSLCertVerificationError (the peer's certificate), SSLEOFError (the connection
        ended), SSLError (anything else, an alert from the peer too), SSLWantReadError or
        SSLWantWriteError (non-blocking), TimeoutError, OSError. Blocks as the mode has it.
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
        deadline = monotonic() + timeout if timeout else None
        code = lib.usocket_tls_handshake(self._handle)
        while code == -EINTR:
            check_signals()
            code = self._handshake_until(deadline)
        if code == -EAGAIN:
            raise self._wants(POLLIN)
        if code < 0:
            raise error(code, self._handle)

    def _handshake_until(self, deadline: Optional[float]) -> int:
        """The handshake after a signal: it has the time left and not the whole timeout again."""
        handle = self._handle
        if deadline is None:
            return lib.usocket_tls_handshake(handle)
        left = microseconds(deadline - monotonic())
        if left == 0:
            return -ETIMEDOUT
        lib.usocket_settimeout(handle, left)
        try:
            return lib.usocket_tls_handshake(handle)
        finally:
            lib.usocket_settimeout(handle, timeout_us(self._timeout))

    def unwrap(self) -> socket:
        """Says goodbye, waits for the peer's, and gives the connection as a plain socket; this one
        is closed. Nothing can be sent on it any more: the goodbye ended that half.

        Data that was still on its way is dropped. Raises SSLEOFError when the peer just hangs up,
        SSLWantReadError (non-blocking), TimeoutError, OSError. From: CPython.
        """
        self.shutdown(SHUT_WR)
        ragged, self._ragged = self._ragged, False
        try:
            while self.recv(65536):
                pass
        finally:
            self._ragged = ragged
        timeout = self._timeout
        plain = socket(fileno=self.detach())
        plain.settimeout(timeout)
        return plain

    def pending(self) -> int:
        """How many received bytes are decrypted and wait. Does not block. From: CPython."""
        return check(lib.usocket_tls_pending(self._handle)) if self._wrapped else 0

    def version(self) -> Optional[str]:
        """"TLSv1.2" or "TLSv1.3"; None before the handshake. From: CPython."""
        if not self._wrapped:
            return None
        return _VERSIONS.get(check(lib.usocket_tls_version(self._handle)))

    def cipher(self) -> Optional[Tuple[str, str, int]]:
        """The cipher suite: `(name, version, bits)`, the name IANA's; None before the handshake.

        From: both (MicroPython's has no bits).
        """
        name = self._text(lib.usocket_tls_cipher)
        if not name:
            return None
        return name, self.version() or "", 128 if "_128_" in name else 256

    def group(self) -> Optional[str]:
        """The key exchange, such as "X25519MLKEM768"; None when there was none. From: CPython
        3.15."""
        return self._text(lib.usocket_tls_group) or None

    def compression(self) -> None:
        """None: there is no compression. From: CPython."""

    def selected_alpn_protocol(self) -> Optional[str]:
        """The agreed application protocol (ALPN), None when there is none. From: CPython."""
        return self._text(lib.usocket_tls_alpn) or None

    def selected_npn_protocol(self) -> None:
        """None: NPN is long gone. From: CPython."""

    def getpeercert(self, binary_form: bool = False):
        """The peer's certificate: DER with `binary_form`, None if it presented none. Otherwise a
        dict of what is in it, as CPython's: subject, issuer, notBefore, notAfter, subjectAltName
        and so on; {} if it was not verified.

        Raises ValueError before the handshake is complete. From: both.
        """
        if self.version() is None:
            raise ValueError("handshake not done yet")
        der = self._peer_cert(0)
        if binary_form or der is None:
            return der
        return as_dict(der) if check(lib.usocket_tls_verified(self._handle)) else {}

    def get_unverified_chain(self) -> List[bytes]:
        """The certificates the peer presented (DER), its own first. From: CPython 3.13."""
        chain: List[bytes] = []
        while (der := self._peer_cert(len(chain))) is not None:
            chain.append(der)
        return chain

    def _peer_cert(self, at: int) -> Optional[bytes]:
        size = lib.usocket_tls_peer_cert(self._handle, at, None, 0)
        if size == -ENODATA:
            return None
        buf = create_string_buffer(check(size))
        check(lib.usocket_tls_peer_cert(self._handle, at, buf, size))
        return buf.raw

    def get_channel_binding(self, cb_type: str = "tls-exporter") -> Optional[bytes]:
        """Bytes that only the two ends of this connection know (RFC 9266); None before the
        handshake is complete. ValueError for another type; OSError EOPNOTSUPP on TLS 1.2.

        From: CPython, whose only type is an older one.
        """
        if cb_type not in CHANNEL_BINDING_TYPES:
            raise ValueError(f"channel binding type {cb_type!r} is not supported")
        if self.version() is None:
            return None
        buf = create_string_buffer(32)
        check(lib.usocket_tls_channel_binding(self._handle, buf, len(buf)))
        return buf.raw

    def export_keying_material(
        self, label: str, length: int, context: Optional[bytes] = None
    ) -> bytes:
        """`length` bytes that only the two ends know, under a label (RFC 8446, section 7.5).

        Raises OSError ENOTCONN before the handshake, EOPNOTSUPP on TLS 1.2, EINVAL (length).
        """
        buf = create_string_buffer(max(1, index(length)))
        size = 0 if context is None else len(context)
        check(
            lib.usocket_tls_export(
                self._handle, text(label, "label"), context, size, buf, index(length)
            )
        )
        return buf.raw[:length]

    def shared_ciphers(self) -> None:
        """None: the library does not keep them. From: CPython."""

    def _text(self, ask) -> str:
        return read_text(ask, self._handle) if self._wrapped else ""

    context = property(lambda self: self._context, doc="The SSLContext. From: CPython.")
    server_side = property(lambda self: self._server_side, doc="Whether it is the server's end.")

    @property
    def server_hostname(self) -> Optional[str]:
        """A client's: what it was wrapped with. A server's: what its client asked for (SNI), after
        the handshake. None without. From: CPython (where a server has none)."""
        if not self._server_side:
            return self._hostname
        try:
            return self._text(lib.usocket_tls_server_name) or None
        except OSError:
            return None

    @property
    def session_reused(self) -> Optional[bool]:
        """Whether the handshake resumed an earlier session; None before it. From: CPython."""
        if self.version() is None:
            return None
        return bool(check(lib.usocket_tls_resumed(self._handle)))

    @property
    def session(self) -> Optional[SSLSession]:
        """A client's session, for another connection of the same context; None while there is
        none: a TLS 1.3 server sends it after the handshake, it comes with the first data.

        Set before the handshake, it is the one to resume. Raises ValueError on the server side,
        after the handshake, for a session of another context; TypeError. From: CPython.
        """
        if self._session is None and not self._server_side and self._wrapped:
            code = lib.usocket_tls_session(self._handle)
            if code not in (-ENODATA, NOT_WRAPPED):
                self._session = SSLSession(check(code), self._context)
        return self._session

    @session.setter
    def session(self, session: SSLSession) -> None:
        if not isinstance(session, SSLSession):
            raise TypeError("Value is not a SSLSession.")
        if self._server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        session._give_to(self._handle)


def _hostname(name: Optional[Union[str, bytes]]) -> Optional[str]:
    """A server name as text, in the form it has on the wire. None and "" are none."""
    if not name:
        return None
    if isinstance(name, (bytes, bytearray)):
        name = bytes(name).decode("ascii")
    if not isinstance(name, str):
        raise TypeError(f"server_hostname must be str or bytes, not {type(name).__name__}")
    return name if name.isascii() else name.encode("idna").decode()


def _listens(sock: socket) -> bool:
    if not sock._handle:
        raise error(lib.usocket_fileno(0))
    if sock.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
        return True
    try:
        sock.getpeername()
    except OSError as e:
        if e.errno != ENOTCONN:
            raise
        return True  # Not connected: it may listen later, and cannot connect.
    return False
