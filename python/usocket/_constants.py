"""The platform's constants, as plain integers. They come from the system, by way of CPython.

`_socket` is where CPython's `socket` has them from, without the classes and all they import.
"""

from __future__ import annotations

import _socket as _system

from ._numbers import IPPROTO_SEC

# Every integer that CPython's module has: AF_, SOCK_, SO_, CAN_, TIPC_ ...
CONSTANTS: dict[str, int] = {
    name: int(value)
    for name, value in vars(_system).items()
    if name[0].isupper() and isinstance(value, int)
}

# Linux's that CPython's module has not, or not yet: many datagrams for one system call, each way, and
# groups by the interface's index.
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
