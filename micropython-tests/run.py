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
SECONDS = 30


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
    sys.path.insert(0, HERE)
    for file in sorted(os.listdir(HERE)):
        if re.fullmatch(r"host_\w+\.py", file):
            module = importlib.import_module(file[:-3])
            for name, function in list(vars(module).items()):
                if name.startswith("test_"):
                    yield file[:-3], name, function


def main():
    chosen = sys.argv[1:]
    certs.make(CERTS)
    os.environ["USOCKET_TEST_CERTS"] = CERTS
    counts = {"passed": 0, "failed": 0, "skipped": 0}

    def wanted(module, name):
        return not chosen or any(re.search(c, f"{module}.{name}") for c in chosen)

    def report(module, name, error, note="", begun=None):
        counts["failed" if error else "passed"] += 1
        took = f" ({time.monotonic() - begun:.1f} s)" if begun else ""
        print(f"{'FAIL' if error else 'ok  '} {module}.{name}{note}{took}" + (f": {error}" if error else ""), flush=True)

    for module, name, stock_is_wrong in firmware_tests():
        if wanted(module, name):
            begun = time.monotonic()
            error, note = firmware(OURS, module, name), ""
            if not error and stock_is_wrong and os.path.exists(STOCK):
                stock = firmware(STOCK, module, name)
                note = f" [stock fails as expected: {stock}]"
                error = None if stock else "stock passes this test, which is there because stock is wrong"
            report(module, name, error, note, begun)
    for module, name, function in host_tests():
        if wanted(module, name):
            begun = time.monotonic()
            try:
                note = function() or ""
                report(module, name, None, f" [{note}]" if note else "", begun)
            except Skip as e:
                counts["skipped"] += 1
                print(f"skip {module}.{name}: {e}", flush=True)
            except Exception as e:
                report(module, name, f"{type(e).__name__}: {e}", "", begun)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
