#!/usr/bin/env python3
"""Runs the scenario under faults and lists the findings by their place in our source.

places.py calls|memory|memory-from [STEP...]
"""

import collections
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIBRARY = os.environ.get("STRESS_LIBRARY", f"{ROOT}/target/release/libusocket.so")


def places(addresses):
    """address -> the innermost line of ours, or the innermost at all"""
    if not addresses:
        return {}
    # One less: the call, not what it returns to.
    asked = "\n".join(hex(int(a, 16) - 1) for a in addresses)
    out = subprocess.run(["addr2line", "-e", LIBRARY, "-a", "-i"], input=asked, text=True, stdout=subprocess.PIPE).stdout
    found, at = {}, None
    for line in out.splitlines():
        if line.startswith("0x"):
            at = f"{int(line, 16) + 1:x}"
            found[at] = []
        else:
            found[at].append(line.split(" (")[0])
    return found


def ours(frames, found):
    lines = [line for f in frames for line in found.get(f, [])]
    for line in lines:
        if line.startswith(f"{ROOT}/src/") or re.match(r"src/", line):
            crate = next((m[1] for m in (re.search(r"/registry/src/[^/]*/([\w-]+?)-\d", x) for x in lines[: lines.index(line)]) if m), "")
            return line.replace(f"{ROOT}/", "") + (f" (in {crate})" if crate else "")
    return lines[0] if lines else "?"


def main():
    environment = dict(os.environ, LD_PRELOAD=f"{ROOT}/target/stress/faults.so")
    process = subprocess.Popen(
        [f"{ROOT}/target/stress/scenario", *sys.argv[1:]], env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    broken, tail = [], []
    for line in process.stdout:
        if line.startswith("BROKEN"):
            what, _, frames = line.rstrip("\n").rpartition(" |")
            broken.append((what or line.strip(), frames.split()))
        else:
            tail.append(line)
    found = places(sorted({f for _, frames in broken for f in frames}))
    groups = collections.defaultdict(list)
    for what, frames in broken:
        outcome = what.split(": ", 2)[-1].rsplit(": ", 1)[-1][:90]
        call = re.search(r"\((\w+)\), error (-?\d+)", what)
        groups[(ours(frames, found), re.sub(r"\d{4,}", "N", outcome))].append((what, call[1] if call else ""))
    for (place, outcome), all_of in sorted(groups.items(), key=lambda g: -len(g[1])):
        print(f"BROKEN {sys.argv[1]}: {place}: {outcome} ({len(all_of)} times; {all_of[0][0][7:]})")
    print("".join(tail), end="")
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
