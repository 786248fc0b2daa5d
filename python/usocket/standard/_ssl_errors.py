"""Translates errors of the library to the exceptions of CPython's `ssl`."""

from __future__ import annotations

import _ssl as _system
import ipaddress
from typing import Any, Optional

from .. import _causes as causes
from .._errors import detail, error, strerror
from .._tls_errors import SSLCertVerificationError, SSLEOFError, SSLError

# OpenSSL's messages that programs look for.
_VERIFY = {
    3: "unable to get certificate CRL",
    7: "certificate signature failure",
    9: "certificate is not yet valid",
    10: "certificate has expired",
    12: "CRL has expired",
    20: "unable to get local issuer certificate",
    23: "certificate revoked",
    26: "unsuitable certificate purpose",
    62: "Hostname mismatch",
}


def want_read() -> BaseException:
    return _made(_system.SSLWantReadError, 2, "The operation did not complete (read)")


def want_write() -> BaseException:
    return _made(_system.SSLWantWriteError, 3, "The operation did not complete (write)")


def zero_return() -> BaseException:
    return _made(_system.SSLZeroReturnError, 6, "TLS/SSL connection has been closed (EOF)")


def end_of_file(words: str = "EOF occurred in violation of protocol") -> BaseException:
    return _made(_system.SSLEOFError, 8, words)


def ssl_error(reason: str, words: str) -> BaseException:
    return _made(_system.SSLError, 1, f"[SSL: {reason}] {words}", reason)


def of(code: int, handle: int = 0, name: Optional[str] = None) -> BaseException:
    """The exception for a negative number of the library, from an operation on a handle.

    name: the name required in the peer's certificate.
    """
    e = error(code, handle)
    if not isinstance(e, SSLError):
        return e
    if isinstance(e, SSLEOFError):
        return end_of_file()
    sentence = (handle and detail(handle)) or strerror(code)
    if isinstance(e, SSLCertVerificationError) and code != causes.CERT_REQUIRED:
        number, words = e.verify_code, _VERIFY.get(e.verify_code, sentence)
        if number == 62:
            if _is_address(name):
                number, words = 64, "IP address mismatch"
            words += f", certificate is not valid for {name!r}."
        made = _made(
            _system.SSLCertVerificationError,
            1,
            f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {words}",
            "CERTIFICATE_VERIFY_FAILED",
        )
        made.verify_code, made.verify_message = number, words  # type: ignore[attr-defined]
        return made
    words = e.reason.lower().replace("_", " ")
    return ssl_error(e.reason, f"{words}: {sentence}")


def _is_address(name: Optional[str]) -> bool:
    try:
        ipaddress.ip_address(name or "")
    except ValueError:
        return False
    return True


def _made(kind: Any, number: int, words: str, reason: Optional[str] = None) -> BaseException:
    e: BaseException = kind(number, f"{words} (libusocket)")
    e.library, e.reason = "SSL", reason  # type: ignore[attr-defined]
    return e
