#!/usr/bin/env python3
"""Runs the tests of this directory on the firmware, each in a process of its own.

A test is a function test_* of a file test_*.py. Those that a file names in STOCK_IS_WRONG are run on
micropython-stock as well, where they must fail: that is what they are for. ("name", (1, 27)) there is
a fault that stock has no longer in that version. Those in NEEDS_A_GIL are run where there is one, by host_gil.py:
the port has none by itself, and there its collector can not be relied on beside threads. Tests that need a look
from outside (signals, system calls, programs from PyPI) are in host_*.py, run by this interpreter.
Regular expressions on the command line choose among the tests.
"""

import ast
import atexit
import concurrent.futures
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
# Only what hangs takes that long. Stock may hang: that is one way to be wrong.
SECONDS = 180
STOCK_SECONDS = 10
# Tests at a time: they wait more than they work. One after the other go those that build or fetch.
AT_ONCE = 3
IN_TURN = ("host_build", "host_gil", "host_programs")


CERTS = tempfile.mkdtemp(prefix="usocket-certs-")
atexit.register(shutil.rmtree, CERTS, ignore_errors=True)


class Skip(Exception):
    """Raised by a host test that cannot run here; says why."""


def firmware(interpreter, module, name, seconds=SECONDS):
    """None when the test passes, otherwise its output."""
    try:
        r = subprocess.run([interpreter, "-X", "heapsize=256m", "harness.py", module, name], cwd=HERE,
                           capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
                           errors="replace")
    except subprocess.TimeoutExpired:
        return f"no end after {seconds} s"
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


def listed(tree, name):
    """The list of that name in a file, or nothing."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    return []


def firmware_tests(gil=False):
    """(module, function, whether stock is wrong): those of a port with a GIL, or of one without"""
    version = stock_version()
    for file in sorted(os.listdir(HERE)):
        if not re.fullmatch(r"test_\w+\.py", file):
            continue
        with open(f"{HERE}/{file}") as f:
            tree = ast.parse(f.read())
        wrong = listed(tree, "STOCK_IS_WRONG")
        wrong = {w if isinstance(w, str) else w[0]: (99,) if isinstance(w, str) else w[1] for w in wrong}
        needs_a_gil = listed(tree, "NEEDS_A_GIL")
        names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
        unknown = {*wrong, *needs_a_gil} - set(names)
        assert not unknown, f"{file}: there is no {unknown}"
        for name in names:
            if gil or name not in needs_a_gil:
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
    """Runs a firmware test; returns a note, or raises its failure."""
    error = firmware(OURS, module, name)
    assert not error, error
    if not stock_is_wrong or not os.path.exists(STOCK):
        return ""
    stock = firmware(STOCK, module, name, STOCK_SECONDS)
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


def outcome(module, name, test):
    """ok, skip or FAIL, which it prints, too."""
    begun = time.monotonic()
    try:
        note, word = test(), "ok  "
    except Skip as e:
        note, word = str(e), "skip"
    except Exception as e:
        note, word = f"{type(e).__name__}: {e}", "FAIL"
    took = time.monotonic() - begun
    sys.stdout.write(f"{word} {module}.{name} ({took:.1f} s)" + (f": {note}" if note else "") + "\n")
    sys.stdout.flush()
    return word


def main():
    prepare()
    chosen = [t for t in everything()
              if not sys.argv[1:] or any(re.search(c, f"{t[0]}.{t[1]}") for c in sys.argv[1:])]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        series = pool.submit(lambda: [outcome(*t) for t in chosen if t[0] in IN_TURN])
        words = list(pool.map(lambda t: outcome(*t), [t for t in chosen if t[0] not in IN_TURN]))
        words += series.result()
    passed, failed, skipped = (words.count(w) for w in ("ok  ", "FAIL", "skip"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules["__main__"]
    sys.exit(main())
