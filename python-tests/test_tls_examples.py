"""The TLS examples, in Python and in C: they run by themselves, and with each other."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import usocket
import ussl
from usocket import _lib

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
PATIENCE = 100


def python(name, *arguments):
    """Runs an example; its output."""
    env = dict(os.environ, PYTHONPATH=str(ROOT / "python"))
    program = [sys.executable, "-W", "error", str(EXAMPLES / "python" / name), *arguments]
    done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """`built(name)`: an example in C as a program."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler here")
    directory = tmp_path_factory.mktemp("examples")

    def build(name):
        program, library = directory / name, Path(_lib.path).resolve()
        command = ["cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pthread"]
        source = str(EXAMPLES / "c" / f"{name}.c")
        command += ["-I", str(ROOT / "include"), "-o", str(program), source, str(library)]
        # The library's own name is one that installing it makes.
        (directory / "libusocket.so.0").unlink(missing_ok=True)
        (directory / "libusocket.so.0").symlink_to(library)
        subprocess.run([*command, f"-Wl,-rpath,{directory}"], check=True, timeout=PATIENCE)
        return str(program)

    return build


def c(program, *arguments):
    """Runs a program; (code, output, errors)."""
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT
    )
    return done.returncode, done.stdout, done.stderr


def test_https_get_with_a_server_of_its_own():
    output = python("https_get.py")
    assert re.search(r"localhost: TLSv1\.3, TLS_\w+, X25519", output)
    assert "certificate of server.example by libusocket test CA" in output
    assert "200 OK: you asked localhost for /some/page" in output
    assert "without trust: the certificate was issued by" in output
    assert "server: 127.0.0.1:" in output and "TLSV1_ALERT_UNKNOWN_CA" in output


def test_mutual_tls_in_python():
    output = python("mutual_tls.py")
    assert "good day, a client" in output
    assert "TLSV1_ALERT_UNKNOWN_CA" in output and "TLSV13_ALERT_CERTIFICATE_REQUIRED" in output


def test_mutual_tls_in_c(built, certs):
    code, output, errors = c(built("mutual_tls"), str(certs.directory))
    assert (code, errors) == (0, "")
    assert "TLS 1.3, TLS_" in output and "the server says: good day, a client" in output
    assert "with server.example" in output
    assert "(unknown_ca)" in output and "(certificate_required)" in output


def page(body):
    def handler(conn):
        while conn.readline().strip():
            pass
        conn.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    return handler


def test_https_get_in_c_from_a_server_in_python(built, certs, serve, server_context):
    address, body = serve(server_context(), page(b"hello from Python")), "hello from Python"
    url = f"https://localhost:{address[1]}/"
    code, output, errors = c(built("https_get"), url, certs("ca.pem"))
    assert code == 0 and output.endswith(body) and "TLS 1.3, TLS_" in errors


def test_https_get_in_c_says_why_it_refuses(built, certs, listener, run, server_context):
    context = server_context("expired")

    def server():
        with pytest.raises(ussl.SSLError, match="certificate_expired"):
            context.wrap_socket(listener.accept()[0], server_side=True)

    run(server)
    url = f"https://localhost:{listener.getsockname()[1]}/"
    code, _, errors = c(built("https_get"), url, certs("ca.pem"))
    assert code == 1 and "expired 2024-05-01" in errors


def test_https_server_in_c_and_a_client_in_python(built, certs, client_context, dial):
    program = [built("https_server"), "0", *certs.chain("server"), certs("ca.pem")]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            port = int(server.stdout.readline().split()[-1])
            context = client_context()
            context.load_cert_chain(*certs.chain("client"))
            with dial(context, ("127.0.0.1", port)) as s:
                s.write(b"GET / HTTP/1.1\r\n\r\n")
                assert b"you asked for localhost over TLS_" in s.readall()
            with pytest.raises(ussl.SSLError, match="certificate_required"):
                dial(client_context(), ("127.0.0.1", port)).readall()
            assert b"presented no certificate" in server.stderr.readline()
        finally:
            server.terminate()


def test_the_roots_of_the_system_do_not_know_our_certificates(serve, certs, server_context, run):
    with usocket.create_server(("127.0.0.1", 0)) as listener:

        def server():
            with pytest.raises(ussl.SSLError, match="unknown_ca"):
                server_context().wrap_socket(listener.accept()[0], server_side=True)

        thread = run(server)
        s = usocket.create_connection(listener.getsockname(), PATIENCE)
        with pytest.raises(ussl.SSLCertVerificationError, match="trusted"):
            ussl.create_default_context().wrap_socket(s, server_hostname="localhost")
        thread.join()
