"""The certificates that a context trusts, and revocation lists."""

from __future__ import annotations

import os
from operator import index
from typing import Any, Dict, List, Literal, Optional, Union, overload

from usocket._causes import (
    CERT_INVALID,
    CRL_INVALID,
    KEY_ENCRYPTED,
    KEY_INVALID,
    KEY_MISMATCH,
    PEM_BAD,
    PEM_EMPTY,
)
from usocket._errors import check, detail, error, strerror
from usocket._fields import part_of
from usocket._lib import lib
from usocket._tls_errors import SSLConfigError

from ._cert import as_dict, is_ca
from ._constants import VerifyFlags
from ._load import Source, certificates, file_name, pem_or_der, the_bytes, without
from ._settings import Settings

# MicroPython's messages for a refused certificate or key.
_INVALID_KEY = (KEY_INVALID, KEY_ENCRYPTED, KEY_MISMATCH)
_INVALID_PEM = (PEM_EMPTY, PEM_BAD)
_CLIENT, _LEAF_ONLY = 1, 1


@part_of("SSLContext")
class Store(Settings):
    """The part of SSLContext with what it trusts."""

    __slots__ = ("_crls", "_trusted", "_verify_flags")

    def __init__(self, handle: int) -> None:
        super().__init__(handle)
        self._verify_flags = VerifyFlags.VERIFY_DEFAULT
        self._crls: List[bytes] = []
        # As DER, each once.
        self._trusted: Dict[bytes, None] = {}

    def _is_good(self, cert: bytes) -> bool:
        """Whether a certificate can be parsed: if so, the key is the problem."""
        scratch = check(lib.usocket_tls_context_create(_CLIENT))
        try:
            return lib.usocket_tls_context_add_trust(scratch, cert, len(cert)) > 0
        finally:
            lib.usocket_close(scratch)

    def _invalid(self, code: int, cert: bytes = b"") -> BaseException:
        """The exception for a refused certificate or key; the certificate, if it may be either."""
        sentence = detail(self._handle) or strerror(code)
        if code in _INVALID_KEY or (code in _INVALID_PEM and self._is_good(cert)):
            return SSLConfigError("invalid key", code, sentence)
        if code in (*_INVALID_PEM, CERT_INVALID):
            return SSLConfigError("invalid cert", code, sentence)
        if code == CRL_INVALID:
            return SSLConfigError("invalid crl", code, sentence)
        return error(code, self._handle)

    def load_verify_locations(
        self,
        cafile: Optional[Source] = None,
        capath: Union[str, bytes, "os.PathLike[str]", None] = None,
        cadata: Optional[Source] = None,
    ) -> None:
        """Trusts certificates: as issuers, and as a peer's own (also self-signed ones marked as a CA, or
        with only a common name).

        cafile: the name of a file with PEM or DER, or bytes that are PEM or DER; capath: a
        directory of such files; cadata: PEM as str or bytes, or DER. Revocation lists among them are
        used according to `verify_flags`.
        Raises SSLConfigError (ValueError "invalid cert"), OSError for a file that cannot be read,
        TypeError when nothing is given. Blocks on the file system. From: both.
        """
        if cafile is None and capath is None and cadata is None:
            raise TypeError("cafile, capath and cadata cannot be all omitted")
        if cafile is not None:
            self._trust(the_bytes(file_name(cafile), "cafile"))
        if capath is not None:
            self._check(lib.usocket_tls_context_add_trust_dir(self._handle, os.fsencode(capath)))
        if cadata is not None:
            self._trust(pem_or_der(cadata, "cadata"))

    def _trust(self, data: bytes) -> None:
        certs, lists = without(data, b"X509 CRL")
        if lists:
            self.load_crl(lists)
        if certs.strip() or not lists:
            code = lib.usocket_tls_context_add_trust(self._handle, certs, len(certs))
            if code < 0:
                raise self._invalid(code)
            self._trusted.update(dict.fromkeys(certificates(certs)))

    def load_crl(self, crl: Source) -> None:
        """Loads revocation lists: bytes with PEM or DER, or the name of a file.

        They are used according to `verify_flags`. Raises SSLConfigError, OSError, TypeError.
        """
        data = the_bytes(crl, "crl")
        if self._verify_flags & VerifyFlags.VERIFY_CRL_CHECK_LEAF:
            self._add_crl(data)
        self._crls.append(data)

    def _add_crl(self, data: bytes) -> None:
        code = lib.usocket_tls_context_add_crl(self._handle, data, len(data))
        if code < 0:
            raise self._invalid(code)

    def load_default_certs(self, purpose: Any = None) -> None:
        """Trusts the system's certificates. A client without any trusted certificates does so by itself.

        purpose: for compatibility with CPython. Raises SSLError when there is no store. Blocks on the
        file system, once per process. From: CPython.
        """
        self._check(lib.usocket_tls_context_add_trust_system(self._handle))

    set_default_verify_paths = load_default_certs

    @overload
    def get_ca_certs(self, binary_form: Literal[False] = False) -> List[Dict[str, Any]]: ...

    @overload
    def get_ca_certs(self, binary_form: Literal[True]) -> List[bytes]: ...

    @overload
    def get_ca_certs(self, binary_form: bool) -> List[Any]: ...

    def get_ca_certs(self, binary_form: bool = False) -> List[Any]:
        """The trusted certificates of CAs, as dicts like those of `getpeercert`, or as DER: what
        `load_verify_locations` took from `cafile` and `cadata`. Those of a directory and of the
        system's store are not among them. From: CPython."""
        found = [der for der in self._trusted if is_ca(der)]
        return found if binary_form else [as_dict(der) for der in found]

    def cert_store_stats(self) -> Dict[str, int]:
        """How many of the same certificates there are (`x509`), how many of CAs among them (`x509_ca`),
        and how many revocation lists (`crl`). From: CPython."""
        cas = sum(map(is_ca, self._trusted))
        lists = sum(max(1, data.count(b"-----BEGIN X509 CRL-----")) for data in self._crls)
        return {"x509": len(self._trusted), "crl": lists, "x509_ca": cas}

    @property
    def verify_flags(self) -> VerifyFlags:
        """The certificates looked up in the loaded revocation lists: VERIFY_DEFAULT (none),
        VERIFY_CRL_CHECK_LEAF (the peer's) or VERIFY_CRL_CHECK_CHAIN (also its issuers').

        From: CPython.
        """
        return self._verify_flags

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        if index(value) & ~int(VerifyFlags.VERIFY_CRL_CHECK_CHAIN):
            raise ValueError(f"{value} has unknown flags")
        flags = VerifyFlags(value)
        before = self._verify_flags
        if flags == before:
            return
        if before and not flags and self._crls:
            raise ValueError("checking against revocation lists cannot be turned off")
        leaf_only = flags == VerifyFlags.VERIFY_CRL_CHECK_LEAF
        self._check(
            lib.usocket_tls_context_set_crl_flags(self._handle, _LEAF_ONLY if leaf_only else 0)
        )
        if flags and not before:
            for data in self._crls:
                self._add_crl(data)
        self._verify_flags = flags
