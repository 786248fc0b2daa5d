"""Signals while the firmware is inside a blocked call: Ctrl-C, and callbacks that a handler schedules."""

import os
import random
import shutil
import signal
import subprocess
import time

from run import HERE, OURS, Skip

# Each blocks for ever; the last line shows that the socket still works after the interruption.
BLOCKED = {
    "accept": """
l, port = listener()
block(l.accept)
c = socket.socket(); c.connect(address("127.0.0.1", port)); l.accept()
""",
    "recv": """
a, b = pair()
block(a.recv, 1)
b.send(b"x"); assert a.recv(1) == b"x"
""",
    "recv_with_timeout": """
a, b = pair()
a.settimeout(60)
block(a.recv, 1)
b.send(b"x"); assert a.recv(1) == b"x"
""",
    "read": """
a, b = pair()
block(a.read, 10)
b.send(b"0123456789"); assert a.read(10) == b"0123456789"
""",
    "readline": """
a, b = pair()
block(a.readline)
b.send(b"line\\n"); assert a.readline() == b"line\\n"
""",
    "recvfrom": """
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0))
block(u.recvfrom, 9)
u.sendto(b"x", u.getsockname()); assert u.recvfrom(9)[0] == b"x"
""",
    "tls_recv": """
a, b = tls_pair()
block(a.recv, 1)
b.send(b"x"); assert a.recv(1) == b"x"
""",
    "tls_handshake": """
from tls_support import client_context
a, b = pair()
block(lambda: client_context().wrap_socket(a, server_hostname="localhost"))
assert b.recv(1) == b"\\x16"
""",
    "poll": """
a, b = pair()
p = select.poll(); p.register(a, select.POLLIN)
block(p.poll)
b.send(b"x"); assert p.poll() == [(a, 1)]
""",
}

INTERRUPTED = """
import sys; sys.path.insert(0, %r)
from support import *
import select
def tls_pair():
    from tls_support import wrapped
    return wrapped()
def block(f, *args):
    print("ready")
    try:
        f(*args)
        print("returned")
    except KeyboardInterrupt:
        print("interrupted")
%s
print("done")
"""

SCHEDULED = """
import sys; sys.path.insert(0, %r)
from support import *
import ffi, micropython, select
def tls_pair():
    from tls_support import wrapped
    return wrapped()
libc = ffi.open("libc.so.6")
ran = []
def callback(arg):
    ran.append(arg)
    print("ran")
def handler(signum):
    micropython.schedule(callback, signum)
handler_c = ffi.callback("v", handler, "i", lock=True)
libc.func("p", "signal", "iC")(14, handler_c)
libc.func("i", "siginterrupt", "ii")(14, 1)
def block(f, *args):
    print("ready")
    try:
        f(*args)
        print("returned")
    except KeyboardInterrupt:
        print("interrupted", ran)
%s
print("done")
"""


def wait_until_asleep(pid):
    """The process is in a system call that waits, and has been for three looks."""
    seen = 0
    end = time.monotonic() + 60
    while seen < 3:
        assert time.monotonic() < end, "it never blocks"
        with open(f"/proc/{pid}/stat") as f:
            seen = seen + 1 if f.read().rsplit(")", 1)[1].split()[0] == "S" else 0
        time.sleep(0.02)


def start(script, wrap=()):
    p = subprocess.Popen([*wrap, OURS, "-X", "heapsize=128m", "-c", script], cwd=HERE, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    line = p.stdout.readline()
    assert line == "ready\n", line + p.stdout.read()
    return p


def finish(p):
    """The rest of what it prints. (Not communicate(), which forgets what readline() has buffered.)"""
    try:
        p.wait(timeout=60)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        raise AssertionError("the signal did not end it") from None
    return p.stdout.read()


def interrupted(p):
    """Presses Ctrl-C once it waits; it says so and goes on to its end."""
    wait_until_asleep(p.pid)
    p.send_signal(signal.SIGINT)
    out = finish(p)
    assert out == "interrupted\ndone\n", out


def interrupt(body):
    p = start(INTERRUPTED % (HERE, body))
    interrupted(p)


def schedule(body):
    p = start(SCHEDULED % (HERE, body))
    for _ in range(3):
        wait_until_asleep(p.pid)
        p.send_signal(signal.SIGALRM)
        line = p.stdout.readline()
        assert line == "ran\n", line + p.stdout.read()
    wait_until_asleep(p.pid)
    p.send_signal(signal.SIGINT)
    out = finish(p)
    assert out == "interrupted [14, 14, 14]\ndone\n", out


def test_ctrl_c_in_sendall():
    """A send that has sent a part ends with that part when a signal comes, not with EINTR."""
    interrupt("""
a, b = pair()
block(a.sendall, bytes(64 << 20))
assert len(b.recv(1000)) == 1000
""")


# Each blocks with a part of what it wants: nothing of that may be lost, and the next call goes on behind it. (Some of
# the parts are as much as the glue asks for at once.)
PARTS = {
    "read": ("a.read(10)", 4),
    "a_long_read": ("a.read(1 << 20)", 5000),
    "readall": ("a.read()", 4096),
    "readline": ("a.readline()", 4),
    "a_long_readline": ("a.readline()", 1024),
    "readinto": ("readinto(bytearray(10))", 4),
}


def take_a_part(call, n, first):
    p = start(INTERRUPTED % (HERE, f"""
a, b = pair()
{first}
sent = bytes(65 + i % 26 for i in range({n}))
b.send(sent)
got = []
def readinto(room):
    return bytes(room[:a.readinto(room)])
def take():
    got.append({call})
    while True:
        pass
block(take)
b.send(b"012\\n"); b.shutdown(1)
got.append({call})
assert b"".join(got) == sent + b"012\\n" and len(got) == 2, [len(g) for g in got]
"""))
    interrupted(p)


def test_ctrl_c_in_a_write_that_has_written_a_part():
    p = start(INTERRUPTED % (HERE, """
a, b = pair()
got = []
def write():
    got.append(a.write(bytes(64 << 20)))
    while True:
        pass
block(write)
assert 0 < got[0] < 64 << 20
assert len(b.read(got[0])) == got[0]
assert a.write(b"end") == 3 and b.read(3) == b"end"
"""))
    interrupted(p)


for _name, (_call, _n) in PARTS.items():
    globals()[f"test_ctrl_c_in_{_name}_that_has_a_part"] = lambda c=_call, n=_n: take_a_part(c, n, "")
    globals()[f"test_ctrl_c_in_{_name}_with_a_timeout_that_has_a_part"] = (
        lambda c=_call, n=_n: take_a_part(c, n, "a.settimeout(60)"))

for _name, _body in BLOCKED.items():
    globals()[f"test_ctrl_c_in_{_name}"] = lambda body=_body: interrupt(body)
    globals()[f"test_callbacks_run_in_{_name}"] = lambda body=_body: schedule(body)


def test_ctrl_c_in_getaddrinfo():
    """With a name server that never answers and is waited for longer than finish() waits, in a network and with a resolv.conf of its own."""
    wrap = ["unshare", "-n", "-m", "sh", "-c", """
        ip link set lo up && f=$(mktemp) && printf 'nameserver 127.0.0.1\\noptions timeout:30 attempts:5\\n' >$f &&
        mount --bind $f /etc/resolv.conf && rm $f && exec "$@" """, "sh"]
    if not shutil.which("unshare") or not shutil.which("ip") or os.geteuid() != 0:
        raise Skip("needs root, unshare and ip")
    if subprocess.run([*wrap, "true"], capture_output=True).returncode != 0:
        raise Skip("no network namespaces here")
    p = start(INTERRUPTED % (HERE, """
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); server.bind(("127.0.0.1", 53))
block(socket.getaddrinfo, "never.example", 80)
assert socket.getaddrinfo("127.0.0.1", 80)
"""), wrap)
    interrupted(p)


def test_ctrl_c_between_calls():
    """Many interruptions at any moment of a loop of calls: every one is seen, nothing is broken.

    The calls need no memory: the port's handler jumps out of its allocator as well, and where that had just
    locked or unlocked its mutex, the next allocation waits for ever (stock's own fault, once in a thousand runs).
    """
    p = start(INTERRUPTED % (HERE, """
a, b = pair()
p = select.poll(); p.register(b, select.POLLIN)
print("ready")
seen = 0
data, room = b"x" * 50, bytearray(100)
while seen < 20:
    try:
        print(seen)  # and then the next one may come: in here it is caught
        while True:
            a.send(data); b.readinto(room, 50); a.setblocking(True); p.modify(b, select.POLLIN)
    except KeyboardInterrupt:
        seen += 1
"""))
    for i in range(20):
        line = p.stdout.readline()
        assert line == f"{i}\n", line + p.stdout.read()
        time.sleep(random.random() / 50)
        p.send_signal(signal.SIGINT)
    assert finish(p) == "done\n"


def test_the_end_finds_threads_in_the_library():
    """MicroPython cancels its threads at exit; that must not unwind through the library."""
    for _ in range(5):
        p = start("""
import sys; sys.path.insert(0, %r)
from support import *
import _thread, select
l, _ = listener()
a, b = pair()
p = select.poll(); p.register(a, select.POLLIN)
def busy():
    x, y = pair()
    while True:
        x.send(b"x"); y.recv(1)
        turns[0] += 1
turns = [0]
for f in (l.accept, lambda: a.recv(1), p.poll):
    _thread.start_new_thread(f, ())
until_others_sleep()
_thread.start_new_thread(busy, ())
while turns[0] < 100:
    time.sleep(0.001)
print("ready")
print("done")
""" % HERE)
        assert finish(p) == "done\n" and p.returncode == 0, p.returncode
