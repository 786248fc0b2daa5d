#!/usr/bin/env python3
"""Generates the Python modules made from include/usocket.h: _prototypes.py with the ctypes signature of
each function, _numbers.py with the numbers of the ABI (except TLS errors, which have their own table).

With --check it writes nothing, and fails when a file is stale.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "include" / "usocket.h"
PACKAGE = ROOT / "python" / "usocket"

TYPES = {
    "int16_t": "c_int16",
    "int32_t": "c_int32",
    "uint32_t": "c_uint32",
    "int64_t": "c_int64",
    "uint64_t": "c_uint64",
    "size_t": "c_size_t",
}

TOP = '''"""Made by scripts/prototypes.py from include/usocket.h: result and arguments of each function."""

from ctypes import {names}

PROTOTYPES = {{
'''

NUMBERS = '''"""Made by scripts/prototypes.py from include/usocket.h: its numbers, without their USOCKET_."""

'''


def functions(header):
    """(name, result, arguments) of each function, with ctypes' types."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", header, flags=re.DOTALL)
    code = re.sub(r"^#.*(?:\\\n.*)*$", "", code, flags=re.MULTILINE)
    # A function pointer is a pointer, also as a named type.
    code = re.sub(r"\w+ \(\*(\w+)\)\([^()]*\)", r"void *\1", code)
    types = dict(TYPES)
    for target, star, name in re.findall(r"typedef (\w+) (\*?)(\w+);", code):
        types[name] = "c_void_p" if star else types[target]
    for result, name, arguments in re.findall(r"([\w \*]+?)\b(usocket_\w+)\(([^()]*)\);", code):
        takes = [a for a in arguments.split(",") if a.strip() not in ("", "void")]
        yield name, ctype(types, result), [ctype(types, a) for a in takes]


def ctype(types, declaration):
    """A declaration, with or without a name, as a ctypes type."""
    if "*" in declaration:
        # Only input text ends at a NUL; output has a length.
        text = re.search(r"const char \*(?!\*)", declaration)
        return "c_char_p" if text else "c_void_p"
    return next(types[w] for w in re.findall(r"\w+", declaration) if w in types)


def module(header):
    """The text of the module."""
    lines, used = [], set()
    for name, result, arguments in functions(header):
        used.update([result, *arguments])
        lines.append(f'    "{name}": ({result}, [{", ".join(arguments)}]),\n')
    return TOP.format(names=", ".join(sorted(used))) + "".join(lines) + "}\n"


def numbers(header):
    """The text of the module of numbers."""
    found = re.findall(r"^#define USOCKET_(\w+) (-?\d+)$", header, re.MULTILINE)
    lines = [f"{name} = {value}\n" for name, value in found if not name.startswith("ETLS_")]
    return NUMBERS + "".join(lines)


def main():
    header = HEADER.read_text()
    for name, text in (("_prototypes.py", module(header)), ("_numbers.py", numbers(header))):
        out = PACKAGE / name
        if sys.argv[1:] != ["--check"]:
            out.write_text(text)
        elif not out.exists() or out.read_text() != text:
            sys.exit(f"{out.relative_to(ROOT)} is stale: scripts/prototypes.py writes it")


if __name__ == "__main__":
    main()
