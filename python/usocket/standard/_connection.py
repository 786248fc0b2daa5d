"""A TLS connection with the interface of CPython's `_ssl._SSLSocket`: its information. `_over_socket.py` and
`_over_bios.py` move its bytes."""

from __future__ import annotations

from ctypes import create_string_buffer
from threading import RLock
from typing import Any, List, Optional

import ussl
from ussl._cert import as_dict
from ussl._presented import presented, presented_chain
from ussl._settings import read_text

from .. import _causes as causes
from .._errors import check
from .._lib import lib
from .._transfer import POLLIN, POLLOUT
from . import _hello, _ssl_errors as errors

_VERSIONS = {0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}


class Connection:
    """A TLS connection of the library, made once its settings are known."""

    def __init__(self, beneath: Any, server_side: bool, name: Optional[str]) -> None:
        self.server_side, self.server_hostname = server_side, name
        self._handle = 0
        self._owner: Any = None
        self._session: Any = None
        self._given: Any = None
        self._made: Any = None
        # For a server with a callback: the part of the ClientHello received so far.
        self._first = bytearray()
        self._done = self._said_goodbye = False
        # Held for one-time work. (The callback may use the connection.)
        self._lock = RLock()
        self._over(beneath)

    def _over(self, beneath: Any) -> None:
        """Takes its transport."""
        raise NotImplementedError

    def _begin(self, made: ussl.SSLContext) -> None:
        """Makes the library's end, and feeds it the bytes received before."""
        if made.verify_flags and not made._crls:
            raise errors.of(causes.CRL_MISSING)
        name = None if self.server_side else self._wanted_name(made)
        self._made = made
        self._handle = self._create(made._handle, name)

    def _create(self, context: int, name: Optional[bytes]) -> int:
        """The library's handle for it."""
        raise NotImplementedError

    def _wanted_name(self, made: Any) -> Optional[bytes]:
        if self.server_hostname:
            name = self.server_hostname
            return name.encode("ascii" if name.isascii() else "idna")
        if made.check_hostname:
            raise ValueError("check_hostname requires server_hostname")
        return None

    def __reduce__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def _asks(self) -> bool:
        """Whether the response depends on the ClientHello."""
        raise NotImplementedError

    def _answer(self, hello: Optional[_hello.Hello]) -> None:
        """Begins, as a server, once the settings are known."""
        raise NotImplementedError

    def _complete(self) -> None:
        """The handshake is complete."""

    def _greeted(self) -> None:
        if self._done:
            return
        with self._lock:
            if not self._done:
                self._done = True
                self._complete()

    def _refuse(self, alert: int) -> None:
        """Ends the handshake with the given alert."""
        self._send_raw(bytes((21, 3, 3, 0, 2, 2, alert & 0xFF)))
        raise errors.ssl_error("CALLBACK_FAILED", "callback failed")

    def _send_raw(self, data: bytes) -> None:
        """Sends plain data."""
        raise NotImplementedError

    def _wants(self, events: int) -> BaseException:
        """The events to wait for, for an operation that needs `events`."""
        wants = lib.usocket_tls_wants(self._handle) if self._handle else POLLIN
        if wants <= 0 or wants & events:
            wants = events
        return errors.want_write() if wants & POLLOUT else errors.want_read()

    # --- what there is to know

    def pending(self) -> int:
        return max(0, lib.usocket_tls_pending(self._handle)) if self._handle else 0

    def version(self) -> Optional[str]:
        return _VERSIONS.get(lib.usocket_tls_version(self._handle)) if self._handle else None

    def cipher(self) -> Any:
        name = read_text(lib.usocket_tls_cipher, self._handle) if self._handle else ""
        if not name:
            return None
        bits = 128 if "AES_128" in name or "AES128" in name else 256
        return openssl_name(name), self.version(), bits

    def shared_ciphers(self) -> Any:
        cipher = self.cipher()
        return [cipher] if cipher and self.server_side else None

    def compression(self) -> None:
        return None

    def selected_alpn_protocol(self) -> Optional[str]:
        return (read_text(lib.usocket_tls_alpn, self._handle) or None) if self._handle else None

    def selected_npn_protocol(self) -> None:
        return None

    def getpeercert(self, binary_form: bool = False) -> Any:
        if not self._handle or not self._done:
            raise ValueError("handshake not done yet")
        der = presented(self._handle, 0)
        if der is None or binary_form:
            return der
        return as_dict(der) if lib.usocket_tls_verified(self._handle) == 1 else {}

    def get_unverified_chain(self) -> List[bytes]:
        return presented_chain(self._handle)

    def get_channel_binding(self, cb_type: str = "tls-unique") -> Any:
        if cb_type != "tls-exporter":
            raise ValueError(f"{cb_type!r} channel binding type not implemented")
        if not self._done:
            return None
        room = create_string_buffer(32)
        check(lib.usocket_tls_channel_binding(self._handle, room, len(room)))
        return room.raw

    def verify_client_post_handshake(self) -> None:
        raise errors.ssl_error(
            "EXTENSION_NOT_RECEIVED", "post-handshake authentication is not supported"
        )

    @property
    def session_reused(self) -> bool:
        return bool(self._handle) and lib.usocket_tls_resumed(self._handle) == 1


def openssl_name(name: str) -> str:
    """OpenSSL's name of an IANA cipher suite: ECDHE-RSA-AES128-GCM-SHA256."""
    if "_WITH_" not in name:
        return name
    key, cipher = name[4:].split("_WITH_")
    cipher = cipher.replace("AES_", "AES").replace("_", "-")
    cipher = cipher.replace("CHACHA20-POLY1305-SHA256", "CHACHA20-POLY1305")
    return key.replace("_", "-") + "-" + cipher
