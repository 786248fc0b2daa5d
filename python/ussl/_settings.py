"""The protocol settings of a context: versions, names, suites, sessions."""

from __future__ import annotations

import os
from ctypes import create_string_buffer
from operator import index
from typing import Any, Iterable, List, Optional, Union

from usocket._errors import check, error
from usocket._fields import part_of
from usocket._lib import lib
from usocket._causes import NO_SUCH_VERSION
from usocket._tls_errors import tls_error

from ._constants import ALWAYS_ON, Options, TLSVersion


@part_of("SSLContext")
class Settings:
    """The part of SSLContext with the protocol settings."""

    __slots__ = ("_alpn", "_handle", "_keylog", "_max", "_min", "_options")

    _alpn: bytes
    _handle: int
    _keylog: Optional[str]
    _max: TLSVersion
    _min: TLSVersion
    _options: Options

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._alpn = b""
        self._keylog = None
        self._min, self._max = TLSVersion.MINIMUM_SUPPORTED, TLSVersion.MAXIMUM_SUPPORTED
        self._options = ALWAYS_ON

    def _check(self, code: int) -> int:
        """Returns a number of the library, or raises with the context's own sentence."""
        if code < 0:
            raise error(code, self._handle)
        return code

    @property
    def minimum_version(self) -> TLSVersion:
        """The lowest TLS version, at least 1.2. SSLError (NO_PROTOCOLS_AVAILABLE) when none is
        left. From: CPython."""
        return self._min

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        version = TLSVersion(value)
        if version == self._min:
            return
        self._set_versions(version, self._max, self._options)
        self._min = version

    @property
    def maximum_version(self) -> TLSVersion:
        """The highest TLS version, at most 1.3. Errors as for `minimum_version`. From: CPython."""
        return self._max

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        version = TLSVersion(value)
        if version == self._max:
            return
        self._set_versions(self._min, version, self._options)
        self._max = version

    @property
    def options(self) -> Options:
        """OP_ flags: OP_NO_TLSv1_2, OP_NO_TLSv1_3 and, on a server, OP_NO_TICKET have an effect.

        From: CPython.
        """
        return self._options

    @options.setter
    def options(self, value: int) -> None:
        options = Options(index(value)) | ALWAYS_ON
        if options == self._options:
            return
        self._set_versions(self._min, self._max, options)
        if (options ^ self._options) & Options.OP_NO_TICKET:
            self.set_resumption(tickets=0 if options & Options.OP_NO_TICKET else 2)
        self._options = options

    def _set_versions(self, low: int, high: int, options: int) -> None:
        if low == TLSVersion.MAXIMUM_SUPPORTED:
            low = TLSVersion.TLSv1_3
        if high == TLSVersion.MAXIMUM_SUPPORTED:
            high = TLSVersion.TLSv1_3
        if options & Options.OP_NO_TLSv1_2 and low < TLSVersion.TLSv1_3:
            low = TLSVersion.TLSv1_3
        if options & Options.OP_NO_TLSv1_3 and high > TLSVersion.TLSv1_2:
            high = TLSVersion.TLSv1_2
        if high < TLSVersion.TLSv1_2:
            raise tls_error(NO_SUCH_VERSION, f"{TLSVersion(high).name} is not in this library")
        low = 0 if low < TLSVersion.TLSv1_2 else low
        self._check(lib.usocket_tls_context_set_versions(self._handle, low, high))

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """The application protocols, best first: `["h2", "http/1.1"]`.

        With none in common a connection goes on without one, as in OpenSSL. Raises SSLError for an empty
        name, one with a comma or over 255 bytes. From: CPython.
        """
        names = [p.encode("ascii") for p in alpn_protocols]
        for name in names:
            if not 0 < len(name) < 256 or b"," in name:
                raise tls_error(-10053, f"{name!r} is no ALPN protocol")
        text = b",".join(names)
        if text != self._alpn:
            self._check(lib.usocket_tls_context_set_alpn(self._handle, text))
            self._check(lib.usocket_tls_context_set_alpn_required(self._handle, 0))
            self._alpn = text

    def set_ciphers(self, ciphers: Union[str, Iterable[str]]) -> None:
        """The cipher suites, best first: names, IANA's or OpenSSL's, in a list or separated by
        colons; "DEFAULT" for the library's own. A version without a suite is disabled. A server with a
        list follows its own order, otherwise that of its clients.

        Raises SSLError (NO_CIPHER_MATCH). From: MicroPython; CPython's leaves TLS 1.3 alone.
        """
        names = ciphers if isinstance(ciphers, str) else ":".join(ciphers)
        text = None if names == "DEFAULT" else names.encode()
        self._check(lib.usocket_tls_context_set_ciphers(self._handle, text))

    def get_ciphers(self) -> List[str]:
        """The names of the cipher suites (IANA's), best first. From: MicroPython."""
        names = read_text(lib.usocket_tls_context_ciphers, self._handle)
        return names.split(":") if names else []

    def set_groups(self, groups: Union[str, Iterable[str]]) -> None:
        """The key exchange groups, best first, such as "X25519MLKEM768:X25519"; "DEFAULT" for the
        library's own. SSLError (NO_CIPHER_MATCH). From: CPython 3.15."""
        names = groups if isinstance(groups, str) else ":".join(groups)
        text = None if names == "DEFAULT" else names.encode()
        self._check(lib.usocket_tls_context_set_groups(self._handle, text))

    def set_resumption(self, sessions: int = 256, tickets: int = 2) -> None:
        """Sets the number of sessions kept for resumption (0: none), and of TLS 1.3 tickets a server
        sends to each client; a client with 0 tickets resumes only the session that it is given.
        OSError EINVAL."""
        self._check(
            lib.usocket_tls_context_set_resumption(self._handle, index(sessions), index(tickets))
        )

    def set_max_record(self, size: int = 0) -> None:
        """Sets the maximum data in a sent record, 64 to 16384 bytes, for peers with small buffers; 0 for
        TLS's limit. OSError EINVAL."""
        self._check(lib.usocket_tls_context_set_max_record(self._handle, index(size)))

    def add_ticket_key(self, key: bytes) -> None:
        """A server's key for tickets, 32 random bytes: servers with the same one resume each other's
        sessions. The newest encrypts, the 3 before it still decrypt theirs. OSError EINVAL."""
        self._check(lib.usocket_tls_context_add_ticket_key(self._handle, bytes(key), len(key)))

    @property
    def keylog_filename(self) -> Optional[str]:
        """The file that every connection appends its secrets to, in Wireshark's format: anybody with it
        can read the traffic. Only None means no file. From: CPython."""
        return self._keylog

    @keylog_filename.setter
    def keylog_filename(self, path: Any) -> None:
        if path is None and self._keylog is None:
            return
        if path is None:
            raise ValueError("a key log cannot be removed")
        name = os.fsencode(path)
        if self._keylog is not None and name == os.fsencode(self._keylog):
            return
        self._check(lib.usocket_tls_context_set_insecure_keylog(self._handle, name))
        self._keylog = os.fsdecode(name)


def read_text(ask: Any, *handle: Any) -> str:
    """A text of the library, of any length."""
    size = check(ask(*handle, None, 0))
    buf = create_string_buffer(size + 1)
    check(ask(*handle, buf, len(buf)))
    return buf.value.decode()
