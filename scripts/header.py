#!/usr/bin/env python3
"""Reads usocket.h: `functions` lists them for the C tests, `lint` checks their documentation."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADER = os.path.join(ROOT, "include/usocket.h")
# The lines of every function's comment, in this order.
MUST_SAY = ["Returns", "Errors", "Blocks", "Threads", "Ownership"]
# A relative clause as the subject of a sentence is hard to read: "What is left is sent".
RIDDLE = re.compile(r"(?:^|[.:;] )((?:What|Who|Whoever|Whatever|Which|That which|Those that) [^.;]*)")


def functions():
    """(name, its comment, its declaration) of every function in the header."""
    with open(HEADER) as f:
        text = f.read()
    # A run of comment lines, followed by a declaration up to its semicolon.
    found = re.finditer(r"((?:^//.*\n)*)^(?!//|#|typedef|extern)([\w][^;{}#]*\)\s*;)", text, re.M)
    for comment, declaration in (m.groups() for m in found):
        yield re.search(r"(\w+)\s*\(", declaration)[1], comment, " ".join(declaration.split())


def paragraphs():
    """The text of each paragraph of the header's comments."""
    with open(HEADER) as f:
        lines = [re.match(r"\s*(?://|/?\*)\s?(.*)", line) for line in f]
    text = "\n".join(m[1].strip() if m else "" for m in lines)
    for paragraph in re.split(r"\n\n+|\n(?=(?:%s):)" % "|".join(MUST_SAY), text):
        yield " ".join(paragraph.split())


def lint():
    """A sentence for each fault in the comments."""
    for paragraph in paragraphs():
        for sentence in RIDDLE.findall(paragraph):
            yield f"begins with a relative clause: {sentence}"
    for name, comment, declaration in functions():
        said = re.findall(r"^// (%s): \S" % "|".join(MUST_SAY), comment, re.M)
        if said != MUST_SAY:
            yield f"{name}: says {said}, must say {MUST_SAY} in this order"
        if not re.match(r"// [A-Z]", comment):
            yield f"{name}: does not begin with what it does"
        for unit in re.findall(r"\bint64_t (\w*timeout\w*)", declaration):
            if "microsecond" not in comment:
                yield f"{name}: does not give the unit of {unit}"


def main():
    if sys.argv[1:] == ["functions"]:
        for name, _, _ in functions():
            print(f"FUNCTION({name})")
        return 0
    faults = list(lint())
    print("\n".join(faults) or "every function says " + ", ".join(MUST_SAY))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
