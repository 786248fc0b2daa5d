#!/usr/bin/env python3
"""The tests on the firmware, built with AddressSanitizer and UBSan: `make stress` runs it.

A finding of ASan fails a test, and so does one of UBSan in our files. (The heap is one piece of memory to
ASan: this is about the stack, and what the library is given and gives. MicroPython's own files have
findings of UBSan of their own.) The last line counts. Regular expressions on the command line choose among
the tests.
"""

import os
import re
import subprocess
import sys

import run

PROGRAM = f"{run.HOME}/micropython-sanitized"
SECONDS = 180
# Memory use means nothing here: ASan keeps freed memory, and the collector takes the words that it leaves
# between a frame's variables for references.
NOT_HERE = {"test_a_failed_handshakes_session_goes_at_once"}
OURS = re.compile(r"^.*micropython/usocket/.*runtime error:.*$", re.M)


def wrong_with(module, name):
    """The failures of a test and the sanitizers; empty if there are none."""
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0")
    try:
        r = subprocess.run([PROGRAM, "-X", "heapsize=256m", "harness.py", module, name], cwd=run.HERE, capture_output=True,
                           text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, errors="replace", env=env)
    except subprocess.TimeoutExpired:
        return [f"no end after {SECONDS} s"]
    said = sorted(set(OURS.findall(r.stderr)))
    if "ERROR: AddressSanitizer" in r.stderr:
        said.append(r.stderr[r.stderr.index("ERROR: AddressSanitizer"):][:1500])
    elif r.returncode or not r.stdout.endswith("done\n"):
        said.append(((r.stdout + r.stderr).strip().splitlines() or [f"exit {r.returncode}"])[-1])
    return said


def resets_leave(times=100):
    """The failures after this many soft resets of a program that leaves everything open; empty if there are
    none."""
    env = dict(os.environ, AGAIN=str(times), ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0")
    try:
        r = subprocess.run([PROGRAM, "-X", "heapsize=2m", "reset_program.py"], cwd=run.HERE, capture_output=True, text=True,
                           timeout=SECONDS, stdin=subprocess.DEVNULL, errors="replace", env=env)
    except subprocess.TimeoutExpired:
        return f"no end after {SECONDS} s"
    began = [int(line.split()[-1]) for line in r.stdout.splitlines() if line.startswith("began with")]
    if r.returncode or len(began) != times:
        return f"exit {r.returncode} in run {len(began)}: {r.stderr[-1500:]}"
    # The library's own permanent descriptors exist from the first run on.
    return "" if began[-1] <= began[1] else f"{began[1]} descriptors in the second run, {began[-1]} in the last"


def main():
    built = subprocess.run([f"{run.TOP}/scripts/micropython-build", "sanitized"], capture_output=True, text=True)
    if built.returncode:
        print(built.stderr)
        print("BROKEN the firmware does not build with the sanitizers")
        print("0 passed, 1 failed, 0 skipped")
        return 1
    run.prepare()
    passed = failed = 0
    for module, name, _ in run.firmware_tests():
        if sys.argv[1:] and not any(re.search(c, f"{module}.{name}") for c in sys.argv[1:]):
            continue
        if name in NOT_HERE:
            continue
        said = wrong_with(module, name)
        passed += not said
        failed += bool(said)
        if said:
            print(f"BROKEN {module}.{name}: {' | '.join(said)}", flush=True)
    if not sys.argv[1:]:
        said = resets_leave()
        passed += not said
        failed += bool(said)
        if said:
            print(f"BROKEN soft reset: {said}", flush=True)
    print(f"tried {passed + failed} tests of the firmware")
    print(f"{passed} passed, {failed} failed, {len(NOT_HERE)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
