"""Information of an SSLSocket about its session."""

from __future__ import annotations

from ctypes import create_string_buffer
from errno import ENODATA
from operator import index
from typing import Any, Dict, List, Literal, Optional, Tuple, Union, overload

from usocket._address import text
from usocket._causes import NOT_WRAPPED
from usocket._errors import check
from usocket._fields import part_of
from usocket._lib import lib
from usocket._socket import socket

from ._cert import as_dict
from ._constants import CHANNEL_BINDING_TYPES
from ._context import SSLContext
from ._presented import presented, presented_chain
from ._session import SSLSession
from ._settings import read_text
from ._sni import Chooser
from ._verify import Verifier

_VERSIONS = {0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}


@part_of("SSLSocket")
class Facts:
    """Information about TLS. The peer's is available after the handshake."""

    __slots__ = ()

    _handle: int
    _context: SSLContext
    # The name that a client asks for and checks.
    _hostname: Optional[str]
    _server_side: bool
    _session: Optional[SSLSession]
    # Kept for as long as a handshake may ask it.
    _chooser: Optional[Chooser]
    _verifier: Optional[Verifier]
    # Whether the library's socket is wrapped: a listening one is not.
    _wrapped: bool

    def pending(self) -> int:
        """The number of received bytes already decrypted. Does not block. From: CPython."""
        return check(lib.usocket_tls_pending(self._handle)) if self._wrapped else 0

    def version(self) -> Optional[str]:
        """ "TLSv1.2" or "TLSv1.3"; None before the handshake. From: CPython."""
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
        """The negotiated application protocol (ALPN), None if there is none. From: CPython."""
        return self._text(lib.usocket_tls_alpn) or None

    def selected_npn_protocol(self) -> None:
        """None: NPN is long gone. From: CPython."""

    @overload
    def getpeercert(self, binary_form: Literal[False] = False) -> Optional[Dict[str, Any]]: ...

    @overload
    def getpeercert(self, binary_form: Literal[True]) -> Optional[bytes]: ...

    @overload
    def getpeercert(self, binary_form: bool) -> Union[Dict[str, Any], bytes, None]: ...

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The peer's certificate: DER with `binary_form`, None if it presented none. Otherwise a dict of
        its contents, as in CPython: subject, issuer, notBefore, notAfter, subjectAltName and so on; {}
        if it was not verified.

        Raises ValueError before the handshake is complete. From: both.
        """
        if self.version() is None:
            raise ValueError("handshake not done yet")
        der = presented(self._handle, 0)
        if binary_form or der is None:
            return der
        return as_dict(der) if check(lib.usocket_tls_verified(self._handle)) else {}

    def get_unverified_chain(self) -> List[bytes]:
        """The certificates the peer presented (DER), its own first. From: CPython 3.13."""
        return presented_chain(self._handle)

    def get_channel_binding(self, cb_type: str = "tls-exporter") -> Optional[bytes]:
        """The channel binding of this connection (RFC 9266); None before the handshake is complete.
        ValueError for another type; OSError EOPNOTSUPP on TLS 1.2.

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
        """Exports `length` bytes of keying material for a label (RFC 8446, section 7.5).

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

    def _text(self, ask: Any) -> str:
        return read_text(ask, self._handle) if self._wrapped else ""

    context = property(lambda self: self._context, doc="The SSLContext. From: CPython.")
    server_side = property(lambda self: self._server_side, doc="Whether it is the server's end.")

    @property
    def server_hostname(self) -> Optional[str]:
        """A client's: the name it was wrapped with. A server's: the name its client asked for (SNI),
        after the handshake. None if there is none. From: CPython (where a server has none)."""
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
        """A client's session, for another connection of the same context; None while there is none: a
        TLS 1.3 server sends it after the handshake, and it arrives with the first data.

        Set before the handshake, it is the one to resume. Raises ValueError on the server side,
        after the handshake, for a session of another context; TypeError. From: CPython.
        """
        if self._session is None and not self._server_side and self._wrapped:
            code = lib.usocket_tls_take_session(self._handle)
            if code not in (-ENODATA, NOT_WRAPPED):
                taken = SSLSession(check(code), self._context)
                self._session = taken  # type: ignore[misc] # Which those who are one have.
        return self._session

    @session.setter
    def session(self, session: SSLSession) -> None:
        if not isinstance(session, SSLSession):
            raise TypeError("Value is not a SSLSession.")
        if self._server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        session._give_to(self._handle)


@part_of("SSLSocket")
class Info(Facts, socket):
    """A socket with information about TLS."""

    __slots__ = (
        "_chooser",
        "_context",
        "_greet",
        "_hostname",
        "_ragged",
        "_server_side",
        "_session",
        "_verifier",
        "_wrapped",
    )

    # Whether the handshake is done automatically.
    _greet: bool
    # Whether the end without close_notify counts as a proper end.
    _ragged: bool
