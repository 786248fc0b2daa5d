"""The exceptions of TLS, with CPython's names. `usocket._errors` raises them, `ussl` has them.

One class for each reaction of a program; the cause is in `code`, `reason` and the sentence.
"""

from __future__ import annotations

from errno import EAGAIN
from _thread import _local as local

from ._causes import ALERT, CAUSES, CERT_REFUSED, NAME_REFUSED

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Optional

# OpenSSL names an alert after the version that introduced it; TLSV1 by default.
_ALERTS_SINCE = {n: "SSLV3" for n in (10, 20, 30, *range(40, 48))}
_ALERTS_SINCE.update({109: "TLSV13", 116: "TLSV13"})
# It does not call these so; and the one it spells otherwise.
_NO_ALERTS = range(110, 115)
_SPELT = {"USER_CANCELED": "USER_CANCELLED"}


class SSLError(OSError):
    """An error of TLS.

    `code` (also `args[0]`) is the library's number, USOCKET_ETLS_..., -10001 and below; `reason` a
    name in capitals, OpenSSL's where it has one; `alert` the number of the alert the peer sent, or
    None; `verify_code` and `verify_message` describe the problem with the peer's certificate (0 and ""
    if there was none).
    """

    __module__ = "ussl"
    library = "SSL"

    @property
    def code(self) -> int:
        code: int = self.args[0]
        return code

    @property
    def reason(self) -> str:
        if self.alert is not None:
            name = self._sentence().rpartition("(")[2].rstrip(")").upper()
            name = _SPELT.get(name, name)
            since = _ALERTS_SINCE.get(self.alert, "TLSV1")
            return f"{since}_{name}" if self.alert in _NO_ALERTS else f"{since}_ALERT_{name}"
        cause = CAUSES.get(self.code)
        return cause.reason if cause else "OTHER"

    @property
    def alert(self) -> Optional[int]:
        return ALERT - self.code if ALERT - 255 <= self.code <= ALERT else None

    @property
    def verify_code(self) -> int:
        cause = CAUSES.get(self.code)
        return cause.verify_code if cause else 0

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

    def __new__(cls, what: str, code: int, sentence: str) -> Any:
        return super().__new__(cls, what)

    def __reduce__(self) -> Any:
        return type(self), (self.args[0], self._code, self._words)

    @property
    def code(self) -> int:
        return self._code

    def _sentence(self) -> str:
        return self._words

    def __str__(self) -> str:
        return f"{self.args[0]}: {self._words}"


class SSLEOFError(SSLError):
    """The connection ended without the peer's close_notify, or in the middle of the handshake.

    `partial`: the bytes read before by `read`, `readall` or `readline`, possibly b"".
    """

    __module__ = "ussl"
    partial: bytes = b""


class SSLZeroReturnError(SSLError):
    """CPython's, for its programs' `except` clauses: the clean end of TLS is b"" here as well."""

    __module__ = "ussl"


class SSLWantReadError(SSLError, BlockingIOError):
    """Non-blocking: poll for POLLIN, then try again. It is a BlockingIOError with errno EAGAIN."""

    __module__ = "ussl"

    @property
    def reason(self) -> str:
        return "WANT_READ"

    def __str__(self) -> str:
        return self._sentence()


class SSLWantWriteError(SSLError, BlockingIOError):
    """Non-blocking: poll for POLLOUT, then try again. It is a BlockingIOError with errno EAGAIN."""

    __module__ = "ussl"

    @property
    def reason(self) -> str:
        return "WANT_WRITE"

    def __str__(self) -> str:
        return self._sentence()


class SSLSyscallError(SSLError):
    """CPython's; never raised: an error of the system is the OSError that it is."""

    __module__ = "ussl"


class _InCallback(local):
    """An exception raised by a callback on this thread, reported together with the refusal; and what the
    last `sni_callback` chose."""

    raised: Optional[BaseException] = None
    chosen: Any = None


in_callback = _InCallback()


def tls_error(code: int, sentence: str) -> BaseException:
    """The exception for a number of the TLS range, with the sentence that goes with it."""
    category = CAUSES[code].category if code in CAUSES else ""
    if category == "TLS_END":
        return SSLEOFError(code, sentence)
    if category == "TLS_CERTIFICATE":
        e: SSLError = SSLCertVerificationError(code, sentence)
    else:
        e = SSLError(code, sentence)
    if code in (CERT_REFUSED, NAME_REFUSED):
        raised, in_callback.raised = in_callback.raised, None
        if raised is not None and not isinstance(raised, Exception):
            return raised  # Ctrl-C, or the end of the program.
        e.__cause__ = raised
    return e


def want_error(writes: bool) -> SSLError:
    """The exception for the direction that a non-blocking session waits for."""
    if writes:
        return SSLWantWriteError(EAGAIN, "TLS needs to send first: poll for POLLOUT")
    return SSLWantReadError(EAGAIN, "TLS needs to receive first: poll for POLLIN")
