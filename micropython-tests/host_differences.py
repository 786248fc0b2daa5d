"""README's table of differences, each cell by the program that shows it: CPython's own module, stock
MicroPython, and this library in CPython and in the firmware.

A program prints words. A row has what each of the four must print, and README must have the row.
"""

import os
import re
import socket
import subprocess
import sys

from run import OURS, STOCK, TOP, Skip

# Common to all programs: two ends of a TCP connection, a thread that can be joined, a way to name an
# exception.
PRELUDE = """
import sys
MODULE
import time, _thread
try:
    import os
    listdir = os.listdir
except AttributeError:
    listdir = lambda path: [entry[0] for entry in os.ilistdir(path)]
MICROPYTHON = sys.implementation.name == "micropython"

def where(port):
    return socket.getaddrinfo("127.0.0.1", port, socket.AF_INET, socket.SOCK_STREAM)[0][-1]

def pair():
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(where(PORT))
    l.listen(1)
    a = socket.socket()
    a.connect(where(PORT))
    b = l.accept()[0]
    l.close()
    return a, b

def told(e):
    errno = getattr(e, "errno", None)
    # MicroPython has no TimeoutError and the like: OSError with the number.
    names = {11: "EAGAIN", 110: "ETIMEDOUT", 9: "EBADF"}
    return names.get(errno) or type(e).__name__

def attempt(function, *args, **kw):
    try:
        return function(*args, **kw)
    except Exception as e:
        return told(e)

class Later:
    def __init__(self, function, *args):
        self.ended, self.result = False, None
        _thread.start_new_thread(self.run, (function, args))
    def run(self, function, args):
        self.result = attempt(function, *args)
        self.ended = True
    def wait(self, seconds=60):
        end = time.time() + seconds
        while not self.ended and time.time() < end:
            time.sleep(0.005)
        return self.ended

def until_another_thread_waits():  # in a system call, and has for three looks
    def state(thread):
        with open("/proc/self/task/%s/stat" % thread) as f:
            return f.read().split(")")[-1].split()[0]
    with open("/proc/self/stat") as f:
        main = f.read().split()[0]
    seen = 0
    while seen < 3:
        others = [t for t in listdir("/proc/self/task") if t != main]
        seen = seen + 1 if others and all(state(t) == "S" for t in others) else 0
        time.sleep(0.02)
"""

# first cell: (program, CPython, stock, ours in CPython, ours in the firmware); None is not run.
ROWS = {
    "stream methods on the socket": (
        """
a, b = pair()
print("yes" if hasattr(a, "readline") and hasattr(a, "readinto") and hasattr(a, "write") else "no")
f = a.makefile("rb")
print(f is a)
f.close()
print(attempt(a.send, b"x"))
""",
        "no False 1", "yes False EBADF", "yes True EBADF", "yes True EBADF"),
    "`read(n)` cut short by a timeout": (
        """
a, b = pair()
f = a if hasattr(a, "read") else a.makefile("rb")
b.send(b"abc")
a.settimeout(0.1)
first = attempt(f.read, 5)
b.send(b"de")
time.sleep(0.05)
second = attempt(f.read, 5) if first == b"abc" else None
a.settimeout(5)
b.close()
rest = attempt(a.recv, 9)
print(first, second, rest)
""",
        # (The two bytes that come late are still in the kernel; the three are gone.)
        "TimeoutError None b'de'", "ETIMEDOUT None b'de'", "b'abc' ETIMEDOUT b'de'", "b'abc' ETIMEDOUT b'de'"),
    "timeout in `recv`, `send`": (
        """
a, b = pair()
a.settimeout(0.1)
print(attempt(a.recv, 1))
a.setsockopt(socket.SOL_SOCKET, 7, 4096)
while True:
    sent = attempt(a.send, bytes(65536))
    if isinstance(sent, str):
        break
print(sent)
""",
        "TimeoutError TimeoutError", "EAGAIN EAGAIN", "ETIMEDOUT ETIMEDOUT", "ETIMEDOUT ETIMEDOUT"),
    "timeout in `accept`": (
        """
l = socket.socket()
l.bind(where(0))
l.listen(1)
l.settimeout(0.1)
print(attempt(l.accept))
""",
        "TimeoutError", "ETIMEDOUT", "ETIMEDOUT", "ETIMEDOUT"),
    "`setblocking(True)` after a timeout": (
        """
a, b = pair()
a.settimeout(0.1)
a.setblocking(True)
later = Later(a.recv, 1)
later.wait(1)
print(later.result)
b.send(b"x")
print(later.wait())
""",
        "None True", "EAGAIN True", "None True", "None True"),
    "deadline of `sendall`, `read`": (
        """
a, b = pair()
f = a if hasattr(a, "read") else a.makefile("rb")
def drip():
    for _ in range(40):
        b.send(b".")
        time.sleep(0.05)
    b.close()
a.settimeout(1.5)
later = Later(drip)
got = attempt(f.read, 40)
print("each piece," if got == b"." * 40 else "the whole,")
later.wait()
a, b = pair()
a.setsockopt(socket.SOL_SOCKET, 7, 4096)
b.setsockopt(socket.SOL_SOCKET, 8, 4096)
def sip():
    for _ in range(400):
        if not b.recv(8192):
            break
        time.sleep(0.02)
    b.close()
a.settimeout(0.3)
later = Later(sip)
ended = attempt(getattr(a, "sendall", "no sendall"), bytes(512 * 1024))
print("each piece in" if ended is None else "the whole in" if hasattr(a, "sendall") else "no", "sendall")
a.close()
later.wait()
""",
        "each piece, the whole in sendall", "each piece, no sendall",
        "the whole, the whole in sendall", "the whole, the whole in sendall"),
    "closing while another thread blocks": (
        """
a, b = pair()
later = Later(a.recv, 1)
until_another_thread_waits()
a.close()
print("ends " + later.result if later.wait(3) else "goes on")
b.send(b"x")
b.close()
later.wait()
""",
        "goes on", "goes on", "ends EBADF", "ends EBADF"),
    "closing twice": (
        """
a, b = pair()
a.close()
strangers = [socket.socket() for _ in range(4)]
print(attempt(a.close))
print("closed a stranger" if any(attempt(s.bind, where(0)) for s in strangers) else "nothing")
""",
        "None nothing", "None closed a stranger", "None nothing", "None nothing"),
    "dropping a socket": (
        """
import gc
before = len(listdir("/proc/self/fd"))
def drop():
    for _ in range(50):
        socket.socket()
drop()
gc.collect()
left = len(listdir("/proc/self/fd")) - before
print("leaks" if left > 40 else "closed" if left < 5 else left)
""",
        "closed", "leaks", "closed", "closed"),
    "a host name in an address tuple": (
        """
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(where(PORT))
l.listen(1)
s = socket.socket()
r = attempt(s.connect, ("localhost", PORT))
print("resolved" if r is None else "error")
""",
        "resolved", "error", "error", "error"),
    "a port outside 0–65535": (
        """
raised = attempt(socket.socket().bind, ("127.0.0.1", 65536 + 80))
if raised == "TypeError":  # No tuples: what makes addresses is asked.
    raised = "truncated" if bytes(where(65536 + 80))[2:4] == bytes([0, 80]) else "?"
print(raised)
""",
        "OverflowError", "truncated", "PortError", "PortError"),
    '`send("text")`': (
        """
a, b = pair()
print(attempt(a.send, "text"))
""",
        "TypeError", "4", "4", "4"),
    "`getaddrinfo` fails": (
        """
try:
    socket.getaddrinfo("no.such.host.invalid", 80)
except OSError as e:
    print(type(e).__name__, "text" if isinstance(e.args[0], str) else e.args[0] < 0)
""",
        "gaierror True", "OSError text", "gaierror True", "gaierror True"),
    "`getaddrinfo` against a dead server": (
        """
print(attempt(lambda: len(socket.getaddrinfo("127.0.0.1", 80, timeout=5)) > 0))
""",
        "TypeError", "TypeError", "True", "True"),
    "reading with nothing there, non-blocking": (
        """
a, b = pair()
a.setblocking(False)
print(attempt(a.recv, 1))
if hasattr(a, "read"):
    print(attempt(a.read, 1), attempt(a.readline))
""",
        "EAGAIN", "EAGAIN None None", "EAGAIN None None", "EAGAIN None None"),
    "addresses": (
        """
address = where(80)
print(type(address).__name__)
s = socket.socket()
print(attempt(s.bind, ("127.0.0.1", 0)))
raw = bytes([2, 0, 0, 0, 127, 0, 0, 1]) + bytes(8)
print(attempt(socket.socket().bind, raw))
""",
        "tuple None TypeError", "bytearray TypeError None", "tuple None None", "tuple None None"),
    "`IPPROTO_SEC`": (
        """
print(hasattr(socket, "IPPROTO_SEC"))
if hasattr(socket, "IPPROTO_SEC"):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SEC)
    print(attempt(s.send, b"x") != 1)
""",
        "False", "False", "True True", "True True"),
    "`ssl.SSLContext(PROTOCOL_TLS_CLIENT)`, as it comes": (
        """
if socket.__name__ == "usocket":
    import ussl as ssl
else:
    import ssl
print(int(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).verify_mode))
""",
        # (Debian's stock has no ssl: that is micropython-lib's.)
        "2", None, "2", "2"),
}

HOSTS = {
    "CPython": ([sys.executable], "import socket"),
    "stock": ([STOCK, "-X", "heapsize=64m"], "import socket"),
    "usocket in CPython": ([sys.executable], "import usocket as socket"),
    "firmware": ([OURS, "-X", "heapsize=64m"], "import socket"),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def said(host, program):
    command, module = HOSTS[host]
    prelude = PRELUDE.replace("MODULE", module)
    text = (prelude + program).replace("PORT", str(free_port()))
    env = dict(os.environ, PYTHONPATH=f"{TOP}/python")
    r = subprocess.run([*command, "-c", text], env=env, capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, f"{host}: {r.stderr.strip().splitlines()[-1:]}"
    return " ".join(r.stdout.split())


def row_test(name, program, expected):
    def test():
        wrong = []
        for host, want in zip(HOSTS, expected):
            if want is None:
                continue
            if not os.path.exists(HOSTS[host][0][0]):
                raise Skip(f"{HOSTS[host][0][0]} is not built")
            got = said(host, program)
            if got != want:
                wrong.append(f"{host} says {got!r}, not {want!r}")
        assert not wrong, "; ".join(wrong)

    test.__name__ = "test_" + re.sub(r"\W+", "_", name).strip("_")
    return test


for _name, (_program, *_expected) in ROWS.items():
    _test = row_test(_name, _program, _expected)
    globals()[_test.__name__] = _test


def test_every_row_of_the_readme_is_here():
    with open(f"{TOP}/README.md", encoding="utf-8") as f:
        section = f.read().split("## Differences")[1].split("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")]
    assert rows[1:] == list(ROWS), set(rows[1:]) ^ set(ROWS)
