"""ussl.wrap_socket with MicroPython's arguments and defaults; WiPy's way; programs as they are."""

import inspect
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import usocket
import ussl
from ussl import compat

PYTHON = Path(__file__).resolve().parent.parent / "python"

# As printed in WiPy's documentation of `socket`.
WIPY = """
import socket
import ssl
s = socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SEC)
ss = ssl.wrap_socket(s)
"""
CONNECT = "ss.connect(socket.getaddrinfo('127.0.0.1', port)[0][4])\n"

# As MicroPython's examples/network/https_client.py.
CLIENT = """
import socket
import tls
import ssl
assert tls.SSLContext is ssl.SSLContext
s = socket.socket()
ai = socket.getaddrinfo("127.0.0.1", port)
s.connect(ai[0][-1])
s = ssl.wrap_socket(s)
s.write(b"GET / HTTP/1.0\\n")
line = s.read(4096)
s.close()
"""


@pytest.fixture
def quiet(monkeypatch):
    """The warning has been given."""
    monkeypatch.setattr("ussl._default._said", True)


@pytest.fixture
def echo(serve, server_context):
    return serve(server_context())


def test_the_signature_is_micropythons():
    parameters = inspect.signature(ussl.wrap_socket).parameters
    positional = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [(p.name, p.default) for p in positional[1:]] == [
        ("server_side", False),
        ("key", None),
        ("cert", None),
        ("cert_reqs", ussl.CERT_NONE),
        ("cadata", None),
        ("server_hostname", None),
        ("do_handshake", True),
    ]


def test_the_default_verifies_nothing_and_says_so_once(monkeypatch, serve, server_context):
    monkeypatch.setattr("ussl._default._said", False)
    address = serve(server_context("stranger"))
    with pytest.warns(ussl.InsecureWarning, match="verifies nothing") as said:
        for _ in range(2):
            with ussl.wrap_socket(usocket.create_connection(address)) as s:
                s.write(b"x")
                assert s.read(1) == b"x"
                assert s.getpeercert() == {} and s.getpeercert(True)
                assert not s.context.check_hostname
    assert len(said) == 1 and said[0].filename == __file__


def test_servers_and_what_is_verified_are_not_warned_of(
    monkeypatch, tcp, run, certs, server_context
):
    monkeypatch.setattr("ussl._default._said", False)

    def server():
        cert, key = certs.chain("server")
        with ussl.wrap_socket(tcp[1], server_side=True, key=key, cert=cert) as s:
            s.write(s.readline())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(server)
        s = ussl.wrap_socket(
            tcp[0],
            cert_reqs=ussl.CERT_REQUIRED,
            cadata=certs.read("ca.der"),
            server_hostname="localhost",
        )
        with s:
            s.write(b"verified\n")
            assert s.readline() == b"verified\n" and s.getpeercert()["subject"]


@pytest.mark.parametrize("form", ["pem", "der"])
@pytest.mark.parametrize("key", ["server-key", "server-key-sec1"])
def test_keys_and_certificates_as_bytes(tcp, run, certs, quiet, form, key):
    def server():
        how = {"key": certs.read(f"{key}.{form}"), "cert": certs.read(f"server.{form}")}
        with ussl.wrap_socket(tcp[1], True, **how) as s:
            s.write(b"hello")

    run(server)
    with ussl.wrap_socket(tcp[0]) as s:
        assert s.read() == b"hello"
        assert s.getpeercert(True) == certs.read("server.der")


def test_rsa_in_pkcs1_and_wipys_names(tcp, run, certs, quiet):
    def server():
        how = {"keyfile": certs("server-rsa-key-pkcs1.pem"), "certfile": certs("server-rsa.pem")}
        with ussl.wrap_socket(tcp[1], server_side=True, **how) as s:
            s.write(b"hello")

    run(server)
    how = {"cert_reqs": ussl.CERT_REQUIRED, "ca_certs": certs("ca.pem")}
    with ussl.wrap_socket(tcp[0], server_hostname="server.example", **how) as s:
        assert s.read() == b"hello"


@pytest.mark.parametrize("version", [ussl.TLSVersion.TLSv1_2, ussl.TLSVersion.TLSv1_3, ussl.PROTOCOL_TLS_CLIENT])
def test_the_version_that_cpython_asked_for(tcp, run, certs, quiet, version):
    def server():
        how = {"keyfile": certs("server-rsa-key-pkcs1.pem"), "certfile": certs("server-rsa.pem")}
        with ussl.wrap_socket(tcp[1], server_side=True, **how) as s:
            s.write(b"hello")

    run(server)
    with ussl.wrap_socket(tcp[0], ssl_version=version) as s:
        assert s.read() == b"hello"
        assert s.version() == ("TLSv1.2" if version == ussl.TLSVersion.TLSv1_2 else "TLSv1.3")


def test_a_version_that_is_none(tcp, quiet):
    with pytest.raises(ValueError):
        ussl.wrap_socket(tcp[0], ssl_version=3)


def test_micropythons_errors(tcp, certs, quiet):
    cert, key = certs.read("server.der"), certs.read("server-key.der")
    for how, kind, words in [
        ({"cert": b"!", "key": key}, ValueError, "^invalid cert"),
        ({"cert": cert, "key": b"!"}, ValueError, "^invalid key"),
        ({"cert": cert, "key": certs.read("mismatch-key.pem")}, ValueError, "^invalid key"),
        ({"cadata": b"!"}, ValueError, "^invalid cert"),
        ({"key": key}, TypeError, "key without cert"),
        ({"cert_reqs": 2}, ValueError, "CERT_REQUIRED requires server_hostname"),
        ({"cert_reqs": 7}, ValueError, "7"),
        ({"server_side": True}, OSError, "needs a certificate"),
        ({"server_side": True, "server_hostname": "x"}, ValueError, "client mode"),
    ]:
        with pytest.raises(kind, match=words):
            ussl.wrap_socket(tcp[0], **how)
    with pytest.raises(TypeError):
        ussl.wrap_socket(None)
    tcp[0].send(b"the socket is none the worse")
    assert tcp[1].recv(3) == b"the"


def test_the_self_signed_certificates_of_small_devices(tcp, run, certs):
    """CA:TRUE, and nothing but a common name: given as cadata, it is accepted as itself."""

    def server():
        cert, key = certs.read("self-signed.der"), certs.read("self-signed-key.der")
        with ussl.wrap_socket(tcp[1], server_side=True, key=key, cert=cert) as s:
            s.write(b"hello")

    run(server)
    how = {"cert_reqs": ussl.CERT_REQUIRED, "cadata": certs.read("self-signed.der")}
    with ussl.wrap_socket(tcp[0], server_hostname="localhost", **how) as s:
        assert s.read() == b"hello"


def test_wrapping_before_connecting(make, echo, quiet):
    plain = make(usocket.AF_INET, usocket.SOCK_STREAM, usocket.IPPROTO_SEC)
    s = ussl.wrap_socket(plain)
    with s:
        assert plain.fileno() == -1 and s.version() is None
        s.connect(echo)
        assert s.version() == "TLSv1.3"
        s.write(b"x")
        assert s.read(1) == b"x"


def test_after_a_refused_connect_comes_a_good_one(make, echo, quiet, refusing):
    with ussl.wrap_socket(make()) as s:
        with pytest.raises(ConnectionRefusedError):
            s.connect(refusing)
        s.connect(echo)
        s.write(b"x")
        assert s.read(1) == b"x"


def test_nothing_goes_in_clear_before_the_handshake(make, listener, quiet, run):
    """A peer that speaks no TLS gets a ClientHello, and no byte of the program's."""
    seen = []

    def server():
        conn, _ = listener.accept()
        with conn:
            seen.append(conn.recv(65536))
            conn.write(b"no TLS here\r\n")
            seen.append(conn.readall())

    thread = run(server)
    plain = make(usocket.AF_INET, usocket.SOCK_STREAM, usocket.IPPROTO_SEC)
    with ussl.wrap_socket(plain, do_handshake=False) as s:
        s.connect(listener.getsockname())
        with pytest.raises(ussl.SSLError, match="does not speak TLS"):
            s.write(b"a secret")
    thread.join()
    assert seen[0][:1] == b"\x16" and b"secret" not in b"".join(seen)


def test_without_the_handshake_the_first_use_does_it(echo, quiet):
    for how in ({"do_handshake": False}, {"do_handshake_on_connect": False}):
        with ussl.wrap_socket(usocket.create_connection(echo), **how) as s:
            assert s.version() is None
            s.write(b"x")
            assert s.read(1) == b"x" and s.version() == "TLSv1.3"


def test_a_non_blocking_socket_is_wrapped_without_waiting(tcp, quiet):
    tcp[0].setblocking(False)
    with ussl.wrap_socket(tcp[0]) as s:
        assert s.read(1) is None and s.version() is None


# --- programs as they are


def test_wipys_lines_as_printed(echo, quiet):
    names = compat.namespace(port=echo[1])
    exec(WIPY + CONNECT, names)
    with names["ss"] as ss:
        assert type(ss) is ussl.SSLSocket and ss.proto == usocket.IPPROTO_SEC
        ss.send("hello")
        assert ss.recv(5) == b"hello"


def test_micropythons_client(echo, quiet):
    names = compat.namespace(port=echo[1])
    exec(CLIENT.replace("read(4096)", "readline()"), names)
    assert names["line"] == b"GET / HTTP/1.0\n"


def test_the_command_that_runs_a_program(echo, tmp_path):
    script = tmp_path / "script.py"
    end = "ss.write('hello')\nprint(ss.read(5), __name__, sys.argv[1:])\nss.close()\n"
    script.write_text("import sys\nport = int(sys.argv[1])\n" + WIPY + CONNECT + end)
    command = [sys.executable, "-W", "ignore", "-m", "ussl", str(script), str(echo[1])]
    env = dict(os.environ, PYTHONPATH=str(PYTHON))
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == (f"b'hello' __main__ ['{echo[1]}']\n", "")
    done = subprocess.run(command[:5], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "usage" in done.stderr


def test_only_the_program_itself_sees_other_modules():
    names = compat.namespace()
    exec("import socket, select, json, asyncio", names)
    assert names["select"].poll.__module__ == "uselect"
    assert names["socket"].socket is usocket.socket
    assert sys.modules["socket"].__name__ == "socket" != sys.modules["usocket"].__name__
    assert names["asyncio"].__name__ == "asyncio"
