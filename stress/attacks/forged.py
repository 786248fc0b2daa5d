#!/usr/bin/env python3
"""Peers that break the rules of TLS, or follow them in unexpected ways."""

import os
import select
import socket
import ssl
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from cases import case, holds, main, within
from ends import TLS12, TLS13, connected, context, in_thread, lib, roles, wrapped
from forger import ALERT, DATA, HANDSHAKE, record
from usocket import CERTS, Event
import ctypes
import fcntl
import termios

POLLIN, POLLOUT = 1, 4

# --- the end of a connection ---


@roles("goodbye, a byte and a reset: close returns", 15)
def close_after_goodbye(server, version):
    for extra in (b"\x17", b"\x15\x03\x03", b"x" * 100):
        for read_first in (True, False):
            s, peer = connected(server, version)
            peer.sock.sendall(peer.goodbye() + extra)
            time.sleep(0.05)
            if read_first:
                lib.receive(s)
            peer.reset()
            time.sleep(0.05)
            with within(3, "close after close_notify, more bytes and a reset"):
                lib.close(s)


@roles("goodbye, a byte and a reset: shutdown returns", 15)
def shutdown_after_goodbye(server, version):
    for extra in (b"\x17", b"x" * 100):
        for read_first in (True, False):
            for op in ("shutdown", "send and shutdown"):
                s, peer = connected(server, version)
                peer.sock.sendall(peer.goodbye() + extra)
                time.sleep(0.05)
                if read_first:
                    lib.receive(s)
                peer.reset()
                time.sleep(0.05)
                if op != "shutdown":
                    with within(3, "send after close_notify, more bytes and a reset"):
                        lib.send(s, b"x", 1, 0)
                with within(3, "shutdown(SHUT_WR) after close_notify, more bytes and a reset"):
                    lib.shutdown(s, 1)


@roles("goodbye and a reset: nothing spins", 20)
def goodbye_without_end(server, version):
    s, peer = connected(server, version)
    peer.sock.sendall(peer.goodbye() + b"\x17\x03\x03")
    time.sleep(0.05)
    lib.receive(s)
    lib.ok(lib.settimeout(s, 500_000))
    began = time.process_time()
    for _ in range(3):
        lib.receive(s)
        lib.poll1(s, POLLIN, 100_000)
        lib.tls_wants(s)
    holds(time.process_time() - began < 0.4, f"{time.process_time() - began:.1f} s of processor")


@roles("all that was sent, then a truncated end, is told", 20)
def truncated(server, version):
    s, peer = connected(server, version)
    peer.sock.sendall(peer.write(b"a" * 1000))
    peer.sock.shutdown(socket.SHUT_WR)
    got = lib.receive(s)
    holds(got == b"a" * 1000, f"{got}")
    for _ in range(3):
        got = lib.receive(s)
        holds(got == lib.ETLS_TRUNCATED, f"the end without close_notify: {got}")


@roles("a truncated record is not an end", 20)
def truncated_record(server, version):
    s, peer = connected(server, version)
    data = peer.write(b"a" * 1000)
    peer.sock.sendall(data[:-7])
    peer.sock.shutdown(socket.SHUT_WR)
    got = lib.receive(s)
    holds(isinstance(got, int) and got < 0 and got not in (-11, -9), f"half a record and the end: {got}")


@roles("everything in one segment: handshake's end, data, goodbye", 20)
def all_at_once(server, version):
    if not server:
        # The client speaks last in 1.3, the server in 1.2: both end in the peer's flight here.
        s, peer = wrapped(server, version)
        ours = in_thread(lambda: lib.tls_handshake(s))
        held = []
        while True:
            done, out = peer.step()
            held.append(out)
            if done:
                break
            if version == TLS13 or len(held) == 1:
                peer.sock.sendall(b"".join(held))
                held.clear()
            if not peer.take():
                break
        peer.sock.sendall(b"".join(held) + peer.write(b"hello") + peer.goodbye())
    else:
        s, peer = wrapped(server, version)
        ours = in_thread(lambda: lib.tls_handshake(s))
        while True:
            done, out = peer.step()
            if done:
                peer.sock.sendall(out + peer.write(b"hello") + peer.goodbye())
                break
            if out:
                peer.sock.sendall(out)
            peer.take()
    r = ours()
    holds(r == 0, f"the handshake: {r} {lib.detail(s)}")
    lib.ok(lib.settimeout(s, 5_000_000))
    got = lib.receive(s)
    holds(got == b"hello", f"{got}")
    got = lib.receive(s)
    holds(got == b"", f"the end: {got}")


@case("a client that completes and closes, 1.3", version=TLS13)
@case("a client that completes and closes, 1.2", version=TLS12)
def only_closes(version):
    for i in range(25):
        s, peer = wrapped(True, version)
        ours = in_thread(lambda: lib.tls_handshake(s))
        while True:
            done, out = peer.step()
            if done:
                peer.sock.sendall(out + peer.goodbye())
                break
            if out:
                # In 1.2 close_notify can only come after the server's Finished, or right after ours.
                opened = None
                if version == TLS12 and i % 2 and peer.said.count(b"\x14\x03\x03\x00\x01\x01"):
                    keys = peer.keys()
                    opened = keys.seal(ALERT, b"\x01\x00")
                peer.sock.sendall(out + (opened or b""))
                if opened:
                    break
            if not peer.take():
                break
        peer.sock.shutdown(socket.SHUT_WR)
        r = ours()
        holds(r == 0, f"connection {i}: {r} {lib.detail(s)}")
        got = lib.receive(s)
        holds(got == b"", f"connection {i}: {got}")
        lib.close(s)


# --- floods ---


def flood_records(keys, kind, n):
    """n records without data"""
    if kind == "tickets":
        ticket = struct.pack("!IIB", 3600, 1, 1) + b"n" + struct.pack("!H", 32) + b"t" * 32 + b"\0\0"
        body = b"\x04" + len(ticket).to_bytes(3, "big") + ticket
        return b"".join(keys.seal(HANDSHAKE, body) for _ in range(n)), keys
    if kind == "empty":
        return b"".join(keys.seal(DATA, b"") for _ in range(n)), keys
    if kind == "warnings":
        return b"".join(keys.seal(ALERT, b"\x01\x5a") for _ in range(n)), keys
    if kind == "hello requests":
        return b"".join(keys.seal(HANDSHAKE, b"\0\0\0\0") for _ in range(n)), keys
    out = []
    for i in range(n):
        if i % 20 == 0:
            out.append(keys.seal(HANDSHAKE, b"\x18\0\0\1\0"))
            keys = keys.updated()
        else:
            out.append(keys.seal(DATA, b"", 3))
    return b"".join(out), keys


def flooded(server, version, kind, n=40000):
    """A connection with so many such records in its receive buffer."""
    s, peer = connected(server, version)
    lib.setsockopt_int(s, socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    keys = peer.keys()
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    data, _ = flood_records(keys, kind, n)
    state = {"bytes": len(data)}
    peer.sock.settimeout(None)

    def pour():
        try:
            peer.sock.sendall(data)
        except OSError:
            pass

    threading.Thread(target=pour, daemon=True).start()
    there, until = -1, time.monotonic() + 10
    while there != waiting(s) and time.monotonic() < until:
        there = waiting(s)
        time.sleep(0.1)
    return s, peer, state


def waiting(s):
    """Bytes in the receive buffer."""
    return struct.unpack("i", fcntl.ioctl(lib.fileno(s), termios.FIONREAD, b"\0" * 4))[0]


# The call and its time limit; its result does not matter here.
FLOODS = [
    (False, TLS13, "tickets"), (False, TLS13, "empty"), (False, TLS13, "updates"), (True, TLS13, "empty"),
    (True, TLS13, "updates"), (False, TLS12, "empty"), (True, TLS12, "empty"), (False, TLS12, "hello requests"),
    (True, TLS12, "warnings"), (False, TLS12, "warnings"),
]


def flood(server, version, kind):
    for way in ("timeout", "nonblocking", "dontwait", "poll", "poller", "pending"):
        s, peer, state = flooded(server, version, kind)
        lib.ok(lib.settimeout(s, {"timeout": 200_000, "nonblocking": 0}.get(way, -1)))
        poller = lib.ok(lib.poller_create())
        lib.ok(lib.poller_add(poller, s, POLLIN, 1))
        event = Event()
        before, began = waiting(s), time.monotonic()
        holds(before > 500_000, f"only {before} bytes are there")
        if way == "dontwait":
            r = lib.receive(s, 100, socket.MSG_DONTWAIT)
        elif way == "poll":
            r = lib.poll1(s, POLLIN, 0)
        elif way == "poller":
            r = lib.poller_wait(poller, ctypes.byref(event), 1, 0)
        elif way == "pending":
            r = lib.tls_pending(s)
        else:
            r = lib.receive(s, 100)
        took, taken = time.monotonic() - began, before - waiting(s)
        if way == "timeout":
            holds(took < 5, f"a recv with 0.2 s took {took:.2f} s in a flood of {kind}")
        else:
            holds(taken <= 400_000 or isinstance(r, int) and r < -1000,
                  f"{way}: a call that must not wait took in {taken} bytes of {kind} in {took:.2f} s, and gave {r}")
        lib.close(s)
        lib.close(poller)
        try:
            peer.reset()
        except OSError:
            pass


for _server, _version, _kind in FLOODS:
    case(f"flood of {_kind} to a {'server' if _server else 'client'}, {'1.3' if _version == TLS13 else '1.2'}", 90,
         server=_server, version=_version, kind=_kind)(flood)


@roles("a flood without data ends the connection", 60)
def flood_ends(server, version):
    s, peer, state = flooded(server, version, "empty", 60000)
    lib.ok(lib.settimeout(s, 10_000_000))
    with within(20, "a recv with 10 s"):
        got = lib.receive(s, 100)
    holds(got != -110, "60,000 empty records, and the connection is still good")


@roles("a send that fails takes in no more than it must", 60)
def send_beside_data(server, version):
    s, peer = connected(server, version)
    lib.ok(lib.settimeout(s, 0))

    def pour():
        try:
            while True:
                peer.sock.sendall(peer.write(b"y" * 262144))
        except OSError:
            pass

    threading.Thread(target=pour, daemon=True).start()
    time.sleep(0.2)
    # Only our sending half ends, behind the library's back.
    socket.socket(fileno=os.dup(lib.fileno(s))).shutdown(socket.SHUT_WR)
    r = lib.send(s, b"x", 1, 0)
    holds(r == -32, f"{r} {lib.detail(s)}")
    holds(lib.tls_pending(s) <= 400_000, f"a send that failed has taken in {lib.tls_pending(s)} bytes")


# --- pending data ---


@roles("two records at once: pending and wants know the second", 20)
def two_records(server, version):
    s, peer = connected(server, version)
    peer.sock.sendall(peer.write(b"a" * 100) + peer.write(b"b" * 100))
    time.sleep(0.1)
    got = lib.receive(s, 100)
    holds(got == b"a" * 100, f"{got}")
    pending, wants = lib.tls_pending(s), lib.tls_wants(s)
    readable = bool(select.select([lib.fileno(s)], [], [], 0)[0])
    there = lib.receive(s, 100, socket.MSG_DONTWAIT)
    holds(there == b"b" * 100, f"{there}")
    holds(pending > 0 or readable, f"100 bytes were there: pending {pending}, wants {wants}, the descriptor is not readable")


@roles("half a record is not readable, and does not spin", 20)
def half_a_record(server, version):
    s, peer = connected(server, version)
    data = peer.write(b"a" * 5000)
    peer.sock.sendall(data[:3000])
    time.sleep(0.05)
    poller = lib.ok(lib.poller_create())
    lib.ok(lib.poller_add(poller, s, POLLIN, 1))
    event = Event()
    for name, call in (("poll", lambda: lib.poll1(s, POLLIN, 400_000)),
                       ("poller_wait", lambda: lib.poller_wait(poller, ctypes.byref(event), 1, 400_000))):
        cpu = time.process_time()
        r = call()
        holds(r == 0, f"{name} on half a record: {r}")
        holds(time.process_time() - cpu < 0.2, f"{name} on half a record spins")
    peer.sock.sendall(data[3000:])
    holds(lib.poll1(s, POLLIN, 5_000_000) == POLLIN, "the whole record is not readable")
    holds(len(lib.receive(s)) == 5000, "not all of it")


# --- record boundaries ---


@roles("the handshake in 1-byte segments", 40)
def one_byte_segments(server, version):
    s, peer = wrapped(server, version)
    ours = in_thread(lambda: lib.tls_handshake(s))
    peer.handshake(lambda data: [peer.sock.sendall(data[i : i + 1]) for i in range(len(data))])
    r = ours(30)
    holds(r == 0, f"{r} {lib.detail(s)}")
    for i, byte in enumerate(peer.write(b"hello")):
        peer.sock.sendall(bytes([byte]))
    holds(lib.read_all(s, 5) == b"hello", "the data")


@roles("the handshake in records of one byte", 40)
def one_byte_records(server, version):
    s, peer = wrapped(server, version)
    ours = in_thread(lambda: lib.tls_handshake(s))

    def send(data):
        out = []
        for kind, plain, keys in peer.opened(data):
            if kind == HANDSHAKE:
                out += [(kind, plain[i : i + 1], keys) for i in range(len(plain))]
            else:
                out.append((kind, plain, keys))
        peer.sock.sendall(peer.resealed(out))

    try:
        peer.handshake(send)
    except (ConnectionError, ssl.SSLError):
        pass
    r = ours(30)
    # rustls limits the pieces of a message; but it must not report another error.
    holds(r in (0, lib.ETLS_PROTOCOL, lib.ETLS_PEER_INCOMPATIBLE), f"{r} {lib.detail(s)}")


@roles("a data record of the wrong length", 40)
def wrong_lengths(server, version):
    for n in (0, 1, 15, 16, 17, 16384 + 256 + 1, 16384 + 2048 + 1, 65535):
        s, peer = connected(server, version)
        lib.ok(lib.settimeout(s, 3_000_000))
        peer.sock.sendall(record(DATA, b"\xaa" * n))
        with within(10, f"a record of {n} bytes"):
            got = lib.receive(s)
        holds(isinstance(got, int) and got <= -10000, f"a forged record of {n} bytes: {got}")
        holds(lib.receive(s) == got, "the error is not final")
        lib.close(s)


@roles("data after close_notify is not delivered as the session's", 30)
def data_after_goodbye(server, version):
    s, peer = connected(server, version)
    keys = peer.keys()
    peer.sock.sendall(keys.seal(ALERT, b"\1\0") + keys.seal(DATA, b"late"))
    time.sleep(0.05)
    for _ in range(3):
        got = lib.receive(s)
        holds(got != b"late", "data behind close_notify is taken for the session's")


@roles("a record that was seen before is refused", 30)
def replayed(server, version):
    s, peer = connected(server, version)
    lib.ok(lib.settimeout(s, 3_000_000))
    data = peer.write(b"pay 100")
    peer.sock.sendall(data + data)
    holds(lib.receive(s, 7) == b"pay 100", "the first")
    got = lib.receive(s, 7)
    holds(isinstance(got, int) and got <= -10000, f"the same record again: {got}")


@roles("a flipped bit is found, wherever it is", 60)
def flipped(server, version):
    for at in range(0, 40):
        s, peer = connected(server, version)
        lib.ok(lib.settimeout(s, 300_000))
        data = bytearray(peer.write(b"pay 100 to me"))
        data[at % len(data)] ^= 1
        peer.sock.sendall(bytes(data))
        got = lib.receive(s)
        # 1.3's outer type and version say nothing; rustls does not look at them.
        idle = version == TLS13 and at % len(data) < 3 and got == b"pay 100 to me"
        holds(idle or isinstance(got, int) and got < 0, f"byte {at}: {got}")
        lib.close(s)
        peer.sock.close()


# --- after an error ---


@case("the alert arrives although the client has sent 40 kB", 60)
def alert_beside_early_data():
    refused = context(True)
    lib.ok(lib.tls_context_set_verify(refused, lib.TLS_VERIFY_REQUIRED))
    lib.ok(lib.tls_context_add_trust_file(refused, f"{CERTS}/ca.pem".encode()))
    seen = 0
    for _ in range(30):
        s, peer = wrapped(True, TLS13, ours=refused)
        ours = in_thread(lambda: (lib.tls_handshake(s), lib.close(s))[0])
        try:
            done = False
            while not done:
                done, out = peer.step()
                # The client has completed the handshake, does not know of the refusal, and sends at
                # once.
                peer.sock.sendall(out + (peer.write(b"x" * 40000) if done else b""))
                if not done:
                    peer.take()
            ours()
            time.sleep(0.02)
            peer.read(1, 3)
        except ssl.SSLError as e:
            seen += "ALERT" in str(e).upper()
        except OSError:
            pass
    holds(seen >= 29, f"{seen} of 30 refused clients were told why")


@case("an Ed25519 server says that it has no certificate for the client", 20)
def ed25519_server():
    ours = lib.ok(lib.tls_context_create(lib.TLS_SERVER))
    lib.ok(lib.tls_context_add_cert_file(ours, f"{CERTS}/server-ed25519.pem".encode(), f"{CERTS}/server-ed25519-key.pem".encode()))
    for sigalgs, versions in (("ECDSA+SHA256", "-tls1_3"), ("ECDSA+SHA256", "-tls1_2")):
        import subprocess

        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = subprocess.Popen(
                ["openssl", "s_client", "-connect", "127.0.0.1:%d" % listener.getsockname()[1], versions, "-sigalgs", sigalgs],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            conn, _ = listener.accept()
        s = lib.ok(lib.from_fd(conn.detach()))
        lib.ok(lib.settimeout(s, 5_000_000))
        lib.ok(lib.tls_wrap(s, ours, None, 0))
        r = lib.tls_handshake(s)
        words = lib.detail(s)
        lib.close(s)
        text = client.communicate(timeout=10)[0].decode(errors="replace")
        holds(r == lib.ETLS_NO_COMMON_SIGNATURE, f"{versions}: {r} {words}")
        holds("alert" in text.lower(), f"{versions}: no alert was sent")


def raw_client_hello(version=0x0303, suites=(0x1301,), extensions=b""):
    body = struct.pack("!H", version) + os.urandom(32) + b"\0"
    body += struct.pack("!H", 2 * len(suites)) + b"".join(struct.pack("!H", s) for s in suites) + b"\1\0"
    body += struct.pack("!H", len(extensions)) + extensions
    return b"\1" + len(body).to_bytes(3, "big") + body


@case("a client of TLS 1.1 is told that it is the version", 20)
def old_version():
    s, peer = wrapped(True, TLS13)
    sig = struct.pack("!HHHH", 13, 4, 2, 0x0201)
    peer.sock.sendall(record(HANDSHAKE, raw_client_hello(0x0302, (0xC00A, 0x002F, 0x0035), sig), 0x0301))
    r = lib.tls_handshake(s)
    holds(r == lib.ETLS_NO_COMMON_VERSION, f"{r} {lib.detail(s)}")
    lib.close(s)
    peer.sock.settimeout(5)
    answer = peer.sock.recv(100)
    holds(answer[0:1] == b"\x15" and answer[6] == 70, f"the alert: {answer.hex()}")


@case("a client of CBC suites alone is told that it is the suites", 20)
def old_suites():
    s, peer = wrapped(True, TLS13)
    sig = struct.pack("!HHHHH", 13, 6, 4, 0x0403, 0x0401)
    groups = struct.pack("!HHHH", 10, 4, 2, 23)
    points = struct.pack("!HHBB", 11, 2, 1, 0)
    ems = struct.pack("!HH", 23, 0)
    peer.sock.sendall(record(HANDSHAKE, raw_client_hello(0x0303, (0xC009, 0xC00A, 0xC013, 0x002F), sig + groups + points + ems)))
    r = lib.tls_handshake(s)
    holds(r == lib.ETLS_NO_COMMON_SUITE, f"{r} {lib.detail(s)}")


@roles("no TLS at all is said to be that", 30)
def no_tls(server, version):
    for data in (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 400 Bad Request\r\n\r\n", b"220 mail ESMTP\r\n", b"\0" * 50, b"\xff" * 50):
        s, peer = wrapped(server, version)
        lib.ok(lib.settimeout(s, 5_000_000))
        peer.sock.sendall(data)
        with within(10, "a handshake with no TLS"):
            r = lib.tls_handshake(s)
        holds(r == lib.ETLS_NOT_TLS, f"{data[:8]}: {r} {lib.detail(s)}")
        lib.close(s)


if __name__ == "__main__":
    main(__file__)
