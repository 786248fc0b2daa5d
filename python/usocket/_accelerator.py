"""The accelerator: the most frequent calls in C (`fast/fast.c`), if it has been built.

A wheel has it beside this file, a checkout in `target/python` (`make accelerator`). It needs CPython 3.11;
without it, and with USOCKET_PURE=1 in the environment, the same methods are in Python, over ctypes.
"""

from __future__ import annotations

import os
import sys
from ctypes import c_void_p, cast
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from types import FunctionType

from ._address import _decode
from ._lib import HERE, lib

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, TypeVar

    _C = TypeVar("_C", bound=type)

_NAME, _FILE = "usocket._fast", "_fast.abi3.so"
_FUNCTIONS = (
    "accept addr_ip detach fileno getpeername getsockname getsockopt_int poll read readline recv recvfrom"
    " send sendto setsockopt_int settimeout write"
).split()


def _load() -> Any:
    """The module `usocket._fast`, or None."""
    if (
        os.environ.get("USOCKET_PURE")
        or sys.version_info < (3, 11)
        or ".abi3.so" not in EXTENSION_SUFFIXES
    ):
        return None
    for folder in (HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "target", "python")):
        path = os.path.join(folder, _FILE)
        if os.path.exists(path):
            loader = ExtensionFileLoader(_NAME, path)
            try:
                module: Any = loader.create_module(ModuleSpec(_NAME, loader, origin=path))
                loader.exec_module(module)
            except ImportError:  # Built for another machine, or loaded in another interpreter of this process.
                return None
            module.bind(
                {f: cast(getattr(lib, "usocket_" + f), c_void_p).value for f in _FUNCTIONS}, _decode
            )
            return module
    return None


fast = _load()


def accelerated(part: _C) -> _C:
    """Decorates a part of a socket: replaces its methods by those in C. The Python ones stay available
    with the prefix `_slow_`, for the cases that C leaves to them."""
    if fast is not None:
        for name, method in fast.METHODS.items():
            slow = vars(part).get(name)
            if isinstance(slow, FunctionType):
                setattr(part, "_slow_" + name, slow)
                setattr(part, name, method)
    return part
