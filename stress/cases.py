"""A table of cases in Python, each run in a process of its own with a deadline, as stress.c has it."""

import os
import random
import signal
import subprocess
import sys
import time
import traceback

CASES = {}


class Broken(Exception):
    pass


class Skip(Exception):
    pass


def case(name, seconds=40, **arguments):
    """Registers a function under a name, with these arguments; may be stacked."""

    def register(function):
        CASES[name] = (function, seconds, arguments)
        return function

    return register


def holds(condition, words):
    if not condition:
        raise Broken(words)


class within:
    """A time limit for the code inside (a call that never returns ends with the process)."""

    def __init__(self, seconds, what):
        self.seconds, self.what = seconds, what

    def __enter__(self):
        self.began = time.monotonic()

    def __exit__(self, kind, *_):
        took = time.monotonic() - self.began
        if kind is None and took > self.seconds:
            raise Broken(f"{self.what} took {took:.1f} s")


def run_one(name):
    function, seconds, arguments = CASES[name]
    code = 0
    try:
        function(**arguments)
    except Skip as e:
        print(e)
        code = 77
    except (Broken, AssertionError) as e:
        where = traceback.extract_tb(e.__traceback__)[-1].lineno if isinstance(e, AssertionError) else ""
        print(f"{where} {e}".strip())
        code = 1
    except Exception as e:
        traceback.print_exc(file=sys.stdout)
        print(f"{type(e).__name__}: {e}")
        code = 1
    sys.stdout.flush()
    os._exit(code)


def main(file):
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        run_one(sys.argv[2])
    wanted = sys.argv[1:]
    share = int(os.environ.get("STRESS_SHARE", 100))
    seed = int(os.environ.get("STRESS_SEED") or time.time_ns())
    some = random.Random(seed)
    print(f"seed {seed}", file=sys.stderr)
    counts = {"held": 0, "BROKEN": 0, "skipped": 0}
    for name, (_, seconds, _) in CASES.items():
        if wanted and not any(w in name for w in wanted):
            continue
        if not wanted and some.randrange(100) >= share:
            continue
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, os.path.abspath(file), "--one", name], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )
        try:
            text, _ = process.communicate(timeout=seconds)
            code = process.returncode
        except subprocess.TimeoutExpired:
            code = None
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if code is None:
            text, _ = process.communicate()
            text = f"did not end within {seconds} s {text}"
        elif code < 0:
            text = f"died of signal {-code} {text}"
        what = {0: "held", 77: "skipped"}.get(code, "BROKEN")
        counts[what] += 1
        words = "|".join(text.split("\n"))[-700:].strip("| ")
        tail = f" ({time.monotonic() - began:.1f} s)" if what == "held" else f": {words}"
        print(f"{what} {name}{tail}", flush=True)
    print(f"{counts['held']} passed, {counts['BROKEN']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["BROKEN"] else 0)
