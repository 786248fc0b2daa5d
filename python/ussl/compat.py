"""Programs written for MicroPython, run with these modules under the names they use.

    python -m ussl script.py [arguments]

In the script `import socket`, `ssl`, `tls`, `select` (also usocket, ussl, uselect) are usocket,
ussl and uselect; everything else, and what other modules import, is CPython's own. As in WiPy's
documentation the module `socket` can be called, which makes a socket:

    s = socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SEC)
"""

from __future__ import annotations

import builtins
import sys
from types import ModuleType
from typing import Any, Dict

import uselect
import usocket
import ussl

__all__ = ["main", "namespace"]


class _Callable(ModuleType):
    """A module with the names of another one; calling it calls one of them."""

    def __init__(self, module: ModuleType, call: Any) -> None:
        super().__init__(module.__name__, module.__doc__)
        self.__dict__.update({k: v for k, v in vars(module).items() if not k.startswith("__")})
        self.__dict__["__call"] = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["__call"](*args, **kwargs)


_socket = _Callable(usocket, usocket.socket)

MODULES: Dict[str, ModuleType] = {
    "socket": _socket,
    "usocket": _socket,
    "ssl": ussl,
    "tls": ussl,
    "ussl": ussl,
    "select": uselect,
    "uselect": uselect,
}


def namespace(**names: Any) -> dict[Any, Any]:
    """Globals for a program of MicroPython: `exec(source, namespace())`."""

    def import_(
        name: Any, globals: Any = None, locals: Any = None, fromlist: Any = (), level: Any = 0
    ) -> Any:
        if level == 0 and name in MODULES:
            return MODULES[name]
        return __import__(name, globals, locals, fromlist, level)

    special = {**vars(builtins), "__import__": import_}
    return {"__name__": "__main__", "__builtins__": special, **names}


def main() -> None:
    """Runs the script that the command line names."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m ussl SCRIPT [ARGUMENT ...]")
    del sys.argv[0]
    with open(sys.argv[0], "rb") as file:
        exec(compile(file.read(), sys.argv[0], "exec"), namespace(__file__=sys.argv[0]))
