"""The cost of polling: system calls, counted from outside."""

import collections
import re
import shutil
import subprocess
import tempfile

from run import HERE, OURS, Skip


def calls(script):
    """The system calls of a script: [(name, line)], between mark("begin") and mark("end")."""
    if not shutil.which("strace"):
        raise Skip("strace is missing (Debian: apt-get install strace)")
    with tempfile.NamedTemporaryFile("r", errors="replace") as log:
        r = subprocess.run(["strace", "-f", "-o", log.name, OURS, "-X", "heapsize=64m", "-c",
                            f"import sys; sys.path.insert(0, {HERE!r})\n"
                            f"def mark(word): sys.stdout.write(word + '\\n')\n{script}"],
                           capture_output=True, text=True, timeout=60)
        assert r.returncode == 0 and r.stdout == "begin\nend\n", r.stdout + r.stderr
        seen = log.read()
    lines = seen[seen.index('"begin') : seen.index('"end')].splitlines()[1:-1]
    return [(m[1], m[0]) for line in lines if (m := re.search(r"^\d+ +(\w+)\(.*", line))]


def counted(script):
    return collections.Counter(name for name, _ in calls(script))


def test_a_wait_with_a_thousand_sockets_is_one_call():
    made = calls("""
import select, socket
p = select.poll()
from support import allowed
crowd = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(allowed(1000))]
for s in crowd:
    p.register(s, select.POLLIN)
mark("begin")
for _ in range(100):
    p.poll(0)
mark("end")
""")
    assert len(made) == 100 and all(name.startswith("epoll_") for name, _ in made), collections.Counter(made)


def test_a_wait_with_a_few_sockets_needs_nothing_set_up():
    made = counted("""
import select, socket
crowd = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(16)]
mark("begin")
p = select.poll()
for s in crowd:
    p.register(s, select.POLLIN)
p.poll(0)
mark("end")
""")
    assert made == {"ppoll": 1}, made


ECHO = """
import asyncio
from test_asyncio import echo, serve
async def main():
    server, port = await serve(echo)
    others = []
    for _ in range(%d):
        others.append(await asyncio.open_connection("127.0.0.1", port))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async def round_trips(n):
        for _ in range(n):
            writer.write(bytes(64)); await writer.drain()
            assert len(await reader.readexactly(64)) == 64
    await round_trips(5)
    mark("begin")
    await round_trips(100)
    mark("end")
asyncio.run(main())
"""


def test_asyncio_changes_no_registration_for_a_wait():
    """An echo in one process, with two others connected and with fifty: two sends, four waits, and three receives,
    for the server asks for more than comes."""
    for others in (2, 50):
        made = counted(ECHO % others)
        waits = made.pop("ppoll", 0) + made.pop("epoll_pwait2", 0) + made.pop("epoll_wait", 0)
        assert waits == 400 and made == {"sendto": 200, "recvfrom": 300}, (waits, made)
