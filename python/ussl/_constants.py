"""Constants, with CPython's names and numbers where it has them."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from usocket._lib import features


class VerifyMode(IntEnum):
    """Whether the peer's certificate is verified."""

    CERT_NONE = 0
    """Not at all: anybody can be in the middle. A server asks for no certificate."""
    CERT_OPTIONAL = 1
    """A server asks for one and verifies it if it comes. A client: as CERT_REQUIRED."""
    CERT_REQUIRED = 2
    """There must be one, and it must verify."""


class TLSVersion(IntEnum):
    """For `SSLContext.minimum_version` and `maximum_version`. There is 1.2 and 1.3."""

    MINIMUM_SUPPORTED = -2
    SSLv3 = 768
    TLSv1 = 769
    TLSv1_1 = 770
    TLSv1_2 = 771
    TLSv1_3 = 772
    MAXIMUM_SUPPORTED = -1


class Options(IntFlag):
    """For `SSLContext.options`. Those up to OP_NO_TLSv1_1 are always on: there is no such thing."""

    OP_NO_SSLv2 = 0
    OP_NO_SSLv3 = 0x2000000
    OP_NO_TLSv1 = 0x4000000
    OP_NO_TLSv1_1 = 0x10000000
    OP_NO_COMPRESSION = 0x20000
    OP_NO_RENEGOTIATION = 0x40000000
    OP_NO_TLSv1_2 = 0x8000000
    OP_NO_TLSv1_3 = 0x20000000
    OP_NO_TICKET = 0x4000


class VerifyFlags(IntFlag):
    """For `SSLContext.verify_flags`: the certificates to look up in the revocation lists."""

    VERIFY_DEFAULT = 0
    VERIFY_CRL_CHECK_LEAF = 0x4
    VERIFY_CRL_CHECK_CHAIN = 0xC


class Purpose(IntEnum):
    """For `create_default_context`: the peers that the context authenticates."""

    SERVER_AUTH = 1
    CLIENT_AUTH = 2


PROTOCOL_TLS_CLIENT = 16
PROTOCOL_TLS_SERVER = 17

ALWAYS_ON = (
    Options.OP_NO_SSLv2
    | Options.OP_NO_SSLv3
    | Options.OP_NO_TLSv1
    | Options.OP_NO_TLSv1_1
    | Options.OP_NO_COMPRESSION
    | Options.OP_NO_RENEGOTIATION
)

_versions = next((w[13:] for w in features.split() if w.startswith("tls-versions=")), "")

HAS_TLSv1_3 = "1.3" in _versions
HAS_TLSv1_2 = "1.2" in _versions
HAS_SNI = HAS_ALPN = HAS_TLSv1_3
HAS_TLSv1_1 = HAS_TLSv1 = HAS_SSLv3 = HAS_SSLv2 = HAS_NPN = False
HAS_ECDH = HAS_TLSv1_3
HAS_NEVER_CHECK_COMMON_NAME = True

CHANNEL_BINDING_TYPES = ["tls-exporter"]

for _enum in (VerifyMode, Options, VerifyFlags):
    globals().update(_enum.__members__)

__all__ = [
    "CHANNEL_BINDING_TYPES",
    "HAS_ALPN",
    "HAS_ECDH",
    "HAS_NEVER_CHECK_COMMON_NAME",
    "HAS_NPN",
    "HAS_SNI",
    "HAS_SSLv2",
    "HAS_SSLv3",
    "HAS_TLSv1",
    "HAS_TLSv1_1",
    "HAS_TLSv1_2",
    "HAS_TLSv1_3",
    "Options",
    "PROTOCOL_TLS_CLIENT",
    "PROTOCOL_TLS_SERVER",
    "Purpose",
    "TLSVersion",
    "VerifyFlags",
    "VerifyMode",
    *VerifyMode.__members__,
    *Options.__members__,
    *VerifyFlags.__members__,
]
