"""ussl: TLS for the sockets of usocket, as MicroPython's `ssl` and CPython's have it.

    import ussl, usocket
    s = usocket.create_connection(("example.org", 443))
    s = ussl.create_default_context().wrap_socket(s, server_hostname="example.org")
    s.write(b"GET / HTTP/1.0\\r\\nHost: example.org\\r\\n\\r\\n")
    print(s.version(), s.readline())
    s.close()

`SSLContext` verifies by default. `wrap_socket` has MicroPython's signature and defaults, with which
nothing is verified unless cert_reqs says so. An SSLSocket is a socket: everything a socket has
works on it, `uselect.poll` too. `python -m ussl script.py` runs a program of MicroPython whose
`import ssl`, `tls`, `socket`, `select` mean these modules.
"""

from usocket._lib import features as _features
from usocket._tls_errors import (
    CertificateError,
    SSLCertVerificationError,
    SSLConfigError,
    SSLEOFError,
    SSLError,
    SSLSyscallError,
    SSLWantReadError,
    SSLWantWriteError,
    SSLZeroReturnError,
)

from . import _constants
from ._constants import *  # noqa: F403
from ._context import SSLContext
from ._default import InsecureWarning, create_default_context, wrap_socket
from ._object import MemoryBIO, SSLObject
from ._pem import DER_cert_to_PEM_cert, PEM_cert_to_DER_cert
from ._session import SSLSession
from ._socket import SSLSocket

OPENSSL_VERSION = " ".join(w for w in _features.split() if "tls" in w)
"""The TLS implementation (not OpenSSL), from `usocket.features`."""

__all__ = [
    "CertificateError",
    "DER_cert_to_PEM_cert",
    "InsecureWarning",
    "MemoryBIO",
    "OPENSSL_VERSION",
    "PEM_cert_to_DER_cert",
    "SSLCertVerificationError",
    "SSLConfigError",
    "SSLContext",
    "SSLEOFError",
    "SSLError",
    "SSLObject",
    "SSLSession",
    "SSLSocket",
    "SSLSyscallError",
    "SSLWantReadError",
    "SSLWantWriteError",
    "SSLZeroReturnError",
    "create_default_context",
    "wrap_socket",
    *_constants.__all__,
]
