#!/usr/bin/env python3
"""Every message of the peer's handshake, changed and sealed again under its own keys.

For each message: dropped, doubled, swapped with the next, cut short, lengthened, of another type, its
length a lie, followed by a stray one; each record in pieces, empty records between them, a change of
cipher where there is none. For both roles and both versions. In every case: a result by the deadline, a
code of TLS, no success that the change forbids, and a close that returns.
"""

import os
import random
import ssl
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from cases import case, holds, main, within
from ends import TLS12, TLS13, in_thread, lib, wrapped
from forger import ALERT, CCS, DATA, HANDSHAKE, messages, record

CHANGES = ["drop", "double", "swap", "cut", "longer", "type", "length", "stray", "empty record", "ccs", "alert", "data", "zeros",
           "split", "bytes", "hello request", "certificate request", "end", "reset", "flip"]
# Changes without effect on the content.
HARMLESS = {"split", "bytes"}


def parts(opened):
    """Single messages, as (type, plaintext, keys)."""
    out = []
    for kind, plain, keys in opened:
        if kind == HANDSHAKE:
            out += [(kind, m, keys) for m in messages(plain)]
        else:
            out.append((kind, plain, keys))
    return out


def changed(opened, at, change, some):
    """The flight with its message `at` changed."""
    out = parts(opened)
    if at >= len(out):
        return None
    kind, plain, keys = out[at]
    stray = {
        "stray": (HANDSHAKE, bytes([some.choice([1, 2, 4, 8, 11, 13, 14, 15, 16, 20, 24, 254])]) + b"\0\0\x04abcd", keys),
        "empty record": (kind, b"", keys), "ccs": (CCS, b"\1", None), "alert": (ALERT, bytes([some.choice([1, 2]), some.randrange(120)]), keys),
        "data": (DATA, b"hello", keys), "hello request": (HANDSHAKE, b"\0\0\0\0", keys),
        "certificate request": (HANDSHAKE, b"\x0d\0\0\x0b\0\0\x08\0\x0d\0\x04\0\x02\x04\x03", keys),
    }
    if change in stray:
        out.insert(at + some.randrange(2), stray[change])
    elif change == "drop":
        del out[at]
    elif change == "double":
        out.insert(at, out[at])
    elif change == "swap":
        if at + 1 >= len(out):
            return None
        out[at], out[at + 1] = out[at + 1], out[at]
    elif change == "split":
        cut = some.randrange(1, max(2, len(plain)))
        out[at : at + 1] = [(kind, plain[:cut], keys), (kind, plain[cut:], keys)] if kind == HANDSHAKE and len(plain) > 1 else [out[at]]
    elif change == "bytes":
        out[at : at + 1] = [(kind, plain[i : i + 1], keys) for i in range(min(len(plain), 300))] + (
            [(kind, plain[300:], keys)] if len(plain) > 300 else []) if kind == HANDSHAKE else [out[at]]
    else:
        new = bytearray(plain)
        if change == "cut":
            new = new[: some.randrange(len(new))]
        elif change == "longer":
            new += some.randbytes(some.choice([1, 4, 300]))
            if kind == HANDSHAKE and some.randrange(2):
                new[1:4] = (len(new) - 4).to_bytes(3, "big")
        elif change == "type":
            new[0] = some.randrange(256)
        elif change == "length" and len(new) > 3:
            new[1:4] = some.choice([0, 1, 0xFFFFFF, 0x010000, max(0, len(new) - 5), len(new) - 3]).to_bytes(3, "big")
        elif change == "zeros":
            new[4:] = bytes(max(0, len(new) - 4))
        elif change == "flip":
            new[some.randrange(len(new))] ^= 1 << some.randrange(8)
        if bytes(new) == plain:
            return None
        out[at] = (kind, bytes(new), keys)
    return out


def attempt(server, version, change, at, seed, way):
    some = random.Random(seed)
    what = f"{change} message {at} (seed {seed}, {way})"
    s, peer = wrapped(server, version)
    state = {"flight": 0, "done": False, "at": at}
    if way == "nonblocking":
        lib.ok(lib.settimeout(s, 0))
    else:
        lib.ok(lib.settimeout(s, 1_500_000))

    def ours():
        began = time.monotonic()
        r = lib.tls_handshake(s)
        while r == -11 and time.monotonic() - began < 3:
            lib.poll1(s, 5, 300_000)
            r = lib.tls_handshake(s)
        return r, time.monotonic() - began

    def send(data):
        opened = peer.opened(data)
        n = len(parts(opened))
        if state["at"] >= n:
            state["at"] -= n  # it comes with a later flight
            peer.sock.sendall(data)
            return
        if not state["done"]:
            state["done"] = True
            if change in ("end", "reset"):
                sealed = peer.resealed(parts(opened)[: state["at"]])
                sealed += b"" if state["at"] >= n else data[:0] + record(HANDSHAKE, b"\1")[: some.randrange(6)]
                peer.sock.sendall(sealed)
                if change == "reset":
                    time.sleep(0.005)
                    peer.reset()
                else:
                    peer.sock.shutdown(1)
                raise ConnectionError("as planned")
            out = changed(opened, state["at"], change, some)
            if out is not None:
                peer.sock.sendall(peer.resealed(out))
                return
            state["same"] = True
        peer.sock.sendall(data)

    running = in_thread(ours)
    theirs = None
    try:
        peer.sock.settimeout(3)
        take = peer.take
        peer.take = lambda timeout=3: take(timeout)
        peer.handshake(send)
        theirs = True
    except (OSError, ssl.SSLError, AssertionError):
        theirs = False
        if change != "reset":
            try:
                peer.sock.sendall(peer.flight())
                peer.sock.shutdown(1)
            except OSError:
                pass
    answer = running(20)
    holds(answer is not None, f"{what}: the handshake hangs")
    r, took = answer
    holds(took < 8, f"{what}: the handshake with 1.5 s took {took:.1f} s")
    holds(r == 0 or r <= -10000 or r in (-110, -104, -11, -32), f"{what}: {r} {lib.detail(s)}")
    if state["done"] and change in HARMLESS:
        holds(r == 0, f"{what}, which changes nothing: {r} {lib.detail(s)}")
    with within(4, f"{what}: close"):
        lib.close(s)
    try:
        peer.sock.close()
    except OSError:
        pass
    return state["done"], r, theirs and "same" not in state


def sweep(server, version, change):
    seed = int(os.environ.get("HANDSHAKE_SEED") or os.environ.get("STRESS_SEED") or 1)
    reached = 0
    for at in range(12):
        done, r, theirs = attempt(server, version, change, at, seed + at, ("timeout", "nonblocking")[at % 2])
        if not done:
            break
        reached += 1
        # Both sides finished although a message covered by the transcript had changed.
        if r == 0 and theirs and change in ("drop", "double", "swap", "zeros"):
            # A lost or doubled change_cipher_spec of 1.3's compatibility is no change.
            holds(version == TLS13, f"{change} message {at}: both sides are content")
    holds(reached > 0, "nothing was changed")


for _server in (False, True):
    for _version in (TLS13, TLS12):
        for _change in CHANGES:
            who = "to a server" if _server else "to a client"
            case(f"handshake: {_change}, {who}, {'1.3' if _version == TLS13 else '1.2'}", 150,
                 server=_server, version=_version, change=_change)(sweep)

if __name__ == "__main__":
    main(__file__)
