"""The Python hosts: CPython's socket and ssl, MicroPython's own modules, against ours there."""

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

from . import tls_peers as peers
from .build import library, need, run
from .measure import OUT, ROOT, Missing, Program, Row, at_most, compare
from .size import stripped

SCRIPT = ROOT / "benches" / "host.py"

# The peers in MicroPython: its modules in a firmware like ours, with the system's mbedTLS; and the current
# stock build, with the mbedTLS of its own, which is the peer that TLS is judged by.
MODULES, CURRENT = "stock modules", "stock 1.28, mbedTLS 3.6"

# Each row: its name, the arguments of host.py, unit, units per operation, the goal in MicroPython.
ROWS = [
    ("ping-pong 64 B, 1 core", ["pingpong", 64], "1/s", 1, 1.0),
    ("bulk 64 KiB, 1 core", ["bulk", 65536], "MiB/s", 1 / 16, 1.0),
    ("readline, 80 B", ["readline", 80], "1/s", 1, 10.0),
    ("TLS ping-pong 64 B, 1 core", ["tls-pingpong", 64], "1/s", 1, 1.0),
    ("TLS bulk 16 KiB, 1 core", ["tls-bulk", 16384], "MiB/s", 1 / 64, 10.0),
    ("TLS bulk 64 KiB, 1 core", ["tls-bulk", 65536], "MiB/s", 1 / 16, 10.0),
    ("TLS handshakes", ["handshake", 1], "1/s", 1, 20.0),
]
# CPython has a file that reads ahead; neither MicroPython nor our socket may, but the drop-in's is CPython's.
CPYTHON_ROWS = [
    ("readline, 80 B, theirs reads ahead", ["readahead", 80], "1/s", 1, None),
    ("ping-pong 64 B with a timeout, 1 core", ["timeout", 64], "1/s", 1, None),
    ("asyncio streams, a line of 64 B there and back", ["streams", 64], "1/s", 1, None),
]

# The goal of each host against CPython's own modules, by row: bulk over TLS is of 16 and 64 KiB.
CPYTHON_GOALS = {
    "CPython": {
        "ping-pong 64 B, 1 core": 0.97, "bulk 64 KiB, 1 core": 1.0, "TLS ping-pong 64 B, 1 core": 1.3,
        "TLS bulk 16 KiB, 1 core": 1.3, "TLS bulk 64 KiB, 1 core": 1.3, "TLS handshakes": 1.8,
        "ping-pong 64 B with a timeout, 1 core": 1.2, "asyncio streams, a line of 64 B there and back": 1.0,
    },
    "CPython, drop-in": {
        "ping-pong 64 B, 1 core": 0.97, "readline, 80 B, theirs reads ahead": 1.0,
        "asyncio streams, a line of 64 B there and back": 1.0, "TLS ping-pong 64 B, 1 core": 1.3,
        "TLS bulk 16 KiB, 1 core": 1.3, "TLS bulk 64 KiB, 1 core": 1.3, "TLS handshakes": 1.8,
    },
}  # fmt: skip


class BothEnds(Program):
    """A far end that says "ready" when it listens, and the near end that is measured."""

    def __init__(self, interpreter, modules, arguments, env):
        port = free_port()
        what, size = arguments
        over_tls = what.startswith("tls") or what == "handshake"
        tail = [what, port, size, *(modules[1:] if over_tls else [])]

        def argv(end):
            return [str(a) for a in ("taskset", "-c", 0, *interpreter, SCRIPT, modules[0], end, *tail)]

        self.far = subprocess.Popen(argv("far"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    text=True, env={**os.environ, **env})
        try:
            if self.far.stdout.readline().strip() != "ready":
                raise RuntimeError("far end: " + self.far.communicate()[1].strip()[-200:])
            super().__init__(argv("near"), env)
        except BaseException:
            self.end_far()
            raise

    def end_far(self):
        self.far.kill()
        self.far.communicate()

    def close(self):
        super().close()
        self.end_far()


def row(host, sides, name, arguments, unit, per_op, goal):
    """`sides` gives (interpreter, (module, TLS module), environment) of ours and of each peer's."""
    over_tls = "TLS" in name
    all_sides = sides(over_tls)
    if over_tls:
        peers.certificates()
        for side in all_sides.values():
            if "run" in side[0]:
                continue
            require(side[0], side[1][1], side[2])

    def starter(side):
        return lambda: BothEnds(side[0], side[1], arguments, {**peers.ENV, **side[2]})

    programs = {peer: starter(side) for peer, side in all_sides.items()}
    ours = programs.pop("ours")
    judges = (CURRENT if over_tls else MODULES,) if host == "MicroPython" else programs
    return compare(host, name, ours, programs, unit, per_op, dict.fromkeys(judges, goal),
                   slice_s=0.1 if over_tls else 0.03)


def require(interpreter, module, env):
    done = subprocess.run([*map(str, interpreter), "-c", f"import {module}; {module}.SSLContext"],
                          capture_output=True, env={**os.environ, **env})
    if done.returncode != 0:
        raise Missing(f"module {module} with SSLContext in {' '.join(map(str, interpreter))}")


def ctypes_alone(_over_tls):
    """Without the accelerator, as a checkout without a compiler is."""
    sides = cpython(_over_tls)
    sides["ours"][2]["USOCKET_PURE"] = "1"
    return sides


def drop_in(_over_tls):
    """CPython's own modules over the library: `python -m usocket run`."""
    sides = cpython(_over_tls)
    env = sides["ours"][2]
    return {**sides, "ours": ([sys.executable, "-m", "usocket", "run"], ("socket", "ssl"), env)}


def cpython(_over_tls):
    if not (ROOT / "python" / "usocket").exists():
        raise Missing("python/usocket")
    run(["make", "-s", "accelerator"])
    env = {"PYTHONPATH": str(ROOT / "python"),
           "USOCKET_LIBRARY": str(library() / "libusocket.so.0")}
    return {"ours": ([sys.executable], ("usocket", "ussl"), env),
            "socket, ssl": ([sys.executable], ("socket", "ssl"), {})}


def micropython(over_tls=False):
    """The first two are built by micropython-build from one source with the same options."""
    build = ROOT / "scripts" / "micropython-build"
    home = Path(os.environ.get("MICROPYTHON_HOME", ROOT / "target" / "micropython"))
    ours, stock = home / "micropython", home / "micropython-stock"
    if not (ours.exists() and stock.exists()):
        if not build.exists():
            raise Missing("scripts/micropython-build, which makes the firmwares")
        library()
        run([build])
    firmwares = {"ours": ours, MODULES: stock} | ({CURRENT: current_stock()} if over_tls else {})
    return {name: ([program], ("socket", "tls"), {}) for name, program in firmwares.items()}


def current_stock():
    """The interpreter comes as a module of CPython, which only starts it: its main() runs to the end."""
    done = subprocess.run([ROOT / "scripts" / "micropython-programs", "stock-tls"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing(done.stderr.strip())
    return Path(done.stdout.strip())


def idle_calls(interpreter, seconds=3):
    """System calls a second of a server with nothing to do (see idle.py)."""
    need("strace")
    port = free_port()
    server = subprocess.Popen([interpreter, SCRIPT.with_name("idle.py"), str(port)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, **peers.ENV})
    clients = []
    try:
        said = server.stdout.readline().strip()
        if said != "listening":
            raise RuntimeError(f"idle.py: {said} {server.communicate()[1][-200:]}")
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        context = ssl.create_default_context(cafile=peers.CERTS / "ca.pem")
        over_tls = socket.create_connection(("127.0.0.1", port + 1))
        clients.append(context.wrap_socket(over_tls, server_hostname="localhost"))
        server.stdout.readline()
        log = OUT / "idle.strace"
        trace = ["strace", "-f", "-q", "-o", str(log), "-p", str(server.pid)]
        subprocess.run(["timeout", str(seconds), *trace], capture_output=True)
        return sum("(" in line for line in log.read_text().splitlines()[1:]) / seconds
    finally:
        for c in clients:
            c.close()
        server.kill()
        server.communicate()


def idle():
    """The call that the server is in when strace comes is not counted."""
    peers.certificates()
    calls = {name: idle_calls(program[0]) for name, (program, *_) in micropython(over_tls=True).items()}
    ours = calls.pop("ours")
    yield at_most("MicroPython", IDLE, ours, 5, "calls/s")
    for peer, theirs in calls.items():
        yield Row("MicroPython", IDLE, peer, theirs / max(ours, 1 / 3), None, None, ours, "calls/s", theirs)


IDLE = "idle asyncio server, 1 TLS and 5 plain"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def size():
    """The growth of the firmware: both stripped, with the same options."""
    (ours, *_), (stock, *_) = micropython().values()
    a, b = (stripped(exe[0]) / 1000 for exe in (ours, stock))
    yield Row("MicroPython", "firmware grows by", "stock firmware", None, None, None, a - b, "kB",
              note=f"{b:.0f} kB to {a:.0f} kB")


def cases():
    hosts = {"MicroPython": micropython, "CPython": cpython, "CPython, drop-in": drop_in,
             "CPython, ctypes alone": ctypes_alone}
    for host, sides in hosts.items():
        for name, arguments, unit, per_op, goal in ROWS + (CPYTHON_ROWS if host != "MicroPython" else []):
            goal = goal if host == "MicroPython" else CPYTHON_GOALS.get(host, {}).get(name)
            yield host, name, lambda h=host, s=sides, a=(name, arguments, unit, per_op, goal): row(h, s, *a)
    yield "MicroPython", IDLE, idle
    yield "MicroPython", "firmware grows by", size
