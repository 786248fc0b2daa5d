"""The replacement of CPython's `_ssl`: contexts with connections of libusocket.

The module in C stays for everything but connections: its constants and exceptions, memory BIOs, random bytes,
names of objects, and, in the class `_SSLContext`, the settings themselves: OpenSSL's cipher strings, the
contents of its stores, its refusals. The library makes the connections from those settings.
"""

from __future__ import annotations

import _ssl as _system
import os
import sys
from time import time
from types import ModuleType
from typing import Any, Dict, List, Optional, Tuple
from weakref import ref

import ussl
from ussl._cert import key_algorithm
from ussl._pem import PEM_cert_to_DER_cert
from ussl._session import SSLSession as _Session

from .._errors import check
from .._lib import lib
from . import _ssl_errors as errors
from ._connection import Connection
from ._over_bios import OverBios
from ._over_socket import OverSocket

PROTOCOL_TLS_SERVER = _system.PROTOCOL_TLS_SERVER
PROTOCOL_TLS_CLIENT = _system.PROTOCOL_TLS_CLIENT

_V12, _V13 = 0x0303, 0x0304
# OpenSSL's names of groups with other names in the library.
_CURVES = {"prime256v1": "secp256r1", "P-256": "secp256r1", "P-384": "secp384r1"}


def _plain(setting: str) -> Any:
    """What asks a context for a setting as C has it: `ssl.SSLContext` would make an enumeration of it, anew
    for each connection."""
    return getattr(_system._SSLContext, setting).__get__


_SETTINGS = [
    _plain(s)
    for s in (
        "options", "verify_mode", "check_hostname", "verify_flags", "minimum_version",
        "maximum_version", "keylog_filename",
    )
]  # fmt: skip
_tickets = _plain("num_tickets")


class _SSLContext(_system._SSLContext):  # type: ignore[misc, unused-ignore]
    """CPython's context: the settings. The library's is made from it on demand."""

    __module__ = "_ssl"

    # The kind of key; certificates, key, and password.
    _chains: List[Tuple[str, bytes, bytes, Any]]
    _trusted: List[Tuple[Any, ...]]
    _protocols: List[bytes]
    _suites: Optional[List[str]]
    _groups: Optional[List[str]]
    _sni: Any
    _made: Dict[Any, ussl.SSLContext]
    _counts: Dict[str, int]

    def __new__(cls, protocol: Any, *args: Any, **kwargs: Any) -> Any:
        new = super().__new__(cls, protocol)
        new._chains, new._trusted, new._protocols = [], [], []
        new._suites = new._groups = new._sni = None
        new._made = {}
        new._counts = dict.fromkeys(super().session_stats(new), 0)
        return new

    # --- settings kept here as well, because the module in C does not reveal them

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        said = [password]
        if callable(password):  # It is called once, and only if needed.

            def ask() -> Any:
                said[0] = password()
                return said[0]

            said[0] = None
            super().load_cert_chain(certfile, keyfile, ask)
        else:
            super().load_cert_chain(certfile, keyfile, password)
        secret = said[0].encode() if isinstance(said[0], str) else said[0]
        cert = _content(certfile)
        key = _content(keyfile) if keyfile else cert
        chain = (_key_kind(cert), cert, key, secret and bytes(secret))
        # As in OpenSSL, one of each kind of key.
        self._chains = [c for c in self._chains if c[0] != chain[0]] + [chain]
        self._made.clear()

    def load_verify_locations(
        self, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        super().load_verify_locations(cafile, capath, cadata)
        if cafile is not None:
            self._trusted.append((None, None, _content(cafile)))
        if capath is not None or cadata is not None:
            copy = cadata if cadata is None or isinstance(cadata, str) else bytes(cadata)
            self._trusted.append((None, capath, copy))
        self._made.clear()

    def set_default_verify_paths(self) -> None:
        super().set_default_verify_paths()
        self._trusted.append(())
        self._made.clear()

    def set_ciphers(self, ciphers: str) -> None:
        super().set_ciphers(ciphers)
        self._suites = [c["name"] for c in self.get_ciphers()]

    def set_ecdh_curve(self, name: Any) -> None:
        super().set_ecdh_curve(name)
        text = name.decode() if isinstance(name, bytes) else name
        self._groups = [_CURVES.get(text, text)]

    def _set_alpn_protocols(self, protocols: bytes) -> None:
        super()._set_alpn_protocols(protocols)  # type: ignore[misc, unused-ignore]
        names, at = [], 0
        while at < len(protocols):
            names.append(bytes(protocols[at + 1 : at + 1 + protocols[at]]))
            at += 1 + protocols[at]
        self._protocols = names

    @property
    def sni_callback(self) -> Any:
        return self._sni

    @sni_callback.setter
    def sni_callback(self, callback: Any) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        if self.protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        if callback is not None and not callable(callback):
            raise TypeError("not a callable object")
        self._sni = callback

    def session_stats(self) -> dict[Any, Any]:
        return dict(self._counts)

    # --- connections

    def _wrap_socket(
        self,
        sock: Any,
        server_side: Any,
        server_hostname: Any = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> Any:
        return _OverSocket(self, sock, server_side, server_hostname, owner, session)

    def _wrap_bio(
        self,
        incoming: Any,
        outgoing: Any,
        server_side: Any,
        server_hostname: Any = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> Any:
        bios = (incoming, outgoing)
        return _OverBios(self, bios, server_side, server_hostname, owner, session)

    def _library(self, server_side: bool, protocols: List[bytes]) -> ussl.SSLContext:
        """The library's context for the settings as they are now."""
        key = (
            server_side, tuple(protocols), tuple(self._chains), len(self._trusted),
            tuple(self._suites or ()), tuple(self._groups or ()),
            *[setting(self) for setting in _SETTINGS], _tickets(self) if server_side else 0,
        )  # fmt: skip
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(server_side, protocols)
        return made

    def _make(self, server_side: bool, protocols: List[bytes]) -> ussl.SSLContext:
        made = ussl.SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
        low, high = _versions(self)
        made.minimum_version, made.maximum_version = low, high
        for _, cert, key, password in self._chains:
            _add_chain(made, cert, key, password)
        if not server_side:
            made.check_hostname = self.check_hostname
        made.verify_mode = self.verify_mode
        for source in self._trusted:
            if source:
                made.load_verify_locations(*source)
            else:
                made.load_default_certs()
        if not self._trusted and self.verify_mode:
            # Nobody is trusted then, and not the system's certificates as in ussl.
            made.verify_callback = lambda cert, depth: 1
            if server_side:
                made.load_default_certs()
        flags = self.verify_flags & (_system.VERIFY_CRL_CHECK_LEAF | _system.VERIFY_CRL_CHECK_CHAIN)
        if flags:
            made.verify_flags = flags
        if protocols:
            made.set_alpn_protocols([p.decode("latin-1") for p in protocols])
        if self._suites is not None:
            made.set_ciphers(_suites_here(self._suites))
        if self._groups is not None:
            made.set_groups(self._groups)
        if self.keylog_filename is not None:
            made.keylog_filename = self.keylog_filename
        if not server_side or self.num_tickets == 0 or self.options & _system.OP_NO_TICKET:
            # A client resumes only what `session` gives it.
            made.set_resumption(tickets=0)
        return made


def _add_chain(made: ussl.SSLContext, cert: bytes, key: bytes, password: Any) -> None:
    set_password = getattr(lib, "usocket_tls_context_set_key_password", None)
    if password is not None and set_password is not None:
        check(set_password(made._handle, bytes(password), len(password)))
    made.load_cert_chain(cert, key)


def _content(path: Any) -> bytes:
    """A file as it is now: later it may be another one, or not be readable any more."""
    with open(path, "rb") as file:
        return file.read()


def _key_kind(cert: bytes) -> str:
    """The kind of the key in a certificate (PEM): the object identifier of its algorithm; "" for another
    form of PEM."""
    try:
        return key_algorithm(PEM_cert_to_DER_cert(cert.decode("latin-1")))
    except ValueError:
        return ""


def _versions(context: Any) -> Tuple[int, int]:
    """The lowest and highest version that the settings leave."""
    low, high = int(context.minimum_version), int(context.maximum_version)
    low, high = max(low, _V12), _V13 if high < 0 else high
    if context.protocol == getattr(_system, "PROTOCOL_TLSv1_2", None):
        low, high = max(low, _V12), min(high, _V12)
    if context.options & _system.OP_NO_TLSv1_2:
        low = max(low, _V13)
    if context.options & _system.OP_NO_TLSv1_3:
        high = min(high, _V12)
    if low > high or context.protocol in (3, 4):  # PROTOCOL_TLSv1, PROTOCOL_TLSv1_1
        raise errors.ssl_error("NO_PROTOCOLS_AVAILABLE", "no protocols available")
    return low, high


def _suites_here(names: List[str]) -> List[str]:
    """The suites that both OpenSSL and the library support."""
    here, scratch = [], ussl.SSLContext(PROTOCOL_TLS_CLIENT)
    for name in names:
        try:
            scratch.set_ciphers([name])
            here.append(name)
        except ussl.SSLError:
            pass
    if not here:
        raise errors.ssl_error("NO_CIPHER_MATCH", "no cipher match")
    return here


class SSLSession:
    """The session of a client's connection, to be resumed by another one."""

    __module__ = "_ssl"

    def __init__(self, session: _Session, context: _SSLContext) -> None:
        self._session, self._context = session, context
        self.id, self.time = os.urandom(32), int(time())
        self.timeout, self.ticket_lifetime_hint, self.has_ticket = 7200, 7200, True

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, SSLSession) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


class _SSLSocket(Connection):
    """A connection, as `ssl.SSLSocket` and `ssl.SSLObject` build on it."""

    __module__ = "_ssl"

    def __init__(
        self,
        context: Any,
        beneath: Any,
        server_side: Any,
        server_hostname: Any,
        owner: Any,
        session: Any,
    ) -> None:
        if server_side and context.protocol == PROTOCOL_TLS_CLIENT:
            raise errors.ssl_error(
                "WRONG_SSL_CTX", "Cannot create a server socket with a PROTOCOL_TLS_CLIENT context"
            )
        if not server_side and context.protocol == PROTOCOL_TLS_SERVER:
            raise errors.ssl_error(
                "WRONG_SSL_CTX", "Cannot create a client socket with a PROTOCOL_TLS_SERVER context"
            )
        super().__init__(beneath, bool(server_side), _name(server_hostname))
        self._context, self.owner = context, owner
        context._counts["accept" if server_side else "connect"] += 1
        if not server_side:
            self._begin(context._library(False, context._protocols))
        if session is not None:
            self.session = session

    @property
    def owner(self) -> Any:
        return self._owner() if self._owner is not None else None

    @owner.setter
    def owner(self, value: Any) -> None:
        self._owner = None if value is None else ref(value)

    @property
    def context(self) -> Any:
        return self._context

    @context.setter
    def context(self, value: Any) -> None:
        if not isinstance(value, _SSLContext):
            raise TypeError("The value must be a SSLContext")
        self._context = value

    def _asks(self) -> bool:
        return self._context._sni is not None

    def _answer(self, hello: Any) -> None:
        """Calls the callback, if the ClientHello is complete, and begins with the resulting context."""
        if hello is not None:
            self._ask(self._context._sni, hello.name)
        self._begin(self._context._library(True, self._context._protocols))

    def _ask(self, callback: Any, name: Optional[str]) -> None:
        if callback is None:
            return
        try:
            said = callback(self.owner or self, name, self._context)
        except Exception:
            _report(callback)
            said = _system.ALERT_DESCRIPTION_HANDSHAKE_FAILURE
        if said is None:
            return
        if not isinstance(said, int):
            try:
                raise TypeError("an integer is required")
            except TypeError:
                _report(callback)
            said = _system.ALERT_DESCRIPTION_INTERNAL_ERROR
        self._refuse(int(said))

    def _complete(self) -> None:
        counts = self._context._counts
        counts["accept_good" if self.server_side else "connect_good"] += 1
        if lib.usocket_tls_resumed(self._handle) == 1:
            counts["hits"] += 1
        elif self.server_side:
            counts["misses"] += 1

    @property
    def session(self) -> Optional[SSLSession]:
        if self.server_side or not self._handle:
            return None
        code = lib.usocket_tls_take_session(self._handle)
        if code > 0:
            taken = SSLSession(_Session(code, self._made), self._context)
            if self._given is not None and self.session_reused:
                taken.id = self._given.id
            self._session = taken
        session: Optional[SSLSession] = self._session
        return session

    @session.setter
    def session(self, value: Any) -> None:
        if not isinstance(value, SSLSession):
            raise TypeError("Value is not a SSLSession.")
        if value._context is not self._context:
            raise ValueError("Session refers to a different SSLContext.")
        if self.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        if self._done:
            raise ValueError("Cannot set session after handshake.")
        value._session._give_to(self._handle)
        self._given = value


class _OverSocket(_SSLSocket, OverSocket):
    __module__ = "_ssl"


class _OverBios(_SSLSocket, OverBios):
    __module__ = "_ssl"


def _report(callback: Any) -> None:
    """Reports an exception of a callback that cannot be raised."""
    hook: Any = sys.unraisablehook
    kind, value, traceback = sys.exc_info()
    hook(_Unraisable(kind, value, traceback, callback))


class _Unraisable:
    """The argument of sys.unraisablehook."""

    def __init__(self, kind: Any, value: Any, traceback: Any, obj: Any) -> None:
        self.exc_type, self.exc_value, self.exc_traceback = kind, value, traceback
        self.err_msg, self.object = None, obj


def _name(given: Any) -> Optional[str]:
    if given is None:
        return None
    name = given.decode("ascii") if isinstance(given, (bytes, bytearray)) else given
    if "\0" in name:
        raise TypeError("embedded null character")
    return name


module = ModuleType("_ssl", "CPython's `_ssl`, over libusocket.")
module.__dict__.update({k: v for k, v in vars(_system).items() if not k.startswith("__")})
module.__dict__.update(_SSLContext=_SSLContext, _SSLSocket=_SSLSocket, SSLSession=SSLSession)
