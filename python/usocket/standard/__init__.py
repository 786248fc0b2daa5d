"""The standard modules `socket` and `ssl` over libusocket: `usocket.install()`, and
`python -m usocket run program.py`.

CPython's `socket` and `ssl` are Python over two modules in C, `_socket` and `_ssl`. This package replaces
those two; everything above them is CPython's own and does not change.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["install", "run"]


def install() -> None:
    """Lets the standard modules `socket` and `ssl`, and with them every program of this process, run
    on libusocket. Call it first: what was imported by `from socket import ...` before stays.

    There the modules are CPython's: names in addresses are resolved, `makefile` makes a file, a str
    is not sent. A second call does nothing. (`python -m usocket run program.py` calls it.)
    """
    from . import _socket

    if sys.modules.get("_socket") is _socket.module:
        return
    # Modules that have imported them keep them, such as usocket itself.
    sys.modules["_socket"] = _socket.module
    _again("socket")
    from . import _ssl

    sys.modules["_ssl"] = _ssl.module
    _again("ssl")
    # The available type (RFC 9266); OpenSSL's "tls-unique" is not defined for TLS 1.3.
    importlib.import_module("ssl").CHANNEL_BINDING_TYPES[:] = ["tls-exporter"]


def _again(name: str) -> None:
    """Executes an already imported standard module again, in place, so that its importers see the result."""
    module = sys.modules.get(name)
    if isinstance(module, ModuleType):
        importlib.reload(module)


def run(arguments: list[Any]) -> None:
    """`python -m usocket run program.py ...` or `... run -m module ...`: runs it as Python does."""
    import runpy

    if not arguments:
        sys.exit("usage: python -m usocket run (PROGRAM | -m MODULE) [ARGUMENT ...]")
    install()
    if arguments[0] == "-m":
        if len(arguments) < 2:
            sys.exit("python -m usocket run: -m needs the name of a module")
        sys.argv = arguments[1:]
        sys.path[0] = ""
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        del sys.path[0]  # If the program is a package, run_path adds its directory.
        _run_program(arguments[0])


def _run_program(path: str) -> None:
    """As `python program.py`: in the real `__main__`, which pickle and multiprocessing look into."""
    import os

    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        import runpy

        runpy.run_path(path, run_name="__main__")
        return
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as e:
        sys.exit(f"python -m usocket run: can't open file {path!r}: [Errno {e.errno}] {e.strerror}")
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    main = sys.modules["__main__"]
    main.__dict__.update(__file__=path, __spec__=None, __package__=None, __cached__=None)
    exec(compile(source, path, "exec"), main.__dict__)
