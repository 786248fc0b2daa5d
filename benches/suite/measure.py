"""Measuring: programs that take turns, system calls and instructions counted, rows of results."""

import os
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "target" / "bench"

# Seconds after which an unsettled comparison is left as it is; its spread tells.
BUDGET = float(os.environ.get("BENCH_BUDGET", 15))


class Missing(Exception):
    """A row cannot run here: the text says what is missing."""


@dataclass
class Row:
    """One comparison. `ratio` is above 1 where ours is better; it meets the goal at `goal`."""

    host: str
    row: str
    peer: str
    ratio: float | None
    goal: float | None
    spread: float | None
    value: float | None
    unit: str
    peer_value: float | None = None
    note: str = ""
    commit: str = field(default="")

    def met(self):
        return None if self.goal is None or self.ratio is None else self.ratio >= self.goal

    def as_json(self):
        return {k: significant(v) for k, v in asdict(self).items()}


def significant(v):
    return float(f"{v:.4g}") if isinstance(v, float) else v


def at_most(host, row, value, limit, unit, note=""):
    """A row whose peer is a limit: the ratio is how often the value fits into it."""
    ratio = limit / value if value > 0 else float(limit + 1)
    return Row(host, row, f"limit of {limit:g} {unit}", ratio, 1.0, None, value, unit, limit, note)


class Program:
    """A bench program that stands ready (see bench.h)."""

    def __init__(self, argv, env=None):
        self.argv = [str(a) for a in argv]
        self.process = subprocess.Popen(
            prioritised(self.argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})})
        self.answer("ready")

    def answer(self, expected=None):
        line = self.process.stdout.readline().strip()
        if not line or (expected and line != expected):
            raise RuntimeError(f"{' '.join(self.argv)}: ended, status {self.process.wait()}")
        return line

    def run(self, n):
        """Seconds that `n` operations take."""
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        return int(self.answer()) / 1e9

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def prioritised(argv):
    """Ahead of what else runs on the machine, where that is allowed; the same for every side."""
    return ["nice", "-n", "-15", *argv] if os.geteuid() == 0 else argv


def interleave(commands, slice_s=0.03, rounds=10, launches=(4, 12), settled=0.003, budget_s=BUDGET):
    """Seconds per operation of each command (see `started`), turn by turn.

    New processes for each launch (the layout of a process is luck), in each round every program
    once, the order reversed from round to round. All run the same number of operations, as many as
    the slowest does in a slice. It ends when the ratios have settled, at the latest after the
    second number of `launches` or, once the first is reached, when the budget is spent.
    """
    start = time.monotonic()
    samples = {name: [] for name in commands}
    for launch in range(launches[1]):
        spent = time.monotonic() - start > budget_s
        if launch >= launches[0] and (spent or uncertainty(samples) < settled):
            break
        programs = {}
        try:
            for name, command in commands.items():
                programs[name] = started(command)
            n = min(calibrate(p, slice_s) for p in programs.values())
            for p in programs.values():
                p.run(max(1, n // 4))
            order = list(programs)
            for _ in range(rounds):
                for name in order:
                    samples[name].append(programs[name].run(n) / n)
                order.reverse()
        finally:
            for p in programs.values():
                p.close()
    return samples


def started(command):
    """A command is an argv, (argv, environment), or a function that starts a Program."""
    if callable(command):
        return command()
    return Program(*command) if isinstance(command, tuple) else Program(command)


def uncertainty(samples):
    """About one standard error of the median ratio of any peer to the first program."""
    first, *rest = samples.values()
    return max((ratio_and_spread(first, s)[1] * 1.86 / len(s) ** 0.5 for s in rest), default=0)


def calibrate(program, slice_s):
    n = 1
    while (took := program.run(n)) < slice_s:
        n = max(n + 1, min(n * 8, int(n * slice_s / max(took, 1e-9)) + 1))
    return n


def ratio_and_spread(better, worse):
    """Ratio of the medians of worse to better, and half the interquartile range of the pairs'."""
    pairs = sorted(w / b for b, w in zip(better, worse))
    low, _, high = statistics.quantiles(pairs, n=4)
    return statistics.median(worse) / statistics.median(better), (high - low) / 2


def compare(host, row, ours, peers, unit, per_op=1.0, goals=None, note="", **timing):
    """Rows of our command against each of the peers', by time.

    The value is in units per second when `unit` ends with "/s" (`per_op` units an operation),
    otherwise per operation (seconds times `per_op`).
    """
    samples = interleave({"ours": ours, **peers}, **timing)

    def absolute(seconds):
        m = statistics.median(seconds)
        return per_op / m if unit.endswith("/s") else per_op * m

    for peer in peers:
        ratio, spread = ratio_and_spread(samples["ours"], samples[peer])
        yield Row(host, row, peer, ratio, (goals or {}).get(peer), spread,
                  absolute(samples["ours"]), unit, absolute(samples[peer]), note)


def run_once(argv, n):
    """Runs a program on one command, its output thrown away."""
    done = subprocess.run([str(a) for a in argv], input=f"{n}\n", text=True, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{argv}: status {done.returncode}: {done.stderr.strip()[-400:]}")
    return done


def per_operation(count, short, long):
    """The cost of one operation: start-up and clean-up are in both lengths and cancel out."""
    a, b = count(short), count(long)
    return {k: (b.get(k, 0) - a.get(k, 0)) / (long - short) for k in sorted({*a, *b})}


def system_calls(argv, short=200, long=1200):
    """System calls per operation, by name, children included."""

    def count(n):
        with tempfile.NamedTemporaryFile(mode="r") as log:
            run_once(["strace", "-f", "-c", "-U", "calls,name", "-o", log.name, *argv], n)
            found = re.findall(r"^\s*(\d+)\s+(\w+)\s*$", log.read(), re.M)
        return {name: int(calls) for calls, name in found if name != "total"}

    return {k: v for k, v in per_operation(count, short, long).items() if abs(v) >= 0.01}


def instructions(argv, short=500, long=2500):
    """Instructions per operation in user space, by callgrind."""

    def count(n):
        with tempfile.TemporaryDirectory() as tmp:
            out = Path(tmp) / "out"
            run_once(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *argv], n)
            return {"ir": int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])}

    return per_operation(count, short, long)["ir"]
