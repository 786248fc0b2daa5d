"""The cost of an idle program: system calls, counted from outside."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from run import CERTS, HERE, OURS, STOCK, Skip

SERVER = """
import sys; sys.path.insert(0, %r)
import asyncio, io
from support import free_port, main_thread
async def handler(reader, writer):
    await reader.read(1)
async def main():
    context = None
    port = free_port()
    %s
    server = await asyncio.start_server(handler, "127.0.0.1", port, ssl=context)
    print(port, main_thread())
    await asyncio.sleep(60)
asyncio.run(main())
"""


def client(port, tls):
    s = socket.create_connection(("127.0.0.1", port))
    if not tls:
        return s
    context = ssl.create_default_context(cafile=f"{CERTS}/ca.pem")
    return context.wrap_socket(s, server_hostname="localhost")


def until_quiet(path, seconds=60):
    """Waits until a trace has not grown for half a second. A program that never becomes quiet is a failure
    of the test."""
    size, since, end = -1, 0.0, time.monotonic() + seconds
    while time.monotonic() < min(since + 0.5 if since else end, end):
        if os.path.getsize(path) != size:
            size, since = os.path.getsize(path), time.monotonic()
        time.sleep(0.05)


def calls_per_second(interpreter, extra="", seconds=1, tls=False, n=2, sleeps=False):
    """How many system calls a server makes with `n` idle clients connected, who `sleeps` when it has seen to them or has
    none."""
    if not shutil.which("strace"):
        raise Skip("strace is missing (Debian: apt-get install strace)")
    with tempfile.TemporaryDirectory() as tmp:
        p = subprocess.Popen(["strace", "-f", "-ttt", "-o", f"{tmp}/calls", interpreter, "-c", SERVER % (HERE, extra)],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        clients, server = [], None
        try:
            line = p.stdout.readline()
            assert line[:1].isdigit(), line + p.stdout.read()
            port, server = map(int, line.split())
            clients = [client(port, tls) for _ in range(n)]
            time.sleep(0.5)
            if sleeps:
                until_quiet(f"{tmp}/calls")
            begun = time.time()
            time.sleep(seconds)
            ended = time.time()
        finally:
            for c in clients:
                c.close()
            # (strace alone would leave the server behind.)
            os.kill(server or p.pid, signal.SIGKILL)
            p.wait()
        with open(f"{tmp}/calls") as f:
            times = [float(line.split()[1]) for line in f if len(line.split()) > 1 and line.split()[1][0].isdigit()]
    return sum(begun <= t <= ended for t in times) / seconds


def test_an_idle_server_sleeps():
    n = calls_per_second(OURS, sleeps=True)
    assert n < 5, f"{n:.0f} system calls a second"
    return f"{n:.1f} system calls a second"


def test_a_stream_that_can_only_be_asked_costs_little():
    flag = """flag = asyncio.ThreadSafeFlag(); asyncio.create_task(flag.wait())"""
    n, stock = calls_per_second(OURS, flag), calls_per_second(STOCK, flag)
    assert n < 100 and stock > 5 * n, f"{n:.0f} system calls a second, stock {stock:.0f}"
    return f"{n:.0f} system calls a second, stock {stock:.0f}"


TLS_CONTEXT = f"""import tls
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    with open("{CERTS}/server.pem", "rb") as c, open("{CERTS}/server.key", "rb") as k:
        context.load_cert_chain(c.read(), k.read())"""


def test_an_idle_tls_server_sleeps():
    n = calls_per_second(OURS, TLS_CONTEXT, tls=True, sleeps=True)
    assert n < 5, f"{n:.0f} system calls a second"
    if subprocess.run([STOCK, "-c", "import tls"], capture_output=True).returncode != 0:
        return f"{n:.1f} system calls a second, stock has no tls"
    stock = calls_per_second(STOCK, TLS_CONTEXT, tls=True)
    assert stock > 20, f"stock makes only {stock:.0f} system calls a second"
    return f"{n:.1f} system calls a second, stock {stock:.0f}"


def test_an_idle_tls_server_with_many_clients_sleeps():
    n = calls_per_second(OURS, TLS_CONTEXT, tls=True, n=30, sleeps=True)
    assert n < 5, f"{n:.0f} system calls a second"
    return f"{n:.1f} system calls a second"
