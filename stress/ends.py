"""Both ends of a connection: our handle, and a peer that can forge."""

import socket
import ssl
import threading

from cases import case, holds
from forger import Peer
from usocket import CERTS, Library

lib = Library()
TLS13, TLS12 = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
POLLIN, POLLOUT = 1, 4


def tcp():
    """Two ends of a TCP connection on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        a = socket.create_connection(server.getsockname())
        b, _ = server.accept()
    for s in (a, b):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return a, b


def context(server):
    c = lib.ok(lib.tls_context_create(lib.TLS_SERVER if server else lib.TLS_CLIENT))
    if server:
        lib.ok(lib.tls_context_add_cert_file(c, f"{CERTS}/server.pem".encode(), f"{CERTS}/server-key.pem".encode()))
    else:
        lib.ok(lib.tls_context_add_trust_file(c, f"{CERTS}/ca.pem".encode()))
    return c


def wrapped(server, version, cert="server", ours=None, peer_context=None):
    """Our handle, wrapped, and its peer, before the handshake. `server` is what we are."""
    a, b = tcp()
    s = lib.ok(lib.from_fd(a.detach()))
    lib.ok(lib.setblocking(s, 1))
    lib.ok(lib.tls_wrap(s, ours or context(server), None if server else b"server.example", 0))
    return s, Peer(b, not server, version, cert, peer_context)


def in_thread(function):
    """Runs it on a thread; returns a list that will contain the result."""
    out = []
    t = threading.Thread(target=lambda: out.append(function()), daemon=True)
    t.start()
    out_of = lambda seconds=15: (t.join(seconds), out[0] if out else None)[1]
    return out_of


def connected(server, version, **more):
    s, peer = wrapped(server, version, **more)
    ours = in_thread(lambda: lib.tls_handshake(s))
    peer.handshake()
    r = ours()
    holds(r == 0, f"the handshake: {r} {lib.detail(s)}")
    return s, peer


def roles(name, seconds=40):
    """Registers a case for both roles and both versions."""

    def register(function):
        for server in (False, True):
            for version in (TLS13, TLS12):
                who = "server" if server else "client"
                case(f"{name}, {who}, {'1.3' if version == TLS13 else '1.2'}", seconds, server=server, version=version)(function)
        return function

    return register
