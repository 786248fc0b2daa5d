"""A peer that speaks TLS by OpenSSL and can say whatever it likes under the session's keys.

OpenSSL tells the secrets (its key log), so what it sends can be opened, changed and sealed again:
messages dropped, doubled, split or reordered, and records that OpenSSL would never send.
"""

import socket
import ssl
import struct
import tempfile

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from usocket import CERTS

CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
# Of each suite: hash, key length, AEAD.
SUITES = {
    0x1301: (hashes.SHA256, 16, AESGCM), 0x1302: (hashes.SHA384, 32, AESGCM),
    0x1303: (hashes.SHA256, 32, ChaCha20Poly1305),
    0xC02B: (hashes.SHA256, 16, AESGCM), 0xC02F: (hashes.SHA256, 16, AESGCM),
    0xC02C: (hashes.SHA384, 32, AESGCM), 0xC030: (hashes.SHA384, 32, AESGCM),
    0xCCA8: (hashes.SHA256, 32, ChaCha20Poly1305), 0xCCA9: (hashes.SHA256, 32, ChaCha20Poly1305),
}


def mac(algorithm, key, data):
    h = hmac.HMAC(key, algorithm())
    h.update(data)
    return h.finalize()


def expand(algorithm, secret, info, n):
    out = block = b""
    i = 1
    while len(out) < n:
        block = mac(algorithm, secret, block + info + bytes([i]))
        out += block
        i += 1
    return out[:n]


def expand_label(algorithm, secret, label, n):
    label = b"tls13 " + label
    return expand(algorithm, secret, struct.pack("!HB", n, len(label)) + label + b"\0", n)


def prf(algorithm, secret, seed, n):
    out, a = b"", seed
    while len(out) < n:
        a = mac(algorithm, secret, a)
        out += mac(algorithm, secret, a + seed)
    return out[:n]


def record(kind, body, version=0x0303):
    return struct.pack("!BHH", kind, version, len(body)) + body


def records(data):
    """(complete records as (type, body, raw), the rest)"""
    out, at = [], 0
    while len(data) - at >= 5:
        kind, _, n = struct.unpack_from("!BHH", data, at)
        if len(data) - at < 5 + n:
            break
        out.append((kind, data[at + 5 : at + 5 + n], data[at : at + 5 + n]))
        at += 5 + n
    return out, data[at:]


def messages(data):
    """Handshake messages, whole, with their headers."""
    out, at = [], 0
    while at < len(data):
        n = 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        out.append(data[at : at + n])
        at += n
    return out


class Keys:
    """One direction's keys, and its count."""

    def __init__(self, version, suite, secret=None, key=None, iv=None):
        self.algorithm, length, self.aead = SUITES[suite]
        self.version, self.secret, self.seq = version, secret, 0
        if version == 0x0304:
            key = expand_label(self.algorithm, secret, b"key", length)
            iv = expand_label(self.algorithm, secret, b"iv", 12)
        self.cipher, self.iv, self.length = self.aead(key), iv, length

    def nonce(self, explicit=None):
        if self.version == 0x0303 and self.aead is AESGCM:
            return self.iv + explicit
        return bytes(a ^ b for a, b in zip(self.iv, self.seq.to_bytes(12, "big")))

    def seal(self, kind, body, padding=0):
        if self.version == 0x0304:
            inner = body + bytes([kind]) + b"\0" * padding
            header = struct.pack("!BHH", DATA, 0x0303, len(inner) + 16)
            out = header + self.cipher.encrypt(self.nonce(), inner, header)
        else:
            explicit = self.seq.to_bytes(8, "big") if self.aead is AESGCM else b""
            extra = self.seq.to_bytes(8, "big") + struct.pack("!BHH", kind, 0x0303, len(body))
            out = record(kind, explicit + self.cipher.encrypt(self.nonce(explicit), body, extra))
        self.seq += 1
        return out

    def open(self, kind, body):
        """(inner type, plaintext), or None for another key's"""
        try:
            if self.version == 0x0304:
                header = struct.pack("!BHH", kind, 0x0303, len(body))
                inner = self.cipher.decrypt(self.nonce(), body, header).rstrip(b"\0")
                kind, plain = inner[-1], inner[:-1]
            else:
                explicit, body = (body[:8], body[8:]) if self.aead is AESGCM else (b"", body)
                extra = self.seq.to_bytes(8, "big") + struct.pack("!BHH", kind, 0x0303, len(body) - 16)
                plain = self.cipher.decrypt(self.nonce(explicit), body, extra)
        except Exception:
            return None
        self.seq += 1
        return kind, plain

    def updated(self):
        secret = expand_label(self.algorithm, self.secret, b"traffic upd", self.algorithm.digest_size)
        return Keys(self.version, self.suite_of(), secret)

    def suite_of(self):
        return next(s for s, v in SUITES.items() if v == (self.algorithm, self.length, self.aead))


class Peer:
    """OpenSSL's end of a connection, `sock` its end of the wire. `server` says which it is."""

    def __init__(self, sock, server, version=ssl.TLSVersion.TLSv1_3, cert="server", context=None, name="server.example"):
        self.sock, self.server = sock, server
        self.log = tempfile.NamedTemporaryFile("r", prefix="stress-keys-")
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            context.minimum_version = context.maximum_version = version
            if server:
                context.load_cert_chain(f"{CERTS}/{cert}.pem", f"{CERTS}/{cert}-key.pem")
                context.num_tickets = 0
        context.keylog_filename = self.log.name
        self.context = context
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server, None if server else name)
        self.heard, self.said = b"", b""  # all that crossed the wire, for the hellos
        self.ended = False

    # --- moving bytes ---

    def take(self, timeout=10):
        """Passes the other end's next bytes to OpenSSL; False at the end."""
        self.sock.settimeout(timeout)
        try:
            data = self.sock.recv(65536)
        except (ConnectionError, socket.timeout):
            data = b""
        if not data:
            self.ended = True
            return False
        self.heard += data
        self.incoming.write(data)
        return True

    def flight(self):
        """OpenSSL's pending output."""
        data = self.outgoing.read()
        self.said += data
        return data

    def step(self):
        """One step of the handshake: (done, what to send)."""
        try:
            self.tls.do_handshake()
            return True, self.flight()
        except ssl.SSLWantReadError:
            return False, self.flight()

    def handshake(self, send=None):
        """The whole handshake; `send` gets each flight, instead of the wire."""
        send = send or self.sock.sendall
        while True:
            done, out = self.step()
            if out:
                send(out)
            if done:
                return self
            if not self.take():
                raise ConnectionError("the handshake was ended")

    def write(self, data):
        self.tls.write(data)
        return self.flight()

    def read(self, n, timeout=10):
        out = b""
        while len(out) < n:
            try:
                got = self.tls.read(n - len(out))
                if not got:
                    break
                out += got
            except ssl.SSLWantReadError:
                if not self.take(timeout):
                    break
            except ssl.SSLZeroReturnError:
                break
        return out

    def goodbye(self):
        """close_notify"""
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLError):
            pass
        return self.flight()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # --- keys ---

    def secrets(self):
        self.log.seek(0)
        return {w[0]: (bytes.fromhex(w[1]), bytes.fromhex(w[2])) for w in map(str.split, self.log) if len(w) == 3}

    def hello(self, data, kind):
        for k, body, _ in records(data)[0]:
            if k == HANDSHAKE and body[0] == kind:
                found = messages(body)[0]
                # A HelloRetryRequest has this random: the real one follows.
                if found[6:38].hex().startswith("cf21ad74e59a6111"):
                    continue
                return found

    def suite(self):
        server = self.hello(self.said if self.server else self.heard, 2)
        at = 39 + server[38]
        return int.from_bytes(server[at : at + 2], "big")

    def randoms(self):
        server = self.hello(self.said if self.server else self.heard, 2)
        client = self.hello(self.heard if self.server else self.said, 1)
        return client[6:38], server[6:38]

    def keys(self, which=None):
        """The keys this end sends with: "handshake" or "traffic" of 1.3, the only ones of 1.2."""
        secrets, suite = self.secrets(), self.suite()
        if "CLIENT_RANDOM" in secrets:
            algorithm, length, aead = SUITES[suite]
            client, server = self.randoms()
            iv = 4 if aead is AESGCM else 12
            block = prf(algorithm, secrets["CLIENT_RANDOM"][1], b"key expansion" + server + client, 2 * (length + iv))
            key, at = (block[length : 2 * length], 2 * length + iv) if self.server else (block[:length], 2 * length)
            keys = Keys(0x0303, suite, key=key, iv=block[at : at + iv])
            keys.seq = 1  # Finished was the first
            return keys
        side = "SERVER" if self.server else "CLIENT"
        label = f"{side}_HANDSHAKE_TRAFFIC_SECRET" if which == "handshake" else f"{side}_TRAFFIC_SECRET_0"
        return Keys(0x0304, suite, secrets[label][1])

    def opened(self, data):
        """A flight's records as (type, plaintext, keys or None for what is plain)."""
        out, keys, encrypted = [], None, False
        for kind, body, _ in records(data)[0]:
            if kind == DATA:
                candidates = [keys] if keys else [self.keys("handshake"), self.keys()]
                candidates += [self.keys()] if keys else []
                for k in candidates:
                    found = k.open(kind, body)
                    if found:
                        keys = k
                        out.append((*found, keys))
                        break
                else:
                    raise AssertionError("a record that none of the keys opens")
            elif encrypted:
                keys = self.keys()
                keys.seq = 0
                out.append((*keys.open(kind, body), keys))
            else:
                out.append((kind, body, None))
                encrypted = kind == CCS and "CLIENT_RANDOM" in self.secrets()
        return out

    def resealed(self, opened):
        """Encrypts again, with each set of keys counting from 0."""
        out, fresh = b"", {}
        for kind, plain, keys in opened:
            if keys is None:
                out += record(kind, plain)
                continue
            if id(keys) not in fresh:
                keys.seq = 0
                fresh[id(keys)] = keys
            out += keys.seal(kind, plain)
        return out
