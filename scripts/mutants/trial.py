"""Tests as programs: what each reaches, and which of them notices a fault."""

import concurrent.futures
import os
import subprocess
import tempfile
import threading
import time

from score import ROOT, equivalents, without_place

SIZE = 1 << 16
AT_ONCE = 4


class Test:
    """One test, or some in one process: run(environment) is its exit code, or None when it does not end."""

    def __init__(self, name, command, rank, cwd=ROOT, env=None):
        self.name, self.command, self.rank, self.cwd, self.env = name, command, rank, cwd, env or {}
        self.took, self.reaches = 0.0, set()

    def run(self, limit, **env):
        process = subprocess.Popen(self.command, cwd=self.cwd, env={**os.environ, **self.env, **env},
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        end = time.monotonic() + limit
        # Not waited for before its group is ended: its number is its own until then.
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            if time.monotonic() > end:
                os.killpg(process.pid, 9)
                process.wait()
                return None
            time.sleep(0.05)
        os.killpg(process.pid, 9)
        return process.wait()


def look(test, folder):
    """What a test reaches without a fault. One that fails so is not asked."""
    path = f"{folder}/{test.name.replace('/', '.')}"
    with open(path, "wb") as f:
        f.truncate(SIZE)
    began = time.monotonic()
    code = test.run(300, USOCKET_FAULTS_REACHED=path)
    test.took = time.monotonic() - began
    if code != 0:
        print("fails without a fault:", test.name, flush=True)
        return
    with open(path, "rb") as f:
        test.reaches = {n for n, byte in enumerate(f.read()) if byte}
    os.unlink(path)


def together(some):
    """Unit tests in processes of a dozen."""
    units = [t for t in some if t.rank == 0]
    for i in range(0, len(units), 12):
        part = units[i:i + 12]
        made = Test(", ".join(t.name for t in part), [part[0].command[0], "--exact", *(t.name for t in part)], 0, part[0].cwd)
        made.took = sum(t.took for t in part)
        yield made
    yield from (t for t in some if t.rank)


def judge(number, everything):
    """caught and by what, or missed."""
    some = sorted((t for t in everything if number in t.reaches), key=lambda t: (t.rank, t.took))
    for test in together(some):
        limit = 30 + 5 * test.took
        code = test.run(limit, USOCKET_FAULT=str(number))
        # Twice, because a test may fail for a reason of its own.
        if code is None or (code != 0 and test.run(limit, USOCKET_FAULT=str(number)) != 0):
            return "caught", test.name[:100]
    return "missed", f"{len(some)} tests reach it" if some else "no test reaches it"


def everything(tests, inside, results, minutes=1e9):
    """Looks at the tests, then judges each of {number: name}."""
    end, lock, same = time.monotonic() + 60 * minutes, threading.Lock(), equivalents()

    def one(number):
        name = inside[number]
        if time.monotonic() > end:
            return
        outcome = ("missed", "equivalent") if without_place(name) in same else judge(number, tests)
        with lock:
            results.take(name, *outcome)

    with tempfile.TemporaryDirectory() as reached, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda t: look(t, reached), tests))
        print(f"{sum(bool(t.reaches) for t in tests)} of {len(tests)} tests reach any", flush=True)
        list(pool.map(one, inside))
