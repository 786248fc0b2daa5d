"""Waiting for a thread to block. Also for the programs that tests run."""

import time


def until_asleep(thread):
    """Waits until a thread, by its native_id, is in a system call that waits, and has been for three looks."""
    seen, end = 0, time.monotonic() + 60
    while seen < 3:
        assert time.monotonic() < end, "it never blocks"
        with open(f"/proc/self/task/{thread}/stat") as f:
            seen = seen + 1 if f.read().rpartition(") ")[2].startswith("S") else 0
        time.sleep(0.005)
