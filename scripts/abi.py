#!/usr/bin/env python3
"""Prints the ABI of the built library: symbols, signatures, constants, layouts. With `asserts 64`, 32 or
i386 it prints a C program that compiles only with the structure layouts of such machines.

The signatures are those of the header that programs are compiled against, and the layouts those of a C
compiler. abidiff (libabigail) would add nothing: it takes types from debug information, of which the
library has only line tables, and compares the symbols that are here already.
"""

import os
import re
import subprocess
import sys

import header

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def exported(library):
    """The symbols that a shared library exports."""
    nm = ["nm", "-D", "--defined-only", library]
    lines = subprocess.run(nm, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(line.split()[-1] for line in lines)


def soname(library):
    """The soname of a shared library."""
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


# Structure layouts: abi.txt for 64 bits; abi-32.txt for 32, except for x86, which aligns 64-bit numbers
# to four bytes.
LAYOUTS = {"64": "c-tests/abi.txt", "32": "c-tests/abi-32.txt", "i386": "c-tests/abi-i386.txt"}


def asserts(path):
    """A C program that compiles only with the layouts of a file."""
    yield "#include <stddef.h>"
    yield "#include <usocket.h>"
    with open(os.path.join(ROOT, path)) as f:
        for line in f:
            words = line.split()
            if words[0] == "struct":
                within = words[1]
                yield f"_Static_assert(sizeof({within}) == {words[3]} && _Alignof({within}) == {words[5]}, \"{line.strip()}\");"
            elif line.startswith("  "):
                member, at, size = words[0], words[2], words[4]
                yield (f"_Static_assert(offsetof({within}, {member}) == {at} && sizeof((({within} *)0)->{member}) == {size}, "
                       f"\"{within}{line.rstrip()}\");")
            elif words[1:2] == ["size"]:
                yield f"_Static_assert(sizeof({words[0]}) == {words[2]}, \"{line.strip()}\");"


if __name__ == "__main__":
    if sys.argv[1:2] == ["asserts"]:
        print("\n".join(asserts(LAYOUTS[sys.argv[2]])))
    else:
        print("\n".join(describe()))
