"""Servers of many connections: HTTP and HTTPS with keep-alive, on the poller and on epoll.

The measure is the server's processor time, which excludes the clients and other work of the machine.
"""

import contextlib
import os
import re
import signal
import subprocess
import time

from . import tls_peers as peers
from .build import CC, CFLAGS, library, need, program, run
from .measure import OUT, ROOT, Missing, Program, Row, at_most, compare

HOST = "C, server"
PLAIN, TLS = "HTTP", "HTTPS"
CONNECTIONS = [100, 1000, 8000]
SIZES = [1024, 65536]
RATE = 10000

# The goals of a row: ratio to OpenSSL, to bare rustls.
GOALS = {(100, 1024): 1.5, (1000, 1024): 1.8, (8000, 1024): 1.8,
         (100, 65536): 1.5, (1000, 65536): 1.5, (8000, 65536): 1.5}


def ours():
    exe, lib = OUT / "http_server", library()
    run([CC, *CFLAGS, ROOT / "examples" / "c" / "http_server.c", "-o", exe, f"-L{lib}", "-lusocket",
         f"-Wl,-rpath,{lib}"])
    return [exe, 0]


def openssl():
    return [program("http", "openssl", "-DOPENSSL", "-lssl", "-lcrypto"), 0]


def certificate():
    peers.certificates()
    return [peers.CERTS / "server.pem", peers.CERTS / "server.key"]


def nginx(kind):
    """For orientation: it does more, and reads what it sends from a file."""
    exe = need("nginx", "nginx-light")
    home = OUT / "nginx"
    home.mkdir(parents=True, exist_ok=True)
    for n in SIZES:
        (home / str(n)).write_bytes(b"." * n)
    peers.certificates()
    port = free_port()
    over_tls = f"""ssl_certificate {peers.CERTS}/server.pem; ssl_certificate_key {peers.CERTS}/server.key;
        ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_256_GCM_SHA384;"""
    conf = home / f"{kind}.conf"
    conf.write_text(f"""daemon off; master_process off; pid {home}/{kind}.pid; error_log /dev/null;
        events {{ worker_connections 18000; }}
        http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {home}/body;
        proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fcgi; uwsgi_temp_path {home}/uwsgi;
        scgi_temp_path {home}/scgi; open_file_cache max=10;
        server {{ listen 127.0.0.1:{port}{' ssl' if kind == TLS else ''}; root {home};
        {over_tls if kind == TLS else ''} }} }}""")
    return [exe, "-c", conf], port


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sides(kind, tickets=0):
    """Command lines of ours and of the peers; BENCH_RESUME tells the peers how many tickets to send."""
    if kind == PLAIN:
        found = {"ours": ours(), "bare epoll": [program("http", "libc"), 0]}
    else:
        found = {"ours": [*ours(), *certificate(), tickets], "OpenSSL": [*openssl(), *certificate()],
                 "bare rustls": [peers.rustls(), "http", 0]}
    return {name: (argv, None) for name, argv in found.items()}


def with_nginx(kind, found):
    with contextlib.suppress(Missing):
        found["nginx"] = nginx(kind)
    return found


class Served(Program):
    """A server and its clients, which stand ready. The measure is the server's processor time."""

    def __init__(self, side, kind, connections, size, command="{}", env=None):
        argv, port = side
        self.command = command
        env = {**peers.ENV, **(env or {})}
        self.server = subprocess.Popen(
            pinned(0, argv), stdout=subprocess.PIPE, text=True, env={**os.environ, **env})
        try:
            if port is None:
                port = int(self.server.stdout.readline().split()[-1])
            else:
                wait_for(port)
            load = [peers.rustls(), "load", "tls" if kind == TLS else "plain", port, connections, size]
            super().__init__(pinned(1, load), env)
        except BaseException:
            self.end_server()
            raise

    def cpu(self):
        """clock_getcpuclockid(3)"""
        return time.clock_gettime(~self.server.pid << 3 | 2)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.answer()

    def run(self, n):
        before = self.cpu()
        self.ask(self.command.format(n))
        return self.cpu() - before

    def resident(self):
        """Bytes that are its own, without pages of files."""
        status = open(f"/proc/{self.server.pid}/status").read()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) * 1024

    def end_server(self):
        self.server.kill()
        self.server.communicate()

    def close(self):
        super().close()
        self.end_server()


def pinned(core, argv):
    core = min(core, (os.cpu_count() or 1) - 1)
    return ["taskset", "-c", str(core), *map(str, argv)]


def wait_for(port):
    import socket
    for _ in range(200):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port)).close()
        time.sleep(0.05)
    raise RuntimeError("the server does not listen")


def size_name(size):
    return f"{size // 1024} KiB"


def requests(kind, connections, size):
    row = f"{kind} requests, {connections:,} connections, {size_name(size)}"
    found = with_nginx(kind, sides(kind)) if connections == 100 else sides(kind)
    commands = {name: lambda side=side: Served(side, kind, connections, size)
                for name, side in found.items()}
    if kind == PLAIN:
        goals = {"bare epoll": 0.97}
    else:
        goals = {"OpenSSL": GOALS[connections, size], "bare rustls": 0.95}
    mine = commands.pop("ours")
    return compare(HOST, row, mine, commands, "CPU 1/s", 1, goals, slice_s=0.1,
                   launches=(2, 12), rounds=12)


def handshaking(kind):
    """Full handshakes without tickets, resumed ones with one ticket each."""
    return sides(TLS, 1 if kind == "resumed" else 0).items()


def opened(side, kind):
    """A server and clients that make new connections, with one small request each."""
    resume = {"BENCH_RESUME": "1"} if kind == "resumed" else {}
    return Served(side, TLS, 8, 64, "connect 8 {}", {"BENCH_KIND": kind, **resume})


def connecting(kind):
    """New connections with one small request each."""
    commands = {name: lambda side=side: opened(side, kind) for name, side in handshaking(kind)}
    mine = commands.pop("ours")
    goals = {"OpenSSL": {"full": 1.6, "resumed": 1.3}[kind], "bare rustls": 0.97}
    return compare(HOST, f"{TLS} connections, {kind} handshakes", mine, commands, "CPU 1/s",
                   1, goals, slice_s=0.1, launches=(2, 12))


def latency(kind, connections=100):
    """At a rate that leaves the server idle most of the time, counted from when a request was due; the
    best of some rounds each."""
    taken = {name: [] for name in sides(kind)}
    n = RATE // 2
    with contextlib.ExitStack() as stack:
        programs = {name: Served(side, kind, connections, 1024) for name, side in sides(kind).items()}
        for p in programs.values():
            stack.callback(p.close)
        for _ in range(8):
            for name, p in programs.items():
                taken[name].append([int(ns) / 1e3 for ns in p.ask(f"rate {RATE} {n}").split()])
    best = {name: [min(column) for column in zip(*rounds)] for name, rounds in taken.items()}
    mine = best.pop("ours")
    many = "" if connections == 100 else f", {connections:,} connections"
    for at, what in enumerate(("p50", "p99")):
        for peer, theirs in best.items():
            row = f"{kind} latency {what} at {RATE:,} requests a second, 1 KiB{many}"
            yield Row(HOST, row, peer, theirs[at] / mine[at], None if at == 0 else 1.0, None, mine[at],
                      "us", theirs[at])


def calls(kind, size):
    """System calls a request, of a server that never rests."""
    need("strace")
    counts = {}
    for name, side in sides(kind).items():
        with contextlib.closing(Served(side, kind, 100, size)) as p:
            counts[name] = calls_of(p, 5000)
    mine = counts.pop("ours")
    row = f"{kind} system calls a request, {size_name(size)}"
    if size == 1024:
        yield at_most(HOST, f"{row}: receiving", mine[0], 1.05, "calls/request")
        yield at_most(HOST, f"{row}: sending", mine[1], 1.05, "calls/request")
        yield at_most(HOST, f"{row}: other", mine[2], 0.1, "calls/request")
    for name, theirs in counts.items():
        yield Row(HOST, row, name, sum(theirs) / sum(mine), None, None, sum(mine), "calls/request",
                  sum(theirs))


def calls_to_connect(kind):
    """System calls of a connection: accept, handshake, one request, close."""
    need("strace")
    counts = {}
    for name, side in handshaking(kind):
        with contextlib.closing(opened(side, kind)) as p:
            counts[name] = sum(calls_of(p, 1000))
    mine = counts.pop("ours")
    for name, theirs in counts.items():
        yield Row(HOST, f"{TLS} system calls a connection, {kind} handshakes", name, theirs / mine, None,
                  None, mine, "calls/connection", theirs)


def calls_of(p, n):
    log = OUT / "http.strace"
    trace = subprocess.Popen(["strace", "-c", "-U", "calls,name", "-o", log, "-p", str(p.server.pid)],
                             stderr=subprocess.PIPE, text=True)
    trace.stderr.readline()  # that it is attached
    p.ask(p.command.format(n))
    trace.send_signal(signal.SIGINT)
    trace.wait()
    trace.stderr.close()
    found = {name: int(k) / n for k, name in re.findall(r"^\s*(\d+)\s+(\w+)\s*$", log.read_text(), re.M)
             if name != "total"}
    receiving = sum(found.pop(k, 0) for k in ("recvfrom", "recvmsg", "read"))
    sending = sum(found.pop(k, 0) for k in ("sendto", "sendmsg", "write", "writev", "sendfile"))
    return receiving, sending, sum(found.values())


def memory(kind, connections=8000):
    """The resident memory of each of many idle connections, after it has carried 64 KiB."""
    row = f"resident memory per idle {kind} connection after 64 KiB, {connections:,} of them"
    values = {}
    for name, side in sides(kind).items():
        few, many = (0, connections)
        sizes = []
        for n in (few + 8, many):
            with contextlib.closing(Served(side, kind, n, 65536)) as p:
                sizes.append(p.resident())
        values[name] = (sizes[1] - sizes[0]) / (many - few - 8)
    mine = values.pop("ours")
    yield at_most(HOST, row, mine, 6144 if kind == TLS else 1024, "bytes")
    for name, theirs in values.items():
        yield Row(HOST, row, name, theirs / mine, None, None, mine, "bytes", theirs)


def cases():
    for kind in (TLS, PLAIN):
        for size in SIZES:
            for n in CONNECTIONS:
                yield (HOST, f"{kind} requests, {n:,} connections, {size_name(size)}",
                       lambda k=kind, n=n, s=size: requests(k, n, s))
    for kind in ("full", "resumed"):
        yield HOST, f"{TLS} connections, {kind} handshakes", lambda k=kind: connecting(k)
        yield (HOST, f"{TLS} system calls a connection, {kind} handshakes",
               lambda k=kind: calls_to_connect(k))
    for kind in (TLS, PLAIN):
        yield HOST, f"{kind} latency at a fixed rate", lambda k=kind: latency(k)
        for n in CONNECTIONS[1:]:
            yield (HOST, f"{kind} latency at a fixed rate, {n:,} connections",
                   lambda k=kind, n=n: latency(k, n))
    for kind in (TLS, PLAIN):
        for size in SIZES:
            yield (HOST, f"{kind} system calls a request, {size_name(size)}",
                   lambda k=kind, s=size: calls(k, s))
    for kind in (TLS, PLAIN):
        yield HOST, f"resident memory per idle {kind} connection", lambda k=kind: memory(k)
