"""TLS with the tools of OpenSSL and GnuTLS at the other end, and with curl."""

import contextlib
import hashlib
import os
import re
import select
import shutil
import subprocess
import time

import pytest
import ussl

VERSIONS = ["TLSv1.2", "TLSv1.3"]
CERTIFICATES = ["server", "server-rsa", "server-ed25519"]
OPENSSL = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
GNUTLS = {v: f"NORMAL:-VERS-ALL:+VERS-TLS{v[4:]}" for v in VERSIONS}
PATIENCE = 60

needs = {
    name: pytest.mark.skipif(not shutil.which(name), reason=f"there is no {name} here")
    for name in ("openssl", "gnutls-cli", "gnutls-serv", "curl")
}


class Program:
    """A program that runs beside the test, with its input and all its output."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.output = b""

    def until(self, pattern):
        """Reads until the output has a pattern: the match."""
        end = time.monotonic() + PATIENCE
        out = self.process.stdout.fileno()
        while not (found := re.search(pattern, self.output)):
            ready, _, _ = select.select([out], [], [], max(0, end - time.monotonic()))
            piece = os.read(out, 65536) if ready else b""
            if not piece:
                raise AssertionError(f"{pattern!r} did not come: {self.output.decode()}")
            self.output += piece
        return found

    def say(self, line):
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def port(self):
        """A port it listens on, from the system."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            inodes = set()
            for fd in os.listdir(f"/proc/{self.process.pid}/fd"):
                with contextlib.suppress(FileNotFoundError):  # Closed since it was listed.
                    link = os.readlink(f"/proc/{self.process.pid}/fd/{fd}")
                    inodes.update(re.findall(r"socket:\[(\d+)\]", link))
            with open("/proc/net/tcp") as table:
                for line in table.read().splitlines()[1:]:
                    fields = line.split()
                    if fields[3] == "0A" and fields[9] in inodes:
                        return int(fields[1].split(":")[1], 16)
            assert self.process.poll() is None, self.output
        raise AssertionError("it does not listen")

    def end(self):
        """Closes its input; it must end by itself. All its output."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        self.output += rest
        return self.output.decode()


@pytest.fixture
def program():
    programs = []

    def start(*command):
        programs.append(Program(*map(str, command)))
        return programs[-1]

    yield start
    for p in programs:
        p.process.kill()
        p.process.communicate()


def only(context, version):
    context.minimum_version = context.maximum_version = getattr(
        ussl.TLSVersion, version.replace(".", "_")
    )
    return context


def reverse(conn):
    """Our server: returns each line backwards, until the client ends."""
    while line := conn.readline():
        conn.write(line[:-1][::-1] + b"\n")


# --- openssl s_server: we are the client


@pytest.fixture
def s_server(program, certs):
    """`s_server(certificate, *options)`: it reverses each line; its address."""

    def start(certificate, *options):
        cert, key = certs.chain(certificate)
        p = program(
            "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-rev",
            *options,
        )  # fmt: skip
        return ("127.0.0.1", int(p.until(rb"ACCEPT 127\.0\.0\.1:(\d+)")[1])), p

    return start


@needs["openssl"]
@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("version", VERSIONS)
def test_s_server(s_server, dial, client_context, version, certificate):
    address, _ = s_server(certificate, OPENSSL[version])
    with dial(client_context(), address) as s:
        s.write(b"there and back\n")
        assert s.readline() == b"kcab dna ereht\n"
        assert s.version() == version


@needs["openssl"]
@pytest.mark.parametrize("version", VERSIONS)
def test_s_server_resumes_and_agrees_on_alpn(s_server, dial, client_context, version):
    address, _ = s_server("server", OPENSSL[version], "-alpn", "two,one")
    context, seen = client_context(), []
    context.set_alpn_protocols(["one", "two"])
    for _ in range(2):
        with dial(context, address) as s:
            s.write(b"x\n")
            assert s.readline() == b"x\n"
            seen.append((s.session_reused, s.selected_alpn_protocol()))
    assert seen == [(False, "two"), (True, "two")]


@needs["openssl"]
@pytest.mark.parametrize("version", VERSIONS)
def test_s_server_wants_a_certificate(s_server, dial, client_context, certs, version):
    trust = ("-Verify", 1, "-CAfile", certs("ca.pem"), "-verify_return_error")
    address, p = s_server("server", OPENSSL[version], *trust)
    context = client_context()
    context.load_cert_chain(*certs.chain("client"))
    with dial(context, address) as s:
        s.write(b"me\n")
        assert s.readline() == b"em\n"
    with pytest.raises(ussl.SSLError) as e:
        dial(client_context(), address).readline()
    assert e.value.alert in (40, 116)  # handshake_failure in 1.2, certificate_required in 1.3


# --- openssl s_client: we are the server


@pytest.fixture
def s_client(program, certs):
    def start(address, *options):
        return program(
            "openssl", "s_client", "-connect", "%s:%d" % address, "-servername", "localhost",
            "-CAfile", certs("ca.pem"), "-verify_return_error", "-verify_hostname", "localhost",
            "-ign_eof", *options,
        )  # fmt: skip

    return start


def once(conn):
    """One line backwards, then the end."""
    conn.write(conn.readline()[:-1][::-1] + b"\n")


@needs["openssl"]
@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("version", VERSIONS)
def test_s_client(serve, s_client, server_context, version, certificate):
    p = s_client(serve(server_context(certificate), once), OPENSSL[version])
    p.say(b"there and back\n")
    p.until(rb"kcab dna ereht\n")
    output = p.end()
    assert p.process.returncode == 0
    assert f"New, {version}, Cipher is" in output and "Verification: OK" in output


@needs["openssl"]
@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_resumes_and_agrees_on_alpn(serve, s_client, server_context, tmp_path, version):
    context = server_context()
    context.set_alpn_protocols(["two", "one"])
    address, session = serve(context, once), tmp_path / "session"
    outputs = []
    for option in ("-sess_out", "-sess_in"):
        p = s_client(address, OPENSSL[version], "-alpn", "one,two", option, session)
        p.say(b"xy\n")
        p.until(rb"yx\n")
        outputs.append(p.end())
        assert p.process.returncode == 0
    assert "ALPN protocol: two" in outputs[0] and f"New, {version}" in outputs[0]
    assert f"Reused, {version}" in outputs[1]


@needs["openssl"]
@pytest.mark.parametrize("version", VERSIONS)
def test_s_client_with_a_certificate(serve, s_client, server_context, certs, version):
    names = []

    def handler(conn):
        names.append(conn.getpeercert()["subject"][0][0][1])
        once(conn)

    context = server_context(verify_mode=ussl.CERT_REQUIRED)
    context.load_verify_locations(certs("ca.pem"))
    cert, key = certs.chain("client")
    p = s_client(serve(context, handler), OPENSSL[version], "-cert", cert, "-key", key)
    p.say(b"xy\n")
    p.until(rb"yx\n")
    p.end()
    assert names == ["a client"]


# --- GnuTLS


@pytest.fixture
def gnutls_serv(program, certs):
    def start(certificate, version, *options):
        cert, key = certs.chain(certificate)
        p = program(
            "gnutls-serv", "--echo", "-p", 0, "--x509certfile", cert, "--x509keyfile", key,
            "--priority", GNUTLS[version], *options,
        )  # fmt: skip
        return "127.0.0.1", p.port()

    return start


@needs["gnutls-serv"]
@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("version", VERSIONS)
def test_gnutls_serv(gnutls_serv, dial, client_context, version, certificate):
    address = gnutls_serv(certificate, version)
    context, reused = client_context(), []
    for _ in range(2):
        with dial(context, address) as s:
            s.write(b"there and back\n")
            assert s.readline() == b"there and back\n"
            assert s.version() == version
            reused.append(s.session_reused)
    assert reused == [False, True]


@needs["gnutls-serv"]
@pytest.mark.parametrize("version", VERSIONS)
def test_gnutls_serv_wants_a_certificate(gnutls_serv, dial, client_context, certs, version):
    trust = ("--require-client-cert", "--verify-client-cert", "--x509cafile", certs("ca.pem"))
    address = gnutls_serv("server", version, *trust, "--alpn", "two")
    context = client_context()
    context.load_cert_chain(*certs.chain("client"))
    context.set_alpn_protocols(["one", "two"])
    with dial(context, address) as s:
        s.write(b"me\n")
        assert s.readline() == b"me\n" and s.selected_alpn_protocol() == "two"
    with pytest.raises(ussl.SSLError) as e:
        dial(client_context(), address).readline()
    assert e.value.alert is not None


@pytest.fixture
def gnutls_cli(program, certs):
    def start(address, version, *options):
        return program(
            "gnutls-cli", "--port", address[1], "--x509cafile", certs("ca.pem"),
            "--sni-hostname", "localhost", "--verify-hostname", "localhost",
            "--priority", GNUTLS[version], *options, address[0],
        )  # fmt: skip

    return start


@needs["gnutls-cli"]
@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("version", VERSIONS)
def test_gnutls_cli(serve, gnutls_cli, server_context, version, certificate):
    p = gnutls_cli(serve(server_context(certificate), reverse), version)
    p.until(rb"Simple Client Mode")
    p.say(b"there and back\n")
    p.until(rb"kcab dna ereht\n")
    output = p.end()
    assert p.process.returncode == 0
    assert f"Description: ({version.replace('v', '')}" in output
    assert "The certificate is trusted." in output


@needs["gnutls-cli"]
@pytest.mark.parametrize("version", VERSIONS)
def test_gnutls_cli_with_a_certificate_alpn_and_resumption(
    serve, gnutls_cli, server_context, certs, version
):
    seen = []

    def handler(conn):
        seen.append((conn.session_reused, conn.getpeercert()["subject"][0][0][1]))
        reverse(conn)

    context = server_context(verify_mode=ussl.CERT_REQUIRED)
    context.load_verify_locations(certs("ca.pem"))
    context.set_alpn_protocols(["two"])
    cert, key = certs.chain("client")
    more = ("--x509certfile", cert, "--x509keyfile", key, "--alpn", "two")
    p = gnutls_cli(serve(context, handler), version, *more, "--resume", "--waitresumption")
    p.until(rb"This is a resumed session")
    p.until(rb"(?s)Simple Client Mode.*Simple Client Mode|resumed.*Simple Client Mode")
    p.say(b"there and back\n")
    p.until(rb"kcab dna ereht\n")
    assert "- Application protocol: two" in p.end()
    assert seen == [(False, "a client"), (True, "a client")]


# --- curl


def http(body, seen=None):
    """An HTTP/1.1 server's handler."""

    def handler(conn):
        while request := conn.readline():
            while conn.readline() not in (b"\r\n", b""):
                pass
            if seen is not None:
                seen.append((request.split()[1], conn.version(), conn.selected_alpn_protocol()))
            conn.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            conn.write(body)

    return handler


def curl(certs, address, *options, ok=True):
    url = "https://localhost:%d/" % address[1]
    command = [
        "curl", "-sS", "--resolve", "localhost:%d:127.0.0.1" % address[1], "--noproxy", "*",
        "--cacert", certs("ca.pem"), *options, url + "one",
    ]  # fmt: skip
    if ok:
        command += [url + "two"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE)
    assert (done.returncode == 0) == ok, done.stderr
    return done.stdout, done.stderr.decode()


@needs["curl"]
@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("version", VERSIONS)
def test_curl(serve, certs, server_context, version, certificate):
    body, seen = os.urandom(1 << 20), []
    context = server_context(certificate)
    context.set_alpn_protocols(["http/1.1"])
    address = serve(context, http(body, seen))
    output, _ = curl(certs, address, "--tlsv" + version[4:], "--tls-max", version[4:])
    assert hashlib.sha256(output).digest() == hashlib.sha256(body + body).digest()
    assert seen == [(path, version, "http/1.1") for path in (b"/one", b"/two")]


@needs["curl"]
def test_curl_with_a_certificate(serve, certs, server_context):
    context = server_context(verify_mode=ussl.CERT_REQUIRED)
    context.load_verify_locations(certs("ca.pem"))
    address = serve(context, http(b"hello"))
    cert, key = certs.chain("client")
    assert curl(certs, address, "--cert", cert, "--key", key)[0] == b"hellohello"


@needs["curl"]
def test_curl_refuses_a_stranger(certs, server_context, listener, run):
    context, raised = server_context("stranger"), []

    def server():
        conn, _ = listener.accept()
        with pytest.raises(ussl.SSLError) as e:
            context.wrap_socket(conn, server_side=True)
        raised.append(e.value.reason)

    thread = run(server)
    _, errors = curl(certs, listener.getsockname(), ok=False)
    thread.join()
    assert "certificate" in errors and raised == ["TLSV1_ALERT_UNKNOWN_CA"]
