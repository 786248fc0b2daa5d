#!/usr/bin/env python3
"""Certificates that should not be believed, and settings that must count."""

import datetime
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cases import Skip, case, holds, main
from ends import TLS12, TLS13, in_thread, lib, tcp
from forger import Peer
from usocket import CERTS, ROOT

NOW = datetime.datetime(2026, 1, 1)
YEAR = datetime.timedelta(days=365)
DIR = tempfile.mkdtemp(prefix="stress-trust-")


def key():
    return ec.generate_private_key(ec.SECP256R1())


def name(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Cert:
    """A certificate and its key; `issuer` None is itself."""

    def __init__(self, common, issuer=None, ca=None, names=(), usage=None, serial=None, own=None, begins=NOW - YEAR, ends=NOW + 30 * YEAR, extra=()):
        self.key = own or key()
        signer = issuer or self
        build = (
            x509.CertificateBuilder().subject_name(name(common)).issuer_name(signer.name if issuer else name(common))
            .public_key(self.key.public_key()).serial_number(serial or x509.random_serial_number())
            .not_valid_before(begins).not_valid_after(ends)
        )
        self.name = name(common)
        if ca is not None:
            build = build.add_extension(x509.BasicConstraints(ca, None), True)
        if names:
            build = build.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
        if usage:
            build = build.add_extension(x509.ExtendedKeyUsage([usage]), False)
        for extension, critical in extra:
            build = build.add_extension(extension, critical)
        self.cert = build.sign(signer.key, hashes.SHA256())
        self.pem = self.cert.public_bytes(serialization.Encoding.PEM)
        self.key_pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def crl(self, serials, entry=(), extra=(), ends=NOW + YEAR, begins=NOW):
        build = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(begins).next_update(ends)
        build = build.add_extension(x509.CRLNumber(1), False)
        for serial in serials:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW)
            for extension, critical in entry:
                one = one.add_extension(extension, critical)
            build = build.add_revoked_certificate(one.build())
        for extension, critical in extra:
            build = build.add_extension(extension, critical)
        return build.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def server_of(cert, chain=(), version=TLS13, client_ca=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.minimum_version = c.maximum_version = version
    path = f"{DIR}/{os.urandom(6).hex()}"
    with open(path, "wb") as f:
        f.write(cert.pem + b"".join(i.pem for i in chain) + cert.key_pem)
    c.load_cert_chain(path)
    return c


def trusting(*anchors, setup=None):
    c = lib.ok(lib.tls_context_create(lib.TLS_CLIENT))
    for anchor in anchors:
        pem = anchor.pem if isinstance(anchor, Cert) else anchor
        lib.ok(lib.tls_context_add_trust(c, pem, len(pem)))
    if setup:
        setup(c)
    return c


def connect(context, server, wanted=b"bank.example"):
    """The result of the library's client with OpenSSL's server: (code, sentence)"""
    a, b = tcp()
    s = lib.ok(lib.from_fd(a.detach()))
    lib.ok(lib.settimeout(s, 10_000_000))
    r = lib.tls_wrap(s, context, wanted, 0)
    if r < 0:
        return r, lib.detail(context)
    peer = Peer(b, True, context=server)

    def other():
        try:
            peer.handshake()
        except (OSError, ssl.SSLError):
            pass

    beside = in_thread(other)
    r = lib.tls_handshake(s)
    words = lib.detail(s)
    lib.close(s)
    beside()
    return r, words


def refused(what, context, server, codes=None, wanted=b"bank.example"):
    r, words = connect(context, server, wanted)
    holds(r < 0, f"{what} is accepted")
    holds(-10099 < r <= -10020, f"{what}: {r} {words}")
    if codes:
        holds(r in codes, f"{what}: {r} {words}")


def accepted(what, context, server, wanted=b"bank.example"):
    r, words = connect(context, server, wanted)
    holds(r == 0, f"{what}: {r} {words}")


# --- revocation ---

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


def revocation(entry=(), extra=()):
    """A list that revokes the server, in a form a parser may not like: used, or refused when it is given."""
    ca = Cert("a CA", ca=True)
    bank = Cert("bank", ca, names=["bank.example"], serial=4711)
    crl = ca.crl([4711], entry, extra)
    context = trusting(ca)
    r = lib.tls_context_add_crl(context, crl, len(crl))
    if r < 0:
        return
    refused("a revoked server", context, server_of(bank))


@case("revocation: a plain list")
def plain_list():
    revocation()


@case("revocation: an unknown critical entry extension")
def critical_entry():
    revocation(entry=[(UNKNOWN, True)])


@case("revocation: an unknown entry extension")
def unknown_entry():
    revocation(entry=[(UNKNOWN, False)])


@case("revocation: entries with certificateIssuer")
def certificate_issuer():
    revocation(entry=[(x509.CertificateIssuer([x509.DirectoryName(name("a CA"))]), True)])


@case("revocation: an unknown critical list extension")
def critical_list():
    revocation(extra=[(UNKNOWN, True)])


@case("revocation: a reason, an invalidity date")
def reasons():
    revocation(entry=[(x509.CRLReason(x509.ReasonFlags.key_compromise), False), (x509.InvalidityDate(NOW), False)])


@case("revocation: two lists, the second of which is strange")
def two_lists():
    ca, other = Cert("a CA", ca=True), Cert("another CA", ca=True)
    bank = Cert("bank", ca, names=["bank.example"], serial=4711)
    both = other.crl([1]) + ca.crl([4711], [(UNKNOWN, True)])
    context = trusting(ca, other)
    r = lib.tls_context_add_crl(context, both, len(both))
    if r >= 0:
        refused("a revoked server", context, server_of(bank))


@case("revocation: a list is renewed")
def renewed_list():
    ca = Cert("a CA", ca=True)
    bank = Cert("bank", ca, names=["bank.example"], serial=4711)
    day = datetime.timedelta(days=1)
    old, new = ca.crl([1], begins=NOW - day), ca.crl([4711])
    stale, early = ca.crl([1], begins=NOW - YEAR, ends=NOW - day), ca.crl([1], begins=NOW + 40 * YEAR, ends=NOW + 41 * YEAR)
    for lists in (old, new), (new, old), (stale, new), (new, stale), (early, new), (new, early), (early,):
        context = trusting(ca)
        for crl in lists:
            lib.ok(lib.tls_context_add_crl(context, crl, len(crl)))
        refused("a server that the latest list revokes, or that no list is about yet", context, server_of(bank))
    for lists in (stale, old), (old, stale), (early, old), (old, early):
        context = trusting(ca)
        for crl in lists:
            lib.ok(lib.tls_context_add_crl(context, crl, len(crl)))
        accepted("a server that the list of today lets pass", context, server_of(bank))


# --- anchors ---


@case("trust: a certificate that is no CA's issues nothing")
def printer():
    printer = Cert("printer", ca=False, names=["printer.local"])
    bank = Cert("bank", printer, names=["bank.example"])
    refused("bank.example issued by a printer", trusting(printer), server_of(bank, [printer]))
    accepted("the printer itself", trusting(printer), server_of(printer), b"printer.local")


@case("trust: a certificate without basicConstraints issues nothing")
def no_constraints():
    printer = Cert("printer", names=["printer.local"])
    bank = Cert("bank", printer, names=["bank.example"])
    refused("bank.example issued by a version 3 certificate without basicConstraints", trusting(printer), server_of(bank, [printer]))


@case("trust: a CA without the key usage for it issues nothing")
def no_cert_sign():
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    odd = Cert("odd CA", ca=True, extra=[(usage, True)])
    bank = Cert("bank", odd, names=["bank.example"])
    refused("bank.example issued by a root that may not sign certificates", trusting(odd), server_of(bank))
    root = Cert("root", ca=True)
    odd = Cert("odd CA", root, ca=True, extra=[(usage, True)])
    bank = Cert("bank", odd, names=["bank.example"])
    refused("bank.example issued by one that may not sign certificates", trusting(root), server_of(bank, [odd]))


@case("trust: an intermediate given as trusted")
def partial():
    root = Cert("root", ca=True)
    middle = Cert("middle", root, ca=True)
    bank = Cert("bank", middle, names=["bank.example"])
    accepted("a server by a trusted intermediate", trusting(middle), server_of(bank, [middle]))


@case("trust: a leaf trusted as itself is still checked for revocation")
def leaf_and_list():
    ca = Cert("a CA", ca=True)
    bank = Cert("bank", ca, names=["bank.example"], serial=4711)
    crl = ca.crl([4711])
    context = trusting(bank)
    lib.ok(lib.tls_context_add_crl(context, crl, len(crl)))
    refused("a revoked server that is trusted as itself", context, server_of(bank))


@case("trust: a leaf trusted as itself is still checked for its purpose")
def leaf_and_purpose():
    mail = Cert("mail", names=["bank.example"], usage=ExtendedKeyUsageOID.EMAIL_PROTECTION)
    refused("a mail certificate as a server's", trusting(mail), server_of(mail))
    client = Cert("client", names=["bank.example"], usage=ExtendedKeyUsageOID.CLIENT_AUTH, ca=False)
    refused("a client's certificate as a server's", trusting(client), server_of(client))


@case("trust: a leaf trusted as itself is still checked for dates and name")
def leaf_and_dates():
    old = Cert("old", names=["bank.example"], ends=NOW - YEAR / 2, ca=False)
    refused("an expired server that is trusted as itself", trusting(old), server_of(old), [lib.ETLS_CERT_EXPIRED])
    bank = Cert("other", names=["other.example"], ca=False)
    refused("another's certificate", trusting(bank), server_of(bank), [lib.ETLS_CERT_WRONG_NAME])


@case("trust: the same key in another certificate is another certificate")
def same_key():
    one = Cert("one", names=["one.example"], ca=False)
    other = Cert("one", names=["bank.example"], ca=False, own=one.key)
    refused("another certificate of a trusted leaf's key", trusting(one), server_of(other))


@case("trust: constraints of names and of depth")
def constraints():
    limits = x509.NameConstraints([x509.DNSName("inside.example")], None)
    root = Cert("root", ca=True, extra=[(limits, True)])
    bank = Cert("bank", root, names=["bank.example"])
    middle = Cert("middle", ca=True, issuer=root, extra=[])
    refused("a name outside the constraints", trusting(root), server_of(bank))
    free = Cert("free root", ca=True)
    shut = Cert("leaf-like", free, ca=False)
    below = Cert("bank", shut, names=["bank.example"])
    refused("issued by a CA:FALSE intermediate", trusting(free), server_of(below, [shut]))
    del middle


@case("trust: a root's own limits count")
def limits_of_a_root():
    short = Cert("root", extra=[(x509.BasicConstraints(True, 0), True)])
    middle = Cert("middle", short, ca=True)
    refused("an issuer below a root of path length 0", trusting(short), server_of(Cert("bank", middle, names=["bank.example"]), [middle]))
    accepted("a certificate by a root of path length 0", trusting(short), server_of(Cert("bank", short, names=["bank.example"])))
    clients = Cert("root", ca=True, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    refused("a server by a root for clients", trusting(clients), server_of(Cert("bank", clients, names=["bank.example"])))
    strange = Cert("root", ca=True, extra=[(UNKNOWN, True)])
    refused("a root with an unknown critical extension", trusting(strange), server_of(Cert("bank", strange, names=["bank.example"])))


@case("trust: a sentence is readable whatever the certificate says")
def readable():
    ca = Cert("a CA", ca=True)
    many = Cert("many", ca, names=[f"n{i}.example" for i in range(1500)])
    _, words = connect(trusting(ca), server_of(many))
    holds(0 < len(words) < 600 and "bank.example" in words, f"{len(words)} characters: {words[:100]}")
    hostile = Cert("\x1b[2J\r\nall is well")
    _, words = connect(trusting(hostile), server_of(hostile))
    holds("all is well" in words and words.isprintable(), repr(words))


@case("trust: a wildcard stands for one label")
def wildcards():
    ca = Cert("a CA", ca=True)
    for names, wanted, good in (
        (["*.bank.example"], b"a.bank.example", True), (["*.bank.example"], b"a.b.bank.example", False),
        (["*.bank.example"], b"bank.example", False), (["*.example"], b"a.bank.example", False),
        (["*"], b"bank.example", False), (["b*.example"], b"bank.example", False), (["BANK.example"], b"bank.example", True),
        (["bank.example\0.evil.example"], b"bank.example", False), (["bank.example."], b"bank.example", None),
    ):
        try:
            cert = Cert("x", ca, names=names)
        except Exception:
            continue
        r, words = connect(trusting(ca), server_of(cert), wanted)
        if good is not None:
            holds((r == 0) == good, f"{names} for {wanted}: {r} {words}")


@case("trust: a common name is no name")
def common_name():
    ca = Cert("a CA", ca=True)
    r, words = connect(trusting(ca), server_of(Cert("bank.example", ca)))
    holds(r == lib.ETLS_CERT_WRONG_NAME, f"{r} {words}")
    holds("is for bank.example, not for bank.example" not in words, words)


@case("trust: a key that is too weak is said to be that")
def weak():
    ca = Cert("a CA", ca=True)
    small = rsa.generate_private_key(65537, 1024)
    bank = Cert("bank", ca, names=["bank.example"], own=small)
    context = server = None
    try:
        server = server_of(bank)
        server.set_ciphers("DEFAULT@SECLEVEL=0")
    except ssl.SSLError:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.set_ciphers("ALL@SECLEVEL=0")
        path = f"{DIR}/weak"
        with open(path, "wb") as f:
            f.write(bank.pem + bank.key_pem)
        server.load_cert_chain(path)
    context = trusting(ca)
    r, words = connect(context, server)
    holds(r < -10000, f"{r} {words}")
    holds("private key" not in words and ("weak" in words or "1024" in words or "RSA" in words or "short" in words), f"{r} {words}")


# --- one meaning in all ways ---


def through_environment(variable, pem):
    path = f"{DIR}/{os.urandom(6).hex()}.pem"
    with open(path, "wb") as f:
        f.write(pem)
    os.environ[variable] = path


@case("environment: SSL_CERT_FILE means what trust_file means, CA:FALSE", ca=False)
@case("environment: SSL_CERT_FILE means what trust_file means, CA:TRUE", ca=True)
@case("environment: SSL_CERT_FILE means what trust_file means, no constraints", ca=None)
def environment_leaf(ca):
    bank = Cert("bank", ca=ca, names=["bank.example"])
    accepted("a trusted leaf", trusting(bank), server_of(bank))
    through_environment("SSL_CERT_FILE", bank.pem)
    c = lib.ok(lib.tls_context_create(lib.TLS_CLIENT))
    lib.ok(lib.tls_context_add_trust_system(c))
    accepted("the same by SSL_CERT_FILE", c, server_of(bank))
    accepted("the same, unasked", lib.ok(lib.tls_context_create(lib.TLS_CLIENT)), server_of(bank))


PROGRAM = r"""
#include <stdio.h>
#include <unistd.h>
#include <usocket.h>
int main(void) {
    long long c = usocket_tls_context_create(USOCKET_TLS_CLIENT);
    printf("%d %d\n", usocket_tls_context_add_trust_system(c), geteuid() != getuid());
    return 0;
}
"""


@case("environment: SSL_CERT_FILE counts for nothing in a setuid program")
def setuid():
    if os.geteuid() != 0:
        raise Skip("needs root")
    source, program = f"{DIR}/p.c", f"{DIR}/p"
    with open(source, "w") as f:
        f.write(PROGRAM)
    library = os.path.dirname(os.environ.get("STRESS_LIBRARY", f"{ROOT}/target/release/x"))
    shutil.copy(f"{library}/libusocket.so", f"{DIR}/libusocket.so.0")
    os.symlink("libusocket.so.0", f"{DIR}/libusocket.so")
    os.chmod(DIR, 0o755)
    subprocess.run(["cc", "-o", program, source, f"-I{ROOT}/include", f"-L{DIR}", "-lusocket", f"-Wl,-rpath,{DIR}"], check=True)
    os.chmod(program, 0o4755)
    trap = f"{DIR}/mine.pem"
    with open(trap, "wb") as f:
        f.write(Cert("mine", ca=True).pem)
    os.chmod(trap, 0o644)

    def run(user):
        environment = {"SSL_CERT_FILE": trap, "PATH": os.environ["PATH"]}
        out = subprocess.run([program], env=environment, user=user, stdout=subprocess.PIPE, text=True)
        return [int(x) for x in out.stdout.split()]

    plain, privileged = run(0), run(65534)
    if not privileged or not privileged[1]:
        raise Skip("setuid does nothing here (nosuid)")
    holds(plain[0] == 1, f"SSL_CERT_FILE in a plain program: {plain}")
    holds(privileged[0] != 1, "a setuid program trusts the SSL_CERT_FILE of whoever runs it")


# --- clients' certificates, resumed ---


@case("resumption: a session's client certificate is looked at again, 1.3", version=TLS13)
@case("resumption: a session's client certificate is looked at again, 1.2", version=TLS12)
def expired_client(version):
    ca = Cert("a CA", ca=True)
    client = Cert("client", ca, ca=False, usage=ExtendedKeyUsageOID.CLIENT_AUTH, ends=datetime.datetime(2026, 6, 1), begins=NOW - 2 * YEAR)
    server = lib.ok(lib.tls_context_create(lib.TLS_SERVER))
    lib.ok(lib.tls_context_add_cert_file(server, f"{CERTS}/server.pem".encode(), f"{CERTS}/server-key.pem".encode()))
    lib.ok(lib.tls_context_add_trust(server, ca.pem, len(ca.pem)))
    lib.ok(lib.tls_context_set_verify(server, lib.TLS_VERIFY_REQUIRED))
    # The library's clock is moved: 3 s before the certificate ends.
    ends = int(datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc).timestamp())
    lib.ok(lib.tls_context_set_clock(server, ends - 3))
    path = f"{DIR}/client.pem"
    with open(path, "wb") as f:
        f.write(client.pem + client.key_pem)
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    mine.check_hostname, mine.verify_mode = False, ssl.CERT_NONE
    mine.minimum_version = mine.maximum_version = version
    mine.load_cert_chain(path)

    def attempt(session):
        a, b = socket.socketpair()
        s = lib.ok(lib.from_fd(a.detach()))
        lib.ok(lib.settimeout(s, 10_000_000))
        lib.ok(lib.tls_wrap(s, server, None, 0))
        ours = in_thread(lambda: (lib.tls_handshake(s), lib.detail(s), lib.tls_resumed(s), lib.write_all(s, b"hi")))
        b.settimeout(10)
        try:
            with mine.wrap_socket(b, server_hostname="server.example", session=session) as c:
                c.recv(2)
                return ours(), c.session
        except (OSError, ssl.SSLError):
            return ours(), None

    first, session = attempt(None)
    holds(first[0] == 0, f"the first connection: {first}")
    import time

    time.sleep(4)  # the certificate ends
    again, _ = attempt(session)
    holds(again[0] < 0, f"a client whose certificate has expired is let in: resumed {again[2]}")
    fresh, _ = attempt(None)
    holds(fresh[0] == lib.ETLS_CERT_EXPIRED, f"without a session: {fresh}")


if __name__ == "__main__":
    main(__file__)
