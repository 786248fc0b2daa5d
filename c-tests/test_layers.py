"""No circles: of the firmware's files by their includes, of the Python package's modules by their imports.
(src/layers_tests.rs is the same for the library.)"""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def in_order(uses):
    """The files from the bottom up; raises CycleError, which names the circle."""
    return list(TopologicalSorter(uses).static_order())


def test_the_firmwares_includes():
    """A .c file and the header of the same name are one."""
    top = ROOT / "micropython/usocket"
    uses = {}
    for path in top.rglob("*.[ch]"):
        included = re.findall(r'^#include "([^"]+)"', path.read_text(), re.M)
        files = {(path.parent / name).resolve() for name in included}
        mine = path.with_suffix("")
        uses.setdefault(mine, set()).update({f.with_suffix("") for f in files if top in f.parents} - {mine})
    order = in_order(uses)
    assert len(order) > 20 and order.index(top / "runtime") < order.index(top / "select/set")


def imported(path, modules):
    """The package's modules that a file imports, also within functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            within = path.parent.relative_to(ROOT / "python").parts
            base = list(within[: len(within) - node.level + 1]) if node.level else []
            name = ".".join(base + ([node.module] if node.module else []))
            for alias in node.names:
                inner = f"{name}.{alias.name}"
                if inner in modules or name in modules:
                    yield inner if inner in modules else name


def test_the_packages_imports():
    modules = {}
    for top in ("usocket", "ussl", "uselect"):
        for path in (ROOT / "python" / top).rglob("*.py"):
            parts = path.relative_to(ROOT / "python").with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    uses = {name: set(imported(path, modules)) - {name} for name, path in modules.items()}
    order = in_order(uses)
    assert len(order) > 30 and order.index("usocket._errors") < order.index("ussl._context")
