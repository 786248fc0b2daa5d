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

# WiPy's: a TCP socket that carries no data before it is wrapped in TLS.
CONSTANTS["IPPROTO_SEC"] = IPPROTO_SEC

globals().update(CONSTANTS)

__all__ = sorted(CONSTANTS)
