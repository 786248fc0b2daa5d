#!/usr/bin/env python3
"""Checks that the tools find defects: puts back earlier defects, one at a time and one line each, and
prints which tool finds it and after what time.

defects.py [NAME ...]     works on a copy of the checkout in target/defects; writes stress/defects.json

A defect that no tool finds is a fault of the tools. The table is part of docs/reliability.md.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import run

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TREE = os.path.join(ROOT, "target/defects")
LONGEST = 600

# name: (the defect, file, the present text, its replacement, the tool)
DEFECTS = {
    "filter": (
        "`usocket_poller_wait` fails for ever under a filter that answers EPERM",
        "src/sys/mod.rs", "Some(libc::ENOSYS | libc::EPERM | libc::EACCES)", "Some(libc::ENOSYS)", "core"),
    "length": (
        "a receive with MSG_TRUNC returns the datagram's length, beyond the size of the buffer",
        "src/socket/transfer.rs", "if buf.is_empty() { n } else { n.min(buf.len()) }", "{ let _ = buf; n }", "core"),
    "success": (
        "a failed connect returns success if another thread has read SO_ERROR first",
        "src/socket.rs", "let doubtful = interrupted || seen", "let doubtful = interrupted && seen", "core"),
    "fork": (
        "a fork does not wait for the threads that hold the library's locks",
        "src/sys/fork/gate.rs", "if seen <= mine || left.is_zero() {", "if seen <= mine || !left.is_zero() {", "fork"),
    "flood": (
        "records without data are accepted without limit",
        "src/tls/engine/handshake.rs", "if self.barren > MOST_BARREN {", "if self.barren > MOST_BARREN << 40 {", "forged"),
    "session": (
        "a session verified for one name is resumed for another",
        "src/tls/session/facts.rs",
        "ours.is_some_and(|(store, name)| ticket.is_for(store, name))", "ours.is_some()", "tls"),
    "list": (
        "a revocation list that was added is ignored",
        "src/tls/verify/mod.rs", "map(List::parsed).collect();", "map(List::parsed).take(0).collect();", "trust"),
}


def copy():
    """The checkout as it is, beside what was built from it: the copy's own target stays from run to run."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        source, to = os.path.join(ROOT, name), os.path.join(TREE, name)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        if not os.path.exists(to) or open(source, "rb").read() != open(to, "rb").read():
            shutil.copyfile(source, to)
            shutil.copymode(source, to)
    os.makedirs(f"{TREE}/target", exist_ok=True)
    for name in ("venv", "certs"):
        if not os.path.exists(f"{TREE}/target/{name}"):
            os.symlink(f"../../{name}", f"{TREE}/target/{name}")


def build():
    quick = {f"CARGO_PROFILE_RELEASE_{k}": v for k, v in
             (("LTO", "off"), ("CODEGEN_UNITS", "16"), ("OPT_LEVEL", "1"), ("INCREMENTAL", "true"))}
    subprocess.run(["make", "-s", "stress-programs"], cwd=TREE, check=True, env=dict(os.environ, **quick),
                   stdout=subprocess.DEVNULL)


def look(tool):
    """The first finding of the tool and when it came, or None."""
    command = next(t[1] for t in run.tools(False, "target/stress") if t[0] == tool)
    began = time.monotonic()
    while time.monotonic() - began < LONGEST:
        process = subprocess.Popen(command, cwd=TREE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, errors="replace", start_new_session=True, env=dict(os.environ, STRESS_SECONDS="120"))
        with process:
            for line in process.stdout:
                if line.startswith("BROKEN"):
                    took = time.monotonic() - began
                    os.killpg(process.pid, signal.SIGKILL)
                    return line.removeprefix("BROKEN ").strip(), took
    return None


def put_back(name):
    what, file, here, instead, tool = DEFECTS[name]
    path = os.path.join(TREE, file)
    with open(path) as f:
        text = f.read()
    if text.count(here) != 1:
        sys.exit(f"{file} has {text.count(here)} places that say: {here}")
    with open(path, "w") as f:
        f.write(text.replace(here, instead))
    build()
    found = look(tool)
    shutil.copyfile(os.path.join(ROOT, file), path)
    if not found:
        print(f"not found {name}: {what}", flush=True)
        return None
    print(f"found {name} by {tool} in {found[1]:.1f} s: {found[0][:160]}", flush=True)
    return {"what": what, "tool": tool, "seconds": round(found[1], 1), "finding": found[0][:200]}


def main():
    os.chdir(ROOT)
    run.needs()
    copy()
    results = {name: put_back(name) for name in sys.argv[1:] or DEFECTS}
    found = {name: result for name, result in results.items() if result}
    path = os.path.join(HERE, "defects.json")
    kept = {}
    if os.path.exists(path):
        with open(path) as f:
            kept = json.load(f)
    with open(path, "w") as f:
        json.dump({n: r for n, r in {**kept, **found}.items() if n in DEFECTS}, f, indent=1)
        f.write("\n")
    print(f"{len(found)} passed, {len(results) - len(found)} failed, 0 skipped")
    return len(found) != len(results)


if __name__ == "__main__":
    sys.exit(main())
