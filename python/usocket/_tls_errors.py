"""The exceptions of TLS, with CPython's names. `usocket._errors` raises them, `ussl` has them.

One class for each way a program may want to go on; the cause itself is in `code`, `reason` and the
sentence.
"""

from __future__ import annotations

from errno import EAGAIN
from threading import local
from typing import Dict, Optional, Tuple

NOT_WRAPPED = -10001
TRUNCATED = -10002
HANDSHAKE_EOF = -10003
CERT_REFUSED = -10034
CRL_MISSING = -10030
BAD_NAME = -10078
NAME_REQUIRED = -10079
NO_SUCH_VERSION = -10081
ALERT = -10500

# What each code is called, where CPython (OpenSSL) has a name for it in capitals: its own. For a
# certificate that does not verify, the number is OpenSSL's X509_V_ERR_.
_VERIFY = "CERTIFICATE_VERIFY_FAILED"
_REASONS: Dict[int, Tuple[str, int]] = {
    -10001: ("NOT_WRAPPED", 0),
    -10002: ("UNEXPECTED_EOF_WHILE_READING", 0),
    -10003: ("UNEXPECTED_EOF_IN_HANDSHAKE", 0),
    -10004: ("WRONG_VERSION_NUMBER", 0),
    -10005: ("UNEXPECTED_MESSAGE", 0),
    -10006: ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", 0),
    -10007: ("DATA_LENGTH_TOO_LONG", 0),
    -10009: ("EXHAUSTED", 0),
    -10010: ("SYSTEM", 0),
    -10020: (_VERIFY, 10),
    -10021: (_VERIFY, 9),
    -10022: (_VERIFY, 20),
    -10023: (_VERIFY, 62),
    -10024: (_VERIFY, 23),
    -10025: (_VERIFY, 13),
    -10026: (_VERIFY, 7),
    -10027: (_VERIFY, 34),
    -10028: (_VERIFY, 26),
    -10029: (_VERIFY, 79),
    -10030: (_VERIFY, 3),
    -10031: (_VERIFY, 12),
    -10032: (_VERIFY, 8),
    -10033: (_VERIFY, 28),
    -10034: (_VERIFY, 50),
    -10036: (_VERIFY, 47),
    -10037: (_VERIFY, 94),
    -10035: ("PEER_DID_NOT_RETURN_A_CERTIFICATE", 0),
    -10050: ("UNSUPPORTED_PROTOCOL", 0),
    -10051: ("NO_SHARED_CIPHER", 0),
    -10052: ("NO_SHARED_GROUP", 0),
    -10053: ("NO_APPLICATION_PROTOCOL", 0),
    -10054: ("NO_SUITABLE_SIGNATURE_ALGORITHM", 0),
    -10055: ("PEER_INCOMPATIBLE", 0),
    -10070: ("NO_START_LINE", 0),
    -10071: ("BAD_BASE64_DECODE", 0),
    -10072: ("INVALID_CERTIFICATE", 0),
    -10073: ("INVALID_KEY", 0),
    -10074: ("BAD_DECRYPT", 0),
    -10075: ("KEY_VALUES_MISMATCH", 0),
    -10076: ("NO_TRUSTED_CERTIFICATE", 0),
    -10077: ("NO_CERTIFICATE_ASSIGNED", 0),
    -10078: ("BAD_SERVER_NAME", 0),
    -10079: ("SERVER_NAME_REQUIRED", 0),
    -10080: ("NO_CIPHER_MATCH", 0),
    -10081: ("NO_PROTOCOLS_AVAILABLE", 0),
    -10082: ("CONTEXT_IN_USE", 0),
    -10083: ("CPU", 0),
}

# OpenSSL names an alert after the version that brought it; TLSV1 where nothing is said here.
_ALERTS_SINCE = {n: "SSLV3" for n in (10, 20, 30, *range(40, 48))}
_ALERTS_SINCE.update({109: "TLSV13", 116: "TLSV13"})


class SSLError(OSError):
    """An error of TLS.

    `code` (also `args[0]`) is the library's number, USOCKET_ETLS_..., -10001 and below; `reason` a
    name in capitals, OpenSSL's where it has one; `alert` the number of the alert the peer sent, or
    None; `verify_code` and `verify_message` say what was wrong with the peer's certificate (0 and
    "" if that was not it).
    """

    __module__ = "ussl"
    library = "SSL"

    @property
    def code(self) -> int:
        return self.args[0]

    @property
    def reason(self) -> str:
        if self.alert is not None:
            name = self._sentence().rpartition("(")[2].rstrip(")").upper()
            return f"{_ALERTS_SINCE.get(self.alert, 'TLSV1')}_ALERT_{name}"
        return _REASONS.get(self.code, ("OTHER", 0))[0]

    @property
    def alert(self) -> Optional[int]:
        return ALERT - self.code if ALERT - 255 <= self.code <= ALERT else None

    @property
    def verify_code(self) -> int:
        return _REASONS.get(self.code, ("", 0))[1]

    @property
    def verify_message(self) -> str:
        return self._sentence() if self.verify_code else ""

    def _sentence(self) -> str:
        return self.args[1] if len(self.args) > 1 else ""

    def __str__(self) -> str:
        return f"[SSL: {self.reason}] {self._sentence()}"


class SSLCertVerificationError(SSLError, ValueError):
    """The peer's certificate was refused, or it had none and one is required."""

    __module__ = "ussl"


CertificateError = SSLCertVerificationError


class SSLConfigError(SSLError, ValueError):
    """A certificate, key or name that cannot be used.

    It is MicroPython's ValueError: `args[0]` is "invalid cert", "invalid key" or the like; the
    sentence follows it in `str`.
    """

    __module__ = "ussl"

    def __init__(self, what: str, code: int, sentence: str) -> None:
        super().__init__(what)
        self._code, self._words = code, sentence

    def __new__(cls, what: str, code: int, sentence: str):
        return super().__new__(cls, what)

    def __reduce__(self):
        return type(self), (self.args[0], self._code, self._words)

    @property
    def code(self) -> int:
        return self._code

    def _sentence(self) -> str:
        return self._words

    def __str__(self) -> str:
        return f"{self.args[0]}: {self._words}"


class SSLEOFError(SSLError):
    """The connection ended without the peer's close_notify, or in the middle of the handshake."""

    __module__ = "ussl"


class SSLZeroReturnError(SSLError):
    """CPython's, for its programs' `except` clauses: the clean end of TLS is b"" here as well."""

    __module__ = "ussl"


class SSLWantReadError(SSLError, BlockingIOError):
    """Non-blocking: poll for POLLIN, then try again. It is a BlockingIOError with errno EAGAIN."""

    __module__ = "ussl"
    reason = "WANT_READ"

    def __str__(self) -> str:
        return self._sentence()


class SSLWantWriteError(SSLError, BlockingIOError):
    """Non-blocking: poll for POLLOUT, then try again. It is a BlockingIOError with errno EAGAIN."""

    __module__ = "ussl"
    reason = "WANT_WRITE"

    def __str__(self) -> str:
        return self._sentence()


class SSLSyscallError(SSLError):
    """CPython's; never raised: an error of the system is the OSError that it is."""

    __module__ = "ussl"


class _InCallback(local):
    """What a verify callback raised on this thread; the refusal it became brings it along."""

    raised: Optional[BaseException] = None


in_callback = _InCallback()


def tls_error(code: int, sentence: str) -> BaseException:
    """The exception for a number of the TLS range, with the sentence that goes with it."""
    if code in (TRUNCATED, HANDSHAKE_EOF):
        return SSLEOFError(code, sentence)
    if not (-10037 <= code <= -10020):
        return SSLError(code, sentence)
    e = SSLCertVerificationError(code, sentence)
    if code == CERT_REFUSED:
        raised, in_callback.raised = in_callback.raised, None
        if raised is not None and not isinstance(raised, Exception):
            return raised  # Ctrl-C, or the end of the program.
        e.__cause__ = raised
    return e


def want_error(writes: bool) -> SSLError:
    """The exception for what a non-blocking session waits for."""
    if writes:
        return SSLWantWriteError(EAGAIN, "TLS needs to send first: poll for POLLOUT")
    return SSLWantReadError(EAGAIN, "TLS needs to receive first: poll for POLLIN")
