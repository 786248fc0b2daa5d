"""The platform's constants, as plain integers. They come from the system, by way of CPython.

CPython's `socket` takes them from `_socket`, which has no classes and imports little.
"""

from __future__ import annotations

import _socket as _system

from ._numbers import IPPROTO_SEC

# Every integer of CPython's module: AF_, SOCK_, SO_, CAN_, TIPC_ ...
CONSTANTS: dict[str, int] = {
    name: int(value)
    for name, value in vars(_system).items()
    if name[0].isupper() and isinstance(value, int)
}

# Linux's constants that CPython's module lacks: many datagrams per system call, in both directions, and
# multicast groups by interface index.
for _name, _value in {
    "MCAST_JOIN_GROUP": 42,
    "MCAST_LEAVE_GROUP": 45,
    "UDP_SEGMENT": 103,
    "UDP_GRO": 104,
}.items():
    CONSTANTS.setdefault(_name, _value)

# WiPy's: a TCP socket that carries no data before it is wrapped in TLS.
CONSTANTS["IPPROTO_SEC"] = IPPROTO_SEC

globals().update(CONSTANTS)

__all__ = sorted(CONSTANTS)
