"""Certificates from one form to the other."""

from __future__ import annotations

from typing import Any

import binascii
import re
from base64 import b64decode, b64encode
from textwrap import wrap

_HEAD, _FOOT = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def DER_cert_to_PEM_cert(der_cert_bytes: Any) -> str:
    """A certificate as PEM. From: CPython."""
    return "\n".join([_HEAD, *wrap(b64encode(der_cert_bytes).decode(), 64), _FOOT, ""])


def PEM_cert_to_DER_cert(pem_cert_string: str) -> bytes:
    """The first certificate of a PEM text as DER. ValueError when there is none. From: CPython."""
    found = re.search(f"{_HEAD}(.*?){_FOOT}", pem_cert_string, re.DOTALL)
    if not found:
        raise ValueError(f"no {_HEAD} with an END line")
    try:
        return b64decode("".join(found[1].split()), validate=True)
    except binascii.Error as e:
        raise ValueError(f"the certificate is not base64: {e}") from None
