"""MicroPython's `wrap_socket`, and a context with good defaults."""

from __future__ import annotations

import os
import warnings
from typing import Any, Optional, Union

from ._constants import PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, Purpose, TLSVersion, VerifyMode
from ._context import SSLContext
from ._load import Source
from ._socket import SSLSocket

_said = False


class InsecureWarning(UserWarning):
    """`wrap_socket` was called with MicroPython's defaults, which verify nothing."""

    __module__ = "ussl"


def wrap_socket(
    sock: Any,
    server_side: bool = False,
    key: Optional[Source] = None,
    cert: Optional[Source] = None,
    cert_reqs: int = VerifyMode.CERT_NONE,
    cadata: Optional[Source] = None,
    server_hostname: Optional[str] = None,
    do_handshake: bool = True,
    *,
    keyfile: Optional[Source] = None,
    certfile: Optional[Source] = None,
    ca_certs: Optional[Source] = None,
    ssl_version: Optional[int] = None,
    do_handshake_on_connect: bool = True,
) -> SSLSocket:
    """Wraps a stream socket in TLS: an SSLSocket, which takes the connection over; `sock` is
    closed from then on.

    server_side: which end this is; a server needs a key and a certificate.
    key, cert: bytes with DER or PEM, or the name of a file (`keyfile` and `certfile`: WiPy's
    names). cert may have the issuers' after it.
    cert_reqs: CERT_NONE, the default as in MicroPython: **nothing is verified**, which a client is
    warned of once (InsecureWarning). CERT_REQUIRED verifies the chain, the dates and, with it,
    `server_hostname`, which must be given.
    cadata: trusted certificates, DER or PEM (`ca_certs`: WiPy's name); without it, the system's.
    server_hostname: the name that a client asks for (SNI).
    ssl_version: TLSVersion.TLSv1_2 or TLSv1_3 is that version alone; a PROTOCOL_TLS_… is what there is anyway.
    do_handshake (also as do_handshake_on_connect): the handshake is done at once if `sock` is
    connected and not non-blocking, or by `connect`; otherwise by the first use.

    Raises ValueError "invalid cert", "invalid key" (SSLConfigError), ValueError without a
    server_hostname where it is needed, TypeError for a key without a certificate, and what
    `SSLSocket.do_handshake` does; after that the connection is closed. Blocks according to the socket's
    mode. From: MicroPython, WiPy.
    """
    global _said
    key, cert = (keyfile if key is None else key), (certfile if cert is None else cert)
    cadata = ca_certs if cadata is None else cadata
    if key is not None and cert is None:
        raise TypeError("key without cert")
    context = SSLContext(PROTOCOL_TLS_SERVER if server_side else PROTOCOL_TLS_CLIENT)
    if ssl_version in (TLSVersion.TLSv1_2, TLSVersion.TLSv1_3):
        context.minimum_version = context.maximum_version = TLSVersion(ssl_version)
    elif ssl_version not in (None, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER):
        raise ValueError(f"ssl_version {ssl_version!r} (only TLSv1_2 and TLSv1_3)")
    if cert is not None:
        context.load_cert_chain(cert, key)
    if cadata is not None:
        context.load_verify_locations(cafile=cadata)
    context.verify_mode = cert_reqs
    if not server_side and context.verify_mode == VerifyMode.CERT_NONE and not _said:
        _said = True
        warnings.warn(
            "wrap_socket() with cert_reqs=CERT_NONE, its default, verifies nothing: anybody can "
            "be in the middle. Give cert_reqs=CERT_REQUIRED and server_hostname, or use "
            "create_default_context(). (This is said once.)",
            InsecureWarning,
            stacklevel=2,
        )
    wrapped: SSLSocket = context.wrap_socket(
        sock,
        bool(server_side),
        do_handshake and do_handshake_on_connect,
        server_hostname=server_hostname,
    )
    return wrapped


def create_default_context(
    purpose: Purpose = Purpose.SERVER_AUTH,
    *,
    cafile: Optional[Source] = None,
    capath: Union[str, bytes, "os.PathLike[str]", None] = None,
    cadata: Optional[Source] = None,
) -> SSLContext:
    """A context for clients (Purpose.SERVER_AUTH) that verifies its server, or for servers
    (Purpose.CLIENT_AUTH) that asks for no certificate.

    cafile, capath, cadata: trusted certificates; without any, the system's.
    Raises as SSLContext and its `load_verify_locations`. From: CPython. (SSLKEYLOGFILE of the
    environment is ignored: set `keylog_filename`.)
    """
    if purpose == Purpose.SERVER_AUTH:
        context = SSLContext(PROTOCOL_TLS_CLIENT)
        context.check_hostname = True
    elif purpose == Purpose.CLIENT_AUTH:
        context = SSLContext(PROTOCOL_TLS_SERVER)
    else:
        raise ValueError(f"{purpose!r} is not a Purpose")
    if cafile is not None or capath is not None or cadata is not None:
        context.load_verify_locations(cafile, capath, cadata)
    return context
