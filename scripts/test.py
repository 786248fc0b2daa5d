#!/usr/bin/env python3
"""Runs every test suite and ends with one line of counts.

Each suite is a command; its runner's own closing lines say how many tests there were. A suite
that fails without naming a failed test, runs no test, or does not end, counts as one failure.
"""

import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# The closing lines of each runner: patterns with the numbers of passed, failed and skipped tests.
CARGO = {
    "passed": r"test result: \w+\. (\d+) passed",
    "failed": r"test result: .* (\d+) failed;",
    "skipped": r"test result: .* (\d+) ignored;",
}
CMOCKA = {
    # From 1.1.7 on with the group's name.
    "passed": r"^\[  PASSED  \] (?:\S+: )?(\d+) test",
    "failed": r"^\[  FAILED  \] (?:\S+: )?(\d+) test",
    "skipped": r"^\[  SKIPPED \] (?:\S+: )?(\d+) test",
}
PYTEST = {
    "passed": r"^=.*\b(\d+) passed",
    "failed": r"^=.*\b(\d+) (?:failed|errors?)\b",
    "skipped": r"^=.*\b(\d+) (?:skipped|xfailed)",
}
# One check that passes or fails as a whole.
CHECK = None
# Our own runners end like this one.
PLAIN = {
    "passed": r"^(\d+) passed, \d+ failed",
    "failed": r"^\d+ passed, (\d+) failed",
    "skipped": r"^\d+ passed, \d+ failed, (\d+) skipped",
}

# The Python tests of the methods that are also in C.
HOT = """socket socket_connect socket_transfer stream buffer threads signals standard asyncio ussl_modes
    ussl_end ussl_socket ussl_threads""".split()


def first():
    """The steps before the suites: (name, command, closing lines of its runner, limit in seconds)"""
    clippy = ["cargo", "clippy", "-q", "--workspace", "--all-targets", "--", "-D", "warnings"]
    yield "format", ["cargo", "fmt", "--all", "--check"], CHECK, 60
    yield "clippy", clippy, CHECK, 900
    # `make test` itself builds with TLS.
    yield "without TLS", [*clippy[:3], "--lib", "--no-default-features", *clippy[5:]], CHECK, 600
    yield "header drift", ["cargo", "run", "-q", "-p", "header", "--", "--check"], CHECK, 600
    yield "build", ["make", "-s", "build", "c-tests", "certs", "accelerator"], CHECK, 900
    # Built here, so that a later run of an example does not wait for cargo.
    yield "build of the Rust tests", ["cargo", "test", "-q", "--workspace", "--no-run"], CHECK, 900


# Lanes, run in parallel: most suites wait more than they work. Suites that depend on each other are in
# the same lane.


def rust_and_c():
    yield "Rust", ["cargo", "test", "--workspace"], CARGO, 1200
    yield "loom", ["make", "-s", "loom"], CARGO, 1200
    yield "threads", ["make", "-s", "tsan"], CARGO, 1200
    for source in sorted(glob.glob("c-tests/test_*.c")):
        program = "target/c-tests/" + os.path.basename(source)[:-2]
        yield "C " + os.path.basename(program), [program], CMOCKA, 300
    yield "other machines", ["scripts/cross-test", "--quick"], PLAIN, 900


def with_pytest():
    for folder in ["c-tests", "python-tests"]:
        yield folder, [python(), "-m", "pytest", "-ra", folder], PYTEST, 1200


def firmware():
    yield "MicroPython firmware", ["make", "-s", "micropython"], CHECK, 1200
    yield "MicroPython's own tests", ["scripts/micropython-upstream-tests"], PLAIN, 1200
    yield "newest MicroPython", ["make", "-s", "micropython-newest-test"], PLAIN, 1200
    yield "micropython-tests", [sys.executable, "micropython-tests/run.py"], PLAIN, 1200


def others():
    yield "instruction counts", ["make", "-s", "bench-counts"], PLAIN, 600
    yield "CPython's own tests", ["env", "PYTHON=" + os.path.abspath(python()), "scripts/cpython-tests", "--core"], PLAIN, 1200
    yield "stress", ["make", "-s", "stress-short"], PLAIN, 900
    # Without the accelerator.
    hot = [f"python-tests/test_{name}.py" for name in HOT]
    yield "python-tests, pure", ["env", "USOCKET_PURE=1", python(), "-m", "pytest", "-ra", *hot], PYTEST, 1200


LANES = [rust_and_c, with_pytest, firmware, others]


def python():
    """The Python with pytest, provided by scripts/tools."""
    venv = "target/venv/bin/python"
    return venv if os.path.exists(venv) else sys.executable


def run(command, limit, show):
    """Runs it, showing each line as it comes: (exit code or None when it had to be ended, text)"""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )
    ended = threading.Event()

    def end():
        ended.set()
        os.killpg(process.pid, signal.SIGKILL)

    watch = threading.Timer(limit, end)
    watch.start()
    lines = []
    for line in process.stdout:
        show(line)
        lines.append(line)
    code = process.wait()
    watch.cancel()
    return None if ended.is_set() else code, "".join(lines)


def count(runner, code, text):
    """The numbers that a suite adds to passed, failed and skipped."""
    if runner is CHECK:
        return (1, 0, 0) if code == 0 else (0, 1, 0)
    passed, failed, skipped = (
        sum(map(int, re.findall(runner[what], text, re.M)))
        for what in ("passed", "failed", "skipped")
    )
    if (code != 0 and failed == 0) or passed + failed + skipped == 0:
        failed += 1
    return passed, failed, skipped


class Tally:
    """The counts so far, and the suites that failed. Lanes share it."""

    def __init__(self):
        self.total, self.bad = [0, 0, 0], []
        self.lock = threading.Lock()

    def take(self, suites, at_once=False):
        """Runs one suite after the other, and shows its output: each line at once, or all at the end."""
        for name, command, runner, limit in suites:
            said = [f"\n--- {name}\n"]
            show_line = show if at_once else said.append
            if at_once:
                show(said.pop())
            began = time.monotonic()
            try:
                code, text = run(command, limit, show_line)
            except OSError as e:
                code, text = 127, ""
                show_line(f"{e}\n")
            if code is None:
                show_line(f"did not end within {limit} s\n")
            counts = count(runner, code, text)
            with self.lock:
                self.total = [t + c for t, c in zip(self.total, counts)]
                if counts[1]:
                    self.bad.append(name)
                show("".join(said) + f"--- {name}: {time.monotonic() - began:.1f} s\n")


def show(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def main():
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = os.path.join(ROOT, "python")
    tally = Tally()
    tally.take(first(), at_once=True)
    lanes = [threading.Thread(target=tally.take, args=(lane(),)) for lane in LANES]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    if tally.bad:
        print("\nfailed: " + ", ".join(tally.bad))
    line = "{} passed, {} failed, {} skipped".format(*tally.total)
    with open("target/test-count", "w") as f:
        print(line, file=f)
    print(line, flush=True)
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
