"""The platform's constants, as plain integers. They come from the system, by way of CPython."""

from __future__ import annotations

import socket as _system

_PREFIXES = (
    "AF_", "AI_", "EAI_", "IPPROTO_", "IPV6_", "IP_", "MSG_", "NI_",
    "SHUT_", "SOCK_", "SOL_", "SOMAXCONN", "SO_", "TCP_",
)  # fmt: skip

CONSTANTS: dict[str, int] = {
    name: int(value)
    for name, value in vars(_system).items()
    if name.startswith(_PREFIXES) and isinstance(value, int)
}

# WiPy's: a TCP socket that carries no data before it is wrapped in TLS (USOCKET_IPPROTO_SEC).
CONSTANTS["IPPROTO_SEC"] = 0x10000

globals().update(CONSTANTS)

__all__ = sorted(CONSTANTS)
