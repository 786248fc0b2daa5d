#!/usr/bin/env python3
"""Runs the tests of this directory on the firmware, each in a process of its own.

A test is a function test_* of a file test_*.py. Those that a file names in STOCK_IS_WRONG are run on
micropython-stock as well, where they must fail: that is what they are for. ("name", (1, 27)) there is
a fault that stock has no longer in that version. Tests that need a look
from outside (signals, system calls, programs from PyPI) are in host_*.py, run by this interpreter.
Regular expressions on the command line choose among the tests.
"""

import ast
import atexit
import functools
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import certs

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
HOME = os.environ.get("MICROPYTHON_HOME", f"{TOP}/target/micropython")
OURS = f"{HOME}/micropython"
STOCK = f"{HOME}/micropython-stock"
# Only what hangs takes that long.
SECONDS = 90


CERTS = tempfile.mkdtemp(prefix="usocket-certs-")
atexit.register(shutil.rmtree, CERTS, ignore_errors=True)


class Skip(Exception):
    """Raised by a host test that cannot run here; says why."""


def firmware(interpreter, module, name):
    """None when the test passes, otherwise what it said."""
    try:
        r = subprocess.run([interpreter, "-X", "heapsize=256m", "harness.py", module, name], cwd=HERE,
                           capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL,
                           errors="replace")
    except subprocess.TimeoutExpired:
        return f"no end after {SECONDS} s"
    if r.returncode == 0 and r.stdout.endswith("done\n"):
        return None
    if r.returncode < 0:
        return f"killed by signal {-r.returncode}"
    return ((r.stdout + r.stderr).strip().splitlines() or [f"exit {r.returncode}"])[-1]


def stock_version():
    if not os.path.exists(STOCK):
        return (0,)
    code = "import sys; print(tuple(sys.implementation.version[:2]))"
    return ast.literal_eval(subprocess.run([STOCK, "-c", code], capture_output=True, text=True).stdout)


def firmware_tests():
    """(module, function, whether stock is wrong)"""
    version = stock_version()
    for file in sorted(os.listdir(HERE)):
        if not re.fullmatch(r"test_\w+\.py", file):
            continue
        with open(f"{HERE}/{file}") as f:
            tree = ast.parse(f.read())
        wrong = {}
        for node in tree.body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "STOCK_IS_WRONG":
                wrong = ast.literal_eval(node.value)
                wrong = {w if isinstance(w, str) else w[0]: (99,) if isinstance(w, str) else w[1] for w in wrong}
        names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
        unknown = set(wrong) - set(names)
        assert not unknown, f"{file}: STOCK_IS_WRONG names {unknown}"
        for name in names:
            yield file[:-3], name, name in wrong and version < wrong[name]


def host_tests():
    if HERE not in sys.path:
        sys.path.insert(0, HERE)
    for file in sorted(os.listdir(HERE)):
        if re.fullmatch(r"host_\w+\.py", file):
            module = importlib.import_module(file[:-3])
            for name, function in list(vars(module).items()):
                if name.startswith("test_"):
                    yield file[:-3], name, function


def on_both(module, name, stock_is_wrong):
    """Runs a firmware test; gives a note, or raises what is wrong."""
    error = firmware(OURS, module, name)
    assert not error, error
    if not stock_is_wrong or not os.path.exists(STOCK):
        return ""
    stock = firmware(STOCK, module, name)
    assert stock, "stock passes this test, which is there because stock is wrong"
    return f"stock fails as expected: {stock}"


def everything():
    """(module, name, function that gives a note, raises Skip, or raises)"""
    for module, name, wrong in firmware_tests():
        yield module, name, functools.partial(on_both, module, name, wrong)
    yield from host_tests()


def prepare():
    certs.make(CERTS)
    os.environ["USOCKET_TEST_CERTS"] = CERTS


def main():
    prepare()
    chosen = sys.argv[1:]
    passed = failed = skipped = 0
    for module, name, test in everything():
        if chosen and not any(re.search(c, f"{module}.{name}") for c in chosen):
            continue
        begun = time.monotonic()
        try:
            note = test()
            word, passed = "ok  ", passed + 1
        except Skip as e:
            note, word, skipped = str(e), "skip", skipped + 1
        except Exception as e:
            note, word, failed = f"{type(e).__name__}: {e}", "FAIL", failed + 1
        took = time.monotonic() - begun
        print(f"{word} {module}.{name} ({took:.1f} s)" + (f": {note}" if note else ""), flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
