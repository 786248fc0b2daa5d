"""Why TLS fails: each cause has its class, its number and a sentence, on both sides."""

import _ssl
import hashlib
import re
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest
import usocket
import ussl
from usocket._causes import ALERT
from usocket._errors import strerror
from usocket._tls_errors import tls_error

HEADER = (Path(__file__).resolve().parent.parent / "include" / "usocket.h").read_text()
CODES = {
    name: int(number) for name, number in re.findall(r"#define USOCKET_ETLS_(\w+) (-\d+)", HEADER)
}
V12, V13 = ussl.TLSVersion.TLSv1_2, ussl.TLSVersion.TLSv1_3
VERIFICATION = ussl.SSLCertVerificationError


def key_of(certs, name):
    """The SHA-256 of a certificate's SubjectPublicKeyInfo, as OpenSSL has it."""
    ask = "openssl x509 -pubkey -noout -in {} | openssl pkey -pubin -outform DER"
    der = subprocess.check_output(ask.format(certs(name)), shell=True)
    return hashlib.sha256(der).digest()


def crl(context, certs, name):
    context.load_crl(certs(name))
    context.verify_flags = ussl.VERIFY_CRL_CHECK_LEAF


def no_verdict(cert, depth):
    raise LookupError("no verdict")


def mutual(context, certs, mode=ussl.CERT_REQUIRED):
    context.load_verify_locations(certs("ca.pem"))
    context.verify_mode = mode


# The cause; the server's certificate; the changes of the server's and the client's context; the requested
# name; the client's error (class, code, words), and the server's.
NONE = (lambda c, certs: None,) * 2
MATRIX = {
    "expired": (
        "expired", *NONE, "localhost",
        (VERIFICATION, "CERT_EXPIRED", "expired 2024-05-01.*clock says 20"), 45,
    ),
    "not yet valid": (
        "future", *NONE, "localhost",
        (VERIFICATION, "CERT_NOT_YET_VALID", "not valid before 2090-01-01"), 45,
    ),
    "expired, by the clock that was set": (
        "server", NONE[0], lambda c, certs: c.set_clock(4102444800), "localhost",
        (VERIFICATION, "CERT_EXPIRED", "expired 2089.*the clock set by the program says 2100"), 45,
    ),
    "unknown issuer": (
        "stranger", *NONE, "localhost",
        (VERIFICATION, "CERT_UNKNOWN_ISSUER", "trusted"), 48,
    ),
    "wrong name": (
        "second", *NONE, "localhost",
        (VERIFICATION, "CERT_WRONG_NAME", "for .*second.example.*, not for localhost"), 42,
    ),
    "wrong address": (
        "server", *NONE, "127.0.0.2",
        (VERIFICATION, "CERT_WRONG_NAME", "not for 127.0.0.2"), 42,
    ),
    "revoked": (
        "revoked", NONE[0], lambda c, certs: crl(c, certs, "crl.pem"), "localhost",
        (VERIFICATION, "CERT_REVOKED", "revoked"), 44,
    ),
    "stale revocation list": (
        "server", NONE[0], lambda c, certs: crl(c, certs, "crl-stale.pem"), "localhost",
        (VERIFICATION, "CRL_EXPIRED", "out of date since 2024-05-01"), 48,
    ),
    "no revocation list": (
        "chain", NONE[0], lambda c, certs: crl(c, certs, "crl.pem"), "localhost",
        (VERIFICATION, "CRL_MISSING", "no revocation list"), 48,
    ),
    "a client's certificate": (
        "client", *NONE, "localhost",
        (VERIFICATION, "CERT_WRONG_PURPOSE", "not valid for"), 43,
    ),
    "self-signed, and not trusted": (
        "self-signed", *NONE, "localhost",
        (VERIFICATION, "CERT_UNKNOWN_ISSUER", "trusted"), 48,
    ),
    "not pinned": (
        "server", NONE[0], lambda c, certs: c.pin(bytes(32)), "localhost",
        (VERIFICATION, "CERT_NOT_PINNED", "none of the pinned"), 46,
    ),
    "refused": (
        "server", NONE[0], lambda c, certs: setattr(c, "verify_callback", lambda cert, d: 1),
        "localhost", (VERIFICATION, "CERT_REFUSED", "callback rejected"), 49,
    ),
    "a callback that raises": (
        "server", NONE[0], lambda c, certs: setattr(c, "verify_callback", no_verdict),
        "localhost", (VERIFICATION, "CERT_REFUSED", "callback rejected"), 49,
    ),
    "no common version": (
        "server", lambda c, certs: setattr(c, "minimum_version", V13),
        lambda c, certs: setattr(c, "maximum_version", V12), "localhost",
        (ussl.SSLError, 70, "protocol_version"), (ussl.SSLError, "NO_COMMON_VERSION", "version"),
    ),
    "no common suite": (
        "server", lambda c, certs: c.set_ciphers(["TLS_AES_128_GCM_SHA256"]),
        lambda c, certs: c.set_ciphers("TLS_AES_256_GCM_SHA384"), "localhost",
        (ussl.SSLError, 40, "handshake_failure"), (ussl.SSLError, "NO_COMMON_SUITE", "suite"),
    ),
    "no common group": (
        "server", lambda c, certs: c.set_groups("X25519"),
        lambda c, certs: c.set_groups(["secp256r1"]), "localhost",
        (ussl.SSLError, 40, "handshake_failure"), (ussl.SSLError, "NO_COMMON_GROUP", "group"),
    ),
    "no client certificate": (
        "server", mutual, NONE[0], "localhost",
        (ussl.SSLError, 116, "certificate_required"),
        (VERIFICATION, "CERT_REQUIRED", "presented no certificate"),
    ),
    "a stranger's client certificate": (
        "server", mutual, lambda c, certs: c.load_cert_chain(*certs.chain("client-other")),
        "localhost", (ussl.SSLError, 48, "unknown_ca"),
        (VERIFICATION, "CERT_UNKNOWN_ISSUER", "trusted"),
    ),
    "a server's certificate from a client": (
        "server", lambda c, certs: mutual(c, certs, ussl.CERT_OPTIONAL),
        lambda c, certs: c.load_cert_chain(*certs.chain("second")),
        "localhost", (ussl.SSLError, 43, "unsupported_certificate"),
        (VERIFICATION, "CERT_WRONG_PURPOSE", "not valid for"),
    ),
}  # fmt: skip


def check(error, expected):
    if isinstance(expected, int):
        expected = (ussl.SSLError, expected, "alert")
    kind, number, words = expected
    assert type(error) is kind, error
    assert isinstance(error, OSError) and isinstance(error, ussl.SSLError)
    if isinstance(number, int):
        assert error.alert == number and error.code == CODES["ALERT"] - number
        assert "_ALERT_" in error.reason
    else:
        assert error.code == CODES[number] == error.args[0] and error.alert is None
    assert re.search(words, str(error)) and error.reason in str(error)
    if kind is VERIFICATION:
        assert isinstance(error, ValueError)
    if kind is VERIFICATION and number != "CERT_REQUIRED":
        assert error.reason == "CERTIFICATE_VERIFY_FAILED"
        assert error.verify_code > 0 and re.search(words, error.verify_message)
    else:
        assert error.verify_code == 0 and error.verify_message == ""


@pytest.mark.parametrize("cause", MATRIX)
def test_the_matrix(meet, server_context, client_context, certs, cause):
    certificate, change_server, change_client, name, for_client, for_server = MATRIX[cause]
    server, client = server_context(certificate), client_context()
    change_server(server, certs)
    change_client(client, certs)
    ours, theirs = meet(server, client, name)
    check(ours.error, for_client)
    check(theirs.error, for_server)


def test_a_ca_certificate_as_the_servers_own(meet, client_context, certs, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-CA", certs("ca.pem"), "-CAkey", certs("ca-key.pem"), "-subj", "/CN=localhost",
         "-addext", "basicConstraints=critical,CA:TRUE", "-days", "9", "-out", cert,
         "-keyout", key], check=True, capture_output=True,
    )  # fmt: skip
    context = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    ours, theirs = meet(context, client_context())
    check(ours.error, (VERIFICATION, "CERT_IS_CA", "CA certificate"))
    assert theirs.error.alert


def test_what_would_have_failed_works_without(meet, server_context, client_context, certs):
    client = client_context()
    crl(client, certs, "crl.pem")
    client.pin(bytes(32))
    client.pin(key_of(certs, "ca.pem"))
    shown = []
    client.verify_callback = lambda cert, depth: shown.append((depth, cert)) or 0
    ours, theirs = meet(server_context(), client)
    assert ours.error is None and theirs.error is None
    assert shown == [(1, certs.read("ca.der")), (0, certs.read("server.der"))]


def test_what_a_callback_raises_is_the_cause(meet, server_context, client_context):
    ours, _ = meet(server_context(), client_context(verify_callback=no_verdict))
    assert isinstance(ours.error.__cause__, LookupError)


def test_ctrl_c_in_a_callback_is_ctrl_c(tcp, run, server_context, client_context):
    def interrupt(cert, depth):
        raise KeyboardInterrupt

    def server():
        with pytest.raises(ussl.SSLError):
            server_context().wrap_socket(tcp[1], server_side=True).readline()

    run(server)
    with pytest.raises(KeyboardInterrupt):
        context = client_context(verify_callback=interrupt)
        context.wrap_socket(tcp[0], server_hostname="localhost")


def test_a_callback_without_a_verdict_refuses(meet, server_context, client_context):
    ours, _ = meet(server_context(), client_context(verify_callback=lambda cert, depth: None))
    assert ours.error.code == CODES["CERT_REFUSED"]
    assert isinstance(ours.error.__cause__, TypeError)


# --- peers that speak no TLS, or break it


@pytest.fixture
def raw(tcp):
    """A connection whose other end is in the test's hands: (ours, theirs)."""
    tcp[0].settimeout(20)
    return tcp


def handshake(context, sock, **how):
    with pytest.raises(OSError) as e:
        context.wrap_socket(sock, **how)
    assert sock.fileno() == -1
    return e.value


def test_a_server_that_speaks_no_tls(raw, client_context):
    raw[1].write(b"220 mail.example ESMTP\r\n")
    e = handshake(client_context(), raw[0], server_hostname="localhost")
    check(e, (ussl.SSLError, "NOT_TLS", "does not speak TLS"))
    assert e.reason == "WRONG_VERSION_NUMBER"


def test_a_client_that_speaks_no_tls(raw, server_context):
    raw[1].write(b"GET / HTTP/1.0\r\n\r\n")
    e = handshake(server_context(), raw[0], server_side=True)
    check(e, (ussl.SSLError, "NOT_TLS", "does not speak TLS"))


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x03\x00\x40\x02"])
def test_the_end_in_the_handshake(raw, client_context, first):
    raw[1].write(first)
    raw[1].shutdown(usocket.SHUT_WR)
    e = handshake(client_context(), raw[0], server_hostname="localhost")
    check(e, (ussl.SSLEOFError, "HANDSHAKE_EOF", "closed during the TLS handshake"))


def test_a_reset_in_the_handshake(raw, client_context):
    linger = struct.pack("ii", 1, 0)
    raw[1].setsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, linger)

    def reset():
        raw[1].recv(100)
        raw[1].close()

    thread = threading.Thread(target=reset)
    thread.start()
    e = handshake(client_context(), raw[0], server_hostname="localhost")
    thread.join()
    assert type(e) is ConnectionResetError


def test_a_message_that_makes_no_sense(raw, client_context):
    raw[1].write(b"\x16\x03\x03\x00\x08" + b"\x02\x00\x00\x04\xff\xff\xff\xff")
    e = handshake(client_context(), raw[0], server_hostname="localhost")
    check(e, (ussl.SSLError, "PROTOCOL", ""))


class Middle:
    """A man in the middle, who forwards selected bytes."""

    def __init__(self, upstream, change):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.upstream, self.change = upstream, change
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        there, _ = self.listener.accept()
        with there, socket.create_connection(self.upstream) as here:
            back = threading.Thread(target=self.pump, args=(there, here, lambda data: data))
            back.start()
            self.pump(here, there, self.change)
            back.join()
        self.listener.close()

    @staticmethod
    def pump(source, target, change):
        try:
            while data := source.recv(65536):
                target.sendall(change(data))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.mark.parametrize(
    "damage, code",
    [
        (lambda d: d[:-1] + bytes([d[-1] ^ 1]), "DECRYPT"),
        (lambda d: d[:3] + b"\xff\xff" + d[5:], "RECORD_OVERFLOW"),
    ],
    ids=["a bit", "a length"],
)
def test_a_record_damaged_on_the_way(
    listener, run, server_context, client_context, dial, damage, code
):
    context, active = server_context(), threading.Event()

    def server():
        conn, _ = listener.accept()
        with context.wrap_socket(conn, server_side=True) as s:
            # It may also be one of the tickets that is damaged.
            with pytest.raises(ussl.SSLError, match="bad_record_mac|decode_error|record_overflow"):
                s.readline()
                s.write(b"one record")
                s.recv(1)

    thread = run(server)
    middle = Middle(listener.getsockname(), lambda data: damage(data) if active.is_set() else data)
    s = dial(client_context(), middle.address)
    active.set()
    with pytest.raises(ussl.SSLError) as e:
        s.write(b"go\n")
        while True:
            s.recv(100)
    check(e.value, (ussl.SSLError, code, ""))
    with pytest.raises(ussl.SSLError) as again:
        s.recv(1)
    assert again.value.code == e.value.code
    s.close()
    thread.join()
    middle.thread.join()


def test_an_issuer_without_a_common_name_has_a_name(tmp_path, meet, client_context):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Nobody Ltd/OU=Nowhere")
    openssl("req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-copy_extensions", "copy", "-out", "leaf.pem")
    server = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(str(tmp_path / "leaf.pem"), str(tmp_path / "leaf.key"))
    ours, _ = meet(server, client_context())
    assert type(ours.error) is VERIFICATION and ours.error.code == CODES["CERT_UNKNOWN_ISSUER"]
    assert re.search("issued by .*Nobody Ltd", str(ours.error)), ours.error


def test_alerts_have_openssls_names():
    if not hasattr(_ssl, "err_names_to_codes"):
        pytest.skip("this CPython keeps OpenSSL's names to itself")
    theirs = {n - 1000: name for name, (_, n) in _ssl.err_names_to_codes.items() if 1000 <= n < 1256}
    assert len(theirs) > 25
    for number, name in theirs.items():
        code = ALERT - number
        assert tls_error(code, strerror(code)).reason == name
