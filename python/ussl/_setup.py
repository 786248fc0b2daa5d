"""The settings of a connection before it begins, over a socket or over memory BIOs."""

from __future__ import annotations

from typing import Any, Optional, Union

from usocket._address import text
from usocket._causes import BAD_NAME, CRL_MISSING, NAME_REQUIRED
from usocket._errors import detail, error, strerror
from usocket._tls_errors import SSLConfigError, tls_error

from ._constants import PROTOCOL_TLS_SERVER
from ._session import SSLSession


def check_side(context: Any, server_side: bool, hostname: Any) -> None:
    """Raises ValueError when the context is for the other side."""
    if server_side != (context.protocol == PROTOCOL_TLS_SERVER):
        side = "server" if server_side else "client"
        raise ValueError(f"server_side={server_side} needs a context for the {side} side")
    if server_side and hostname:
        raise ValueError("server_hostname can only be specified in client mode")


def prepared(context: Any, hostname: Optional[str], session: Any) -> Optional[bytes]:
    """The server name as the library takes it, once there is nothing to be said against the rest."""
    if context.verify_flags and not context._crls:
        raise tls_error(CRL_MISSING, "verify_flags needs revocation lists: load_crl()")
    if session is not None and not isinstance(session, SSLSession):
        raise TypeError("session is no SSLSession")
    if session is not None and session._context is not context:
        raise ValueError("Session refers to a different SSLContext.")
    return None if hostname is None else text(hostname, "server_hostname")


def made(code: int, context: Any) -> int:
    """Returns the library's handle, or raises the error of a context or a name."""
    if code == NAME_REQUIRED:
        raise SSLConfigError("CERT_REQUIRED requires server_hostname", code, strerror(code))
    if code == BAD_NAME:
        raise SSLConfigError(
            "invalid server_hostname", code, detail(context._handle) or strerror(code)
        )
    if code < 0:
        raise error(code, context._handle)
    return code


def as_hostname(name: Optional[Union[str, bytes]]) -> Optional[str]:
    """A server name as text, in its wire form. None and "" mean none."""
    if not name:
        return None
    if isinstance(name, (bytes, bytearray)):
        name = bytes(name).decode("ascii")
    if not isinstance(name, str):
        raise TypeError(f"server_hostname must be str or bytes, not {type(name).__name__}")
    return name if name.isascii() else name.encode("idna").decode()
