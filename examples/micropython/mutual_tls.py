# Mutual TLS in MicroPython over libusocket, both ends in one program: the server knows its client by its
# certificate, sends back what it sends, and turns away one with a stranger's certificate and one without. A
# client turns away a server whose certificate has expired.
#
#     target/micropython/micropython examples/micropython/mutual_tls.py [DIRECTORY]
#
# where `make certs` has put certificates (target/certs). Exits with 0 only if all of that holds.

import _thread
import hashlib
import os
import socket
import ssl
import sys

CERTS = sys.argv[1] if len(sys.argv) > 1 else "target/certs"
FILES = ["ca.pem"] + [n + s for n in ("server", "expired", "client", "client-other") for s in (".pem", "-key.pem")]
TIMEOUT = 10  # seconds, for each operation
DATA = os.urandom(64 * 1024) * 4


def context(role, identity):
    c = ssl.SSLContext(role)
    c.load_verify_locations("%s/ca.pem" % CERTS)
    if identity:
        c.load_cert_chain("%s/%s.pem" % (CERTS, identity), "%s/%s-key.pem" % (CERTS, identity))
    # A client verifies its server by default; a server must be told to.
    c.verify_mode = ssl.CERT_REQUIRED
    return c


def common_name(der):
    """The last one in a certificate: the first is its issuer's. The verification decides whether to
    accept the peer."""
    at = der.rfind(b"\x55\x04\x03")
    return der[at + 5 : at + 5 + der[at + 4]].decode()


def checksum(data):
    return "".join("%02x" % b for b in hashlib.sha256(data).digest()[:8])


def serve(listener, contexts, served):
    for c in contexts:
        conn, _ = listener.accept()
        conn.settimeout(TIMEOUT)
        try:
            with c.wrap_socket(conn, server_side=True) as s:
                s.write("good day, %s\n" % common_name(s.getpeercert(True)))
                while data := s.recv(64 * 1024):
                    s.write(data)
        except (OSError, ValueError) as e:
            print("   server: refused: %s" % str(e.args[-1]).strip())
        finally:
            served.release()
    listener.close()


def visit(address, identity):
    """A greeting, and everything sent comes back: its checksum."""
    conn = socket.socket()
    conn.settimeout(TIMEOUT)
    conn.connect(address)
    with context(ssl.PROTOCOL_TLS_CLIENT, identity).wrap_socket(conn, server_hostname="localhost") as s:
        suite, version = s.cipher()
        print("   %s, %s, with %s" % (version, suite, common_name(s.getpeercert(True))))
        print("   the server says: " + s.readline().decode(), end="")

        def send():
            s.sendall(DATA)
            s.shutdown(socket.SHUT_WR)

        _thread.start_new_thread(send, ())
        return checksum(s.read())


def missing():
    for file in FILES:
        try:
            os.stat("%s/%s" % (CERTS, file))
        except OSError:
            return file


def main():
    if len(sys.argv) > 2 or missing():
        what = "one argument at most" if len(sys.argv) > 2 else "no %s in %s: `make certs` makes it" % (missing(), CERTS)
        print("mutual_tls.py: %s\nusage: mutual_tls.py [DIRECTORY]" % what, file=sys.stderr)
        return 2
    known = context(ssl.PROTOCOL_TLS_SERVER, "server")
    expired = context(ssl.PROTOCOL_TLS_SERVER, "expired")
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    address = listener.getsockname()
    served = _thread.allocate_lock()
    served.acquire()
    _thread.start_new_thread(serve, (listener, [known, known, known, expired], served))
    good = True
    for title, identity, expected in (
        ("a client with a certificate", "client", checksum(DATA)),
        ("a client with a stranger's", "client-other", "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"),
        ("a client without", None, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"),
        ("a server whose certificate has expired", "client", "The certificate validity has expired"),
    ):
        print(title)
        try:
            outcome = visit(address, identity)
            print("   %d bytes back, sha256 %s..." % (len(DATA), outcome))
        except (OSError, ValueError) as e:
            outcome = str(e.args[-1]).strip()
            print("   client: refused: %s" % outcome)
        served.acquire()  # What the server says of this client comes before the next.
        good &= outcome == expected
    return 0 if good else 1


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit(130)
