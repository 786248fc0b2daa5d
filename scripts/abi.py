#!/usr/bin/env python3
"""Prints what programs rely on in the built library: symbols, signatures, constants, layouts.

The signatures are the header's, which is all that a program is compiled against, and the layouts what a
C compiler makes of it. abidiff (libabigail) has nothing to add: it takes types from debug information,
of which the library has lines alone, and compares the symbols that are here already.
"""

import os
import re
import subprocess

import header

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def exported(library):
    """The symbols a shared library gives to programs."""
    nm = ["nm", "-D", "--defined-only", library]
    lines = subprocess.run(nm, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(line.split()[-1] for line in lines)


def soname(library):
    """The name under which the loader looks for a shared library."""
    dynamic = subprocess.run(["objdump", "-p", library], capture_output=True, text=True, check=True)
    return re.search(r"SONAME\s+(\S+)", dynamic.stdout)[1]


def constants():
    """The numbers the header defines."""
    with open(os.path.join(ROOT, "include/usocket.h")) as f:
        return sorted(re.findall(r"^#define (USOCKET_\w+) (-?\w+)$", f.read(), re.M))


def describe(root=ROOT):
    library = os.path.join(root, "target/release/libusocket.so")
    layout = os.path.join(root, "target/c-tests/tool_layout")
    yield "soname " + soname(library)
    yield from ("symbol " + name for name in exported(library))
    yield from sorted(f"function {declaration}" for _, _, declaration in header.functions())
    yield from (f"constant {name} {value}" for name, value in constants())
    yield from subprocess.run([layout], capture_output=True, text=True, check=True).stdout.splitlines()


if __name__ == "__main__":
    print("\n".join(describe()))
