"""The examples in C with what a person may type: a sentence and an exit status, never a guess."""

import contextlib
import socket
import ssl
import subprocess

import pytest


@pytest.fixture(scope="module", autouse=True)
def built():
    programs = [f"target/examples/{name}" for name in ("https_get", "https_server", "http_server")]
    subprocess.run(["make", "-s", *programs], check=True)


def run(name, *words):
    done = subprocess.run(
        [f"target/examples/{name}", *words], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "url",
    ["", "foo", "http://localhost/", "https://", "https:///path", "https://[::1", "https://[]/",
     "https://h:", "https://h:foo", "https://h:0", "https://h:70000", "https://h:99999999999999999999",
     "https://h:1x", "https://[::1]x/", "https://" + "h" * 300, "https://h/" + "p" * 3000],
)
def test_https_get_takes_no_nonsense(url):
    code, said = run("https_get", url)
    assert code == 2 and said.splitlines()[1].startswith("usage: "), said


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "https://[::1]:1", "https://127.0.0.1:1?q#f"])
def test_https_get_says_why_it_cannot(url):
    code, said = run("https_get", url)
    assert code == 1 and len(said.splitlines()) == 1, said


@pytest.mark.parametrize("port", ["", "foo", "-1", "65536", "80x", "99999999999999999999"])
def test_http_server_takes_no_nonsense(port):
    code, said = run("http_server", port)
    assert code == 2 and said.startswith("usage: "), said


@pytest.fixture(params=["http", "https"])
def server(request):
    """Connects to it."""
    certs = ["target/certs/server.pem", "target/certs/server-key.pem"] * (request.param == "https")
    with subprocess.Popen(
        ["target/examples/http_server", "0", *certs], stdout=subprocess.PIPE, text=True
    ) as process:
        port = int(process.stdout.readline().split()[-1])

        @contextlib.contextmanager
        def connect():
            with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
                if not certs:
                    yield plain
                    return
                context = ssl.create_default_context(cafile="target/certs/ca.pem")
                with context.wrap_socket(plain, server_hostname="localhost") as tls:
                    yield tls

        try:
            yield connect
            assert process.poll() is None, "it has ended"
        finally:
            process.kill()


def receive(s, n):
    """An answer of `n` bytes."""
    with s.makefile("rb") as file:
        head = []
        while line := file.readline().strip():
            head.append(line)
        assert head[0] == b"HTTP/1.1 200 OK" and f"Content-Length: {n}".encode() in head
        body = file.read(n)
        assert body == b"." * n


def test_http_server_keeps_connections(server):
    with server() as a, server() as b:
        for n in (0, 5, 1024, 65536, 1000000):
            for s in (b, a):
                s.sendall(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n)
            for s in (a, b):
                receive(s, n)


def test_http_server_takes_requests_in_pieces_and_several_at_once(server):
    with server() as s:
        request = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"
        for byte in request % 9:
            s.sendall(bytes([byte]))
        receive(s, 9)
        # More than fits into the buffers on the way: it must wait for its reader.
        s.sendall((request % 1000000) * 20 + request[:20])
        with s.makefile("rb") as file:
            for _ in range(20):
                while file.readline().strip():
                    pass
                assert file.read(1000000) == b"." * 1000000
            s.sendall(request[20:])


def test_http_server_answers_nonsense(server):
    for line in (b"GET /x HTTP/1.1", b"GET /1000001 HTTP/1.1", b"POST /1 HTTP/1.1", b"GET /"):
        with server() as s:
            s.sendall(line + b"\r\n\r\n")
            assert s.recv(12) == b"HTTP/1.1 404"
    with server() as s, pytest.raises((ConnectionError, EOFError, ssl.SSLError)):
        # A request without an end is one connection's, which is closed.
        while True:
            s.sendall(b"x" * 1000)
            s.settimeout(0.001)
            try:
                if not s.recv(1):
                    raise EOFError
            except TimeoutError:
                s.settimeout(60)


@pytest.mark.parametrize("port", ["", "foo", "-1", "65536", "80x", "99999999999999999999"])
def test_https_server_takes_no_nonsense(port):
    code, said = run("https_server", port, "cert", "key")
    assert code == 2 and said.startswith("usage: "), said


def test_arguments_that_are_missing():
    for name in ("https_get", "https_server"):
        assert run(name)[0] == 2
