"""Certificates and keys on their way to the library: bytes, text, files."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from typing import List, Tuple, Union

from ._cert import whole

Source = Union[str, bytes, bytearray, memoryview, "os.PathLike[str]"]

_PEM = b"-----BEGIN "


def the_bytes(source: Source, what: str) -> bytes:
    """The bytes themselves, or the content of the file that a str or a path names.

    Raises OSError for a file that cannot be read, TypeError.
    """
    if isinstance(source, (str, os.PathLike)):
        if isinstance(source, str) and "-----BEGIN " in source:
            return source.encode()
        with open(source, "rb") as file:
            return file.read()
    try:
        return bytes(memoryview(source))
    except TypeError:
        kind = type(source).__name__
        raise TypeError(f"{what} must be bytes, or the name of a file, not {kind}") from None


def file_name(source: Source) -> Source:
    """The source; bytes that are neither PEM nor DER but name a file count as that name."""
    if not isinstance(source, bytes) or _PEM in source or b"\0" in source:
        return source
    # DER begins with a sequence whose length needs more than a byte.
    if source[:1] == b"\x30" and source[1:2] >= b"\x80":
        return source
    name = os.fsdecode(source)
    return name if os.path.exists(name) else source


def pem_or_der(data: Source, what: str) -> bytes:
    """Bytes, or PEM as text."""
    if isinstance(data, str):
        return data.encode("ascii")
    try:
        return bytes(memoryview(data))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{what} must be str or bytes, not {type(data).__name__}") from None


def without(data: bytes, label: bytes) -> Tuple[bytes, bytes]:
    """PEM text without the items of a label, and those items. DER is left alone."""
    if _PEM + label not in data:
        return data, b""
    item = re.compile(b"-----BEGIN %b-----.*?-----END %b-----\\s*" % (label, label), re.DOTALL)
    return item.sub(b"", data), b"".join(item.findall(data))


_CERTIFICATE = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END ", re.DOTALL
)


def certificates(data: bytes) -> List[bytes]:
    """The certificates in PEM text or in DER that the library has taken."""
    if _PEM not in data:
        return list(whole(data))
    found = []
    for body in _CERTIFICATE.findall(data):
        try:
            # OpenSSL's "TRUSTED" has its own additions behind the certificate.
            found.append(next(whole(b64decode(body))))
        except (ValueError, StopIteration):
            pass  # The library has passed over it as well.
    return found
