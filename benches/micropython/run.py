#!/usr/bin/env python3
"""Measures the firmware against stock, in turns, and prints the ratios of the medians. With --check, exits
with 1 when one is below its minimum."""

import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HOME = os.environ.get("MICROPYTHON_HOME", os.path.join(HERE, "../../target/micropython"))
ROUNDS = int(os.environ.get("ROUNDS", "7"))
# Operation, count, size in bytes, and the minimum speed relative to stock.
BENCHES = [
    ("readline", 5000, 80, 10.0, "80-byte lines"),
    ("echo", 5000, 128, 1.0, "64-byte echo"),
    ("bulk", 3000, 65536, 1.0, "64 KiB bulk, readinto"),
    ("bulk_recv", 3000, 65536, 1.0, "64 KiB bulk, recv"),
]


def once(interpreter, name, count):
    out = subprocess.run([f"{HOME}/{interpreter}", "-X", "heapsize=64m", "bench.py", name, str(count)], cwd=HERE,
                         capture_output=True, text=True, check=True).stdout
    return int(out)


low = False
print(f"{'':24}{'ours':>14}{'stock':>14}{'ratio':>9}   promised")
for name, count, size, promised, title in BENCHES:
    ours, stock = [], []
    for _ in range(ROUNDS):
        ours.append(once("micropython", name, count))
        stock.append(once("micropython-stock", name, count))
    a, b = statistics.median(ours), statistics.median(stock)
    rate = (lambda us: f"{count * size / us:10.1f} MB/s") if size > 1000 else (lambda us: f"{1e6 * count / us:10.0f} /s ")
    # Two equal programs differ by a few per cent from one run to the next.
    low |= b / a < promised * (0.95 if promised == 1 else 1)
    print(f"{title:24}{rate(a):>14}{rate(b):>14}{b / a:8.2f}x   {promised:.0f}x", flush=True)
sys.exit(1 if low and "--check" in sys.argv else 0)
