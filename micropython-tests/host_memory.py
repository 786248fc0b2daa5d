"""Little memory: in a heap of its own, so that it is soon full."""

import subprocess

from run import HERE, OURS

PROGRAM = """
import sys; sys.path.insert(0, %r)
import gc, socket
from support import address, listener, pair


def filled(left):  # What leaves about that many bytes of the heap in one piece.
    gc.collect()
    spare, kept = bytearray(left), None
    for size in (1 << 18, 512, 256, 128, 64):  # A refusal leaves garbage behind: the exception.
        gc.disable()
        while size >= 16:
            try:
                kept = (kept, bytearray(size))
            except MemoryError:
                size //= 2
        gc.enable()
        gc.collect()
    spare = None
    gc.collect()
    gc.disable()
    return kept


refused = 0


def with_little_memory(call, more):  # Calls it with ever more memory, until it has enough for `more` calls; what it gave when it had.
    global refused
    results, left = [], 0
    while len(results) < more:
        kept = filled(left)
        try:
            results.append(call())
        except MemoryError:
            refused += 1
            left += 16
            assert left < 20000
        kept = None
        gc.enable()
    return results


def nothing_is_lost():
    a, b = pair()
    for s in (a, b):
        s.settimeout(60)
    data = bytes(range(200)) * 5
    b.write(data * 3 + data[:100] * 3)
    assert with_little_memory(lambda: a.recv(1000), 3) == [data] * 3
    assert with_little_memory(lambda: a.recv(100), 3) == [data[:100]] * 3
    b.write(data * 4)
    assert with_little_memory(lambda: a.recv(2000), 1) == [data * 2]
    assert a.recv(4000) == data * 2
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(address())
    u.settimeout(60)
    to = u.getsockname()
    u.sendto(b"datagram", to)
    assert with_little_memory(lambda: u.recvfrom(100), 1) == [(b"datagram", to)]
    u.sendto(b"datagram", to)
    assert with_little_memory(lambda: u.recvfrom_into(bytearray(8)), 1) == [(8, to)]
    l, port = listener()
    l.settimeout(60)
    c = socket.socket()
    c.connect(address("127.0.0.1", port))
    ((conn, peer),) = with_little_memory(l.accept, 1)
    assert peer == c.getsockname()
    c.write(b"here")
    assert conn.recv(4) == b"here"
    for s in (a, b, u, l, c, conn):
        s.close()


nothing_is_lost()
assert refused > 10, refused
print("done")
"""


def test_no_byte_and_no_connection_is_lost_for_lack_of_memory():
    r = subprocess.run([OURS, "-X", "heapsize=400k", "-c", PROGRAM % HERE], capture_output=True, text=True, timeout=150,
                       stdin=subprocess.DEVNULL)
    assert r.stdout == "done\n", r.stdout + r.stderr
