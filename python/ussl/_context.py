"""The class `SSLContext`: the common settings of connections."""

from __future__ import annotations

from operator import index
from typing import Any, Callable, Dict, Optional, Union
from weakref import finalize

from usocket._errors import check
from usocket._lib import lib

from ._constants import PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, VerifyMode
from ._load import Source, the_bytes
from ._sni import Asked, Chooser, set_chooser
from ._stats import Stats
from ._store import Store
from ._verify import Verifier, set_callback

_CLIENT, _SERVER = 1, 2


class SSLContext(Store):
    """A context: `SSLContext(PROTOCOL_TLS_CLIENT)` or `SSLContext(PROTOCOL_TLS_SERVER)`.

    A client verifies its server: a chain to a trusted certificate (the system's store when none
    was loaded), dates and name. A server asks for no certificate. `verify_mode` changes both.

    A connection takes the settings as they are when it is made; a change is for later ones.
    It may be used by any number of connections and threads. Certificates and keys are PEM or DER; errors
    in them are SSLConfigError (a ValueError with MicroPython's words, and an SSLError with the reason).

    Raises TypeError without a protocol, ValueError for another one, OSError EOPNOTSUPP when the
    library was built without TLS. From: MicroPython's and CPython's `ssl`.
    """

    __module__ = "ussl"
    __slots__ = (
        "__weakref__",
        "_check_hostname",
        "_check_hostname_asked",
        "_chooser",
        "_protocol",
        "_stats",
        "_verifier",
        "_verify_mode",
    )

    # The class that wrap_socket makes: SSLSocket, set in its module. From: CPython.
    sslsocket_class: Any
    # The class that wrap_bio makes, in the same way.
    sslobject_class: Any

    def __init__(self, protocol: int) -> None:
        if protocol not in (PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER):
            raise ValueError(f"{protocol!r} is neither PROTOCOL_TLS_CLIENT nor _SERVER")
        client = protocol == PROTOCOL_TLS_CLIENT
        self._protocol = int(protocol)
        super().__init__(check(lib.usocket_tls_context_create(_CLIENT if client else _SERVER)))
        finalize(self, lib.usocket_close, self._handle)
        self._check_hostname = client
        self._check_hostname_asked = False
        self._verify_mode = VerifyMode.CERT_REQUIRED if client else VerifyMode.CERT_NONE
        self._verifier: Optional[Verifier] = None
        self._chooser: Optional[Chooser] = None
        self._stats = Stats()

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    protocol = property(
        lambda self: self._protocol, doc="PROTOCOL_TLS_CLIENT or PROTOCOL_TLS_SERVER."
    )

    # --- certificates

    def load_cert_chain(
        self, certfile: Source, keyfile: Optional[Source] = None, password: Any = None
    ) -> None:
        """The certificate to present, its issuers after it, and its private key.

        certfile, keyfile: bytes with PEM or DER, or the name of a file (str or path) with either.
        Without a keyfile the key is in the PEM text of the first.
        password: for compatibility with CPython; an encrypted key has to be decrypted beforehand. A
        server may have several certificates and chooses by the name its client asks for; a client
        presents the first that suits the server.
        Raises SSLConfigError (ValueError "invalid cert", "invalid key"), OSError for a file that
        cannot be read, TypeError. Blocks on the file system. From: both.
        """
        cert = the_bytes(certfile, "certfile")
        key = None if keyfile is None else the_bytes(keyfile, "keyfile")
        code = lib.usocket_tls_context_add_cert(
            self._handle, cert, len(cert), key, 0 if key is None else len(key)
        )
        if code < 0:
            raise self._invalid(code, cert)

    # --- verification

    @property
    def verify_mode(self) -> VerifyMode:
        """CERT_NONE, CERT_OPTIONAL or CERT_REQUIRED (a client's default; a server's is CERT_NONE).

        With CERT_NONE no name is checked either: that raises ValueError if the program has turned the
        check on (`check_hostname = True`, create_default_context) and not off again. From: both
        (MicroPython has no `check_hostname`).
        """
        return self._verify_mode

    @verify_mode.setter
    def verify_mode(self, value: int) -> None:
        mode = VerifyMode(index(value))
        if mode == self._verify_mode:
            return
        if mode == VerifyMode.CERT_NONE and self._check_hostname and self._check_hostname_asked:
            raise ValueError(
                "Cannot set verify_mode to CERT_NONE when check_hostname is enabled: "
                "set check_hostname to False first"
            )
        self._check(lib.usocket_tls_context_set_verify(self._handle, mode))
        self._verify_mode = mode
        if mode == VerifyMode.CERT_NONE:
            self._check_hostname = False

    @property
    def check_hostname(self) -> bool:
        """Whether the server's certificate must be for the name that was asked for: a client's
        default. Turning it on turns CERT_NONE into CERT_REQUIRED. From: CPython."""
        return self._check_hostname

    @check_hostname.setter
    def check_hostname(self, value: bool) -> None:
        value = bool(value)
        if value != self._check_hostname:
            self._check(lib.usocket_tls_context_set_hostname_check(self._handle, value))
            if value and self._verify_mode == VerifyMode.CERT_NONE:
                self.verify_mode = VerifyMode.CERT_REQUIRED
            self._check_hostname = value
        self._check_hostname_asked = value

    @property
    def verify_callback(self) -> Optional[Callable[[bytes, int], int]]:
        """`f(cert, depth)`, called for each certificate of the peer's chain (DER), the trusted one
        first, down to its own (depth 0), after all other checks. It accepts with 0; anything else
        refuses, and so does an exception, which becomes the refusal's cause.

        It runs in the handshake, on the thread that drives it. None removes it. From: MicroPython.
        """
        return None if self._verifier is None else self._verifier.callback

    @verify_callback.setter
    def verify_callback(self, callback: Optional[Callable[[bytes, int], int]]) -> None:
        if callback is not None and not callable(callback):
            raise TypeError("verify_callback must be callable or None")
        if callback is self.verify_callback:
            return
        verifier = None if callback is None else Verifier(callback)
        self._check(set_callback(self._handle, verifier))
        self._verifier = verifier

    @property
    def hostname_checks_common_name(self) -> bool:
        """False, and cannot be set to True: names are those of the certificate's subjectAltName. From:
        CPython."""
        return False

    @hostname_checks_common_name.setter
    def hostname_checks_common_name(self, value: bool) -> None:
        if value:
            raise ValueError("a certificate's common name is no host name here")

    def pin(self, sha256: bytes) -> None:
        """Pins a key: the peer's certificate or one of its issuers must have one of the pinned
        keys, in addition to everything else.

        sha256: the SHA-256 of its SubjectPublicKeyInfo, 32 bytes. Raises OSError EINVAL.
        """
        raw = bytes(memoryview(sha256))
        self._check(lib.usocket_tls_context_add_pin(self._handle, raw, len(raw)))

    def set_clock(self, unix_seconds: int) -> None:
        """Sets the clock for checking certificates, in seconds since 1970; it runs on from there. 0 is
        the system's clock. For devices without a real-time clock."""
        self._check(lib.usocket_tls_context_set_clock(self._handle, index(unix_seconds)))

    # --- connections

    @property
    def sni_callback(self) -> Optional[Callable[[Asked, Optional[str], Any], Optional[int]]]:
        """`f(sock, name, context)`, called on a server in each handshake with the name the client asks
        for, None without one. It sets `sock.context` to another server context, whose certificates are
        then presented (all else comes from this one), or leaves it. None accepts the client; a number
        refuses it with the alert unrecognized_name, and so does an exception, which becomes the cause.

        `sock` stands for the connection and has that attribute alone. It runs on the thread that drives
        the handshake. None removes it; ValueError on a client. From: CPython.
        """
        return None if self._chooser is None else self._chooser.callback

    @sni_callback.setter
    def sni_callback(
        self, callback: Optional[Callable[[Asked, Optional[str], Any], Optional[int]]]
    ) -> None:
        if self._protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on a client's context")
        if callback is not None and not callable(callback):
            raise TypeError("sni_callback must be callable or None")
        chooser = None if callback is None else Chooser(callback, self)
        self._check(set_chooser(self._handle, chooser))
        self._chooser = chooser

    def session_stats(self) -> Dict[str, int]:
        """How many connections began (`connect`, `accept`), how many handshakes were completed
        (`connect_good`, `accept_good`), how many of them resumed a session (`hits`), and, on a
        server, did not (`misses`). From: CPython.
        """
        return self._stats.counts()

    def wrap_socket(
        self,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: Optional[Union[str, bytes]] = None,
        session: Any = None,
    ) -> Any:
        """Wraps a stream socket in TLS: an SSLSocket, which takes the connection over; `sock` is
        closed from then on, as after `detach`. A `socket.socket` of CPython's can be wrapped too.

        server_side: must match the context's role.
        do_handshake_on_connect: the handshake is done now if the socket is connected, or by
        `connect`; without it, and in non-blocking mode, by `do_handshake` or the first use.
        suppress_ragged_eofs: the end without the peer's close_notify is b"" like a proper end; without
        it, SSLEOFError. server_hostname: the host name or IP address that a client asks for and checks.
        session: of an earlier connection of this context, to be resumed.
        A listening socket wrapped on the server side accepts wrapped connections.
        Raises TypeError, ValueError (the wrong side; no server_hostname where it is checked),
        SSLError and OSError as `do_handshake`; after that the connection is closed.
        Blocks according to the socket's mode. From: both.
        """
        return self.sslsocket_class._wrap(
            sock,
            self,
            bool(server_side),
            server_hostname,
            bool(do_handshake_on_connect),
            bool(suppress_ragged_eofs),
            session,
        )

    def wrap_bio(
        self,
        incoming: Any,
        outgoing: Any,
        server_side: bool = False,
        server_hostname: Optional[Union[str, bytes]] = None,
        session: Any = None,
    ) -> Any:
        """TLS without a socket: an SSLObject between two MemoryBIOs, whose bytes the caller carries.

        incoming: what the peer has sent is written into it; outgoing: what is to go to the peer is read
        out of it. CPython's `ssl.MemoryBIO` does as well. The others are as of `wrap_socket`.
        Raises TypeError, ValueError, SSLError. Does not block. From: CPython.
        """
        return self.sslobject_class._wrap(
            self, incoming, outgoing, bool(server_side), server_hostname, session
        )
