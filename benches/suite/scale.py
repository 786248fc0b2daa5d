"""Scale: pollers, lookups and memory with many handles; two threads; waking by close."""

import functools
import statistics

from .build import program, run, sides
from .measure import OUT, ROOT, Row, at_most, compare, interleave, ratio_and_spread

HOST = "C"
MANY = [100, 1000, 15000]


def poller_wait(n):
    ours, libc = sides("poller", "wait", n)
    return compare(HOST, f"poller wait, 10 ready of {n:,}", ours, {"libc epoll": libc}, "us", 1e6)


def growth(row, exe, few, many, limit, unit, per_op):
    """The cost with many against the cost with few: the ratio says how little it grew."""
    base = {f"{few[-1]:,}": [exe, *few]}
    peer = f"itself with {few[-1]:,}"
    for r in compare(HOST, row, [exe, *many], base, unit, per_op):
        yield Row(r.host, r.row, peer, r.ratio, 1 / limit, r.spread, r.value, r.unit, r.peer_value)


def poller_growth():
    return growth("poller wait, 15,000 against 100 registered", program("poller", "usocket"),
                  ["wait", 100], ["wait", 15000], 1.5, "us", 1e6)


def lookup_growth(n):
    return growth(f"handle lookup, {n:,} open sockets", program("scale", "usocket"),
                  ["lookup", 100], ["lookup", n], 1.5, "ns", 1e9)


@functools.cache
def table():
    target = OUT / "cargo-table"
    run(["cargo", "build", "--release", "--target-dir", target], cwd=ROOT / "benches" / "table")
    return target / "release" / "bench-table"


def table_growth(n):
    """Entries in use stay in the cache, as long as there are few of them: the table's own cost."""
    return growth(f"table lookup, {n:,} entries, 64 of them in use", table(), ["hot", 100],
                  ["hot", n], 1.5, "ns", 1e9)


def table_random(n):
    """All entries in use, in a random order: what the memory costs, with any table."""
    return compare(HOST, f"table lookup, {n:,} entries, all in use", [table(), "random", n],
                   {"array, 2 atomic operations": [table(), "floor", n]}, "ns", 1e9)


def memory(n):
    value = float(run([program("scale", "usocket"), "memory", n]))
    yield at_most(HOST, f"heap per idle plain handle, {n:,} open", value, 200, "bytes")


def threads():
    ours, libc = program("scale", "usocket"), program("scale", "libc")
    samples = interleave({
        "two": [ours, "threads", 2], "one": [ours, "threads", 1],
        "libc two": [libc, "threads", 2], "libc one": [libc, "threads", 1]})
    # In the time of one operation two threads do two.
    ratio, spread = ratio_and_spread(samples["two"], samples["one"])
    bare, _ = ratio_and_spread(samples["libc two"], samples["libc one"])
    value = {k: 2 / statistics.median(samples[k]) for k in samples}
    yield Row(HOST, "2 threads on distinct sockets", "itself with 1 thread", 2 * ratio, 1.9,
              2 * spread, value["two"], "1/s", value["one"] / 2, f"libc the same way: {2 * bare:.2f}")
    ratio, spread = ratio_and_spread(samples["two"], samples["libc two"])
    yield Row(HOST, "2 threads on distinct sockets", "libc with 2 threads", ratio, None, spread,
              value["two"], "1/s", value["libc two"])


def wake():
    """In turns of 50, like everything else."""
    ours, libc = [], []
    for _ in range(10):
        for exe, into in [("usocket", ours), ("libc", libc)]:
            into += [int(x) / 1e3 for x in run([program("wake", exe), 50]).split()]
    for name, pick in [("median", statistics.median), ("maximum", max)]:
        yield Row(HOST, f"wake of a blocked recv by close, {name}", "libc shutdown+close",
                  pick(libc) / pick(ours), None, None, pick(ours), "us", pick(libc))


def cases():
    for n in MANY:
        yield HOST, f"poller wait, 10 ready of {n:,}", lambda n=n: poller_wait(n)
    yield HOST, "poller wait, 15,000 against 100 registered", poller_growth
    yield HOST, "wake of a blocked recv by close", wake
    for n in MANY[1:]:
        yield HOST, f"handle lookup, {n:,} open sockets", lambda n=n: lookup_growth(n)
    for n in (1000, 10000, 100000):
        yield HOST, f"table lookup, {n:,} entries, 64 of them in use", lambda n=n: table_growth(n)
    for n in (100, 100000):
        yield HOST, f"table lookup, {n:,} entries, all in use", lambda n=n: table_random(n)
    for n in MANY:
        yield HOST, f"heap per idle plain handle, {n:,} open", lambda n=n: memory(n)
    yield HOST, "2 threads on distinct sockets", threads
