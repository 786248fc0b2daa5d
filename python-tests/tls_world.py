"""Support for the TLS tests: certificates made for this run, contexts, pairs of connections."""

import subprocess
import threading
from pathlib import Path

import pytest
import usocket
import ussl

ROOT = Path(__file__).resolve().parent.parent


# An Ed25519 key in PKCS#8 as version 1 has it, before the 32 bytes. rcgen writes version 2, with
# the public half behind them, which OpenSSL 3.0 does not read.
ED25519 = bytes.fromhex("302e020100300506032b657004220420")


class Certs:
    """The directory that examples/mkcert.rs filled; its documentation lists the files."""

    def __init__(self, directory):
        self.directory = Path(directory)

    def __call__(self, name):
        return str(self.directory / name)

    def read(self, name):
        return (self.directory / name).read_bytes()

    def chain(self, name):
        """The certificate and the key of that name, as paths."""
        return self(name + ".pem"), self(name + "-key.pem")


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certs")
    # As `make certs` has built it: cargo may be busy with something else for long.
    built = ROOT / "target/debug/examples/mkcert"
    make = [built] if built.exists() else ["cargo", "run", "-q", "--example", "mkcert", "--"]
    subprocess.run([*make, directory], cwd=ROOT, check=True, timeout=600)
    made = Certs(directory)
    key = made.read("server-ed25519-key.der").split(ED25519[-4:])[1][:32]
    pem = ussl.DER_cert_to_PEM_cert(ED25519 + key).replace("CERTIFICATE", "PRIVATE KEY")
    (directory / "server-ed25519-key.pem").write_text(pem)
    return made


@pytest.fixture
def server_context(certs):
    """`server_context(name)`: a server's context with that certificate."""

    def make(name="server", **attributes):
        context = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certs.chain(name))
        for attribute, value in attributes.items():
            setattr(context, attribute, value)
        return context

    return make


@pytest.fixture
def client_context(certs):
    """`client_context()`: a client's context that trusts the test CA."""

    def make(cafile="ca.pem", **attributes):
        context = ussl.create_default_context(cafile=certs(cafile))
        for attribute, value in attributes.items():
            setattr(context, attribute, value)
        return context

    return make


class End:
    """One end after a meeting: its socket and its exception."""

    def __init__(self):
        self.sock = self.error = None


def exchange(sock, says):
    """A line there and one back, read up to the newline."""
    if says == b"ping\n":
        sock.write(says)
        assert sock.readline() == b"pong\n"
    else:
        assert sock.readline() == b"ping\n"
        sock.write(says)


@pytest.fixture
def meet(tcp, keep):
    """`meet(server_context, client_context, name)`: both ends shake hands and exchange a line.

    Returns (client, server), each with its exception or its socket.
    """

    def play(end, sock, context, says, **how):
        try:
            sock.settimeout(20)
            end.sock = keep(context.wrap_socket(sock, **how))
            exchange(end.sock, says)
        except OSError as e:
            end.error = e
            if end.sock is not None:
                end.sock.close()

    def both(server, client, name="localhost", **how):
        ends = End(), End()
        theirs = (ends[1], tcp[1], server, b"pong\n")
        thread = threading.Thread(target=play, args=theirs, kwargs={"server_side": True})
        thread.start()
        play(ends[0], tcp[0], client, b"ping\n", server_hostname=name, **how)
        thread.join()
        return ends

    return both


def echo(sock):
    """Sends everything back, until the end."""
    while data := sock.recv(65536):
        sock.sendall(data)


@pytest.fixture
def serve(make):
    """`serve(context, handler)` starts a server, of which each connection has its own thread; its
    address. After the test none of the connections may have raised anything."""
    threads, failures, sockets = [], [], []

    def start(context, handler=echo):
        listener = make()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sockets.append(listener)

        def connection(conn):
            try:
                with conn, context.wrap_socket(conn, server_side=True) as wrapped:
                    handler(wrapped)
            except BaseException as e:
                failures.append(e)

        def accept():
            while True:
                try:
                    conn, _ = listener.accept()
                except OSError:
                    return
                conn.settimeout(60)
                thread = threading.Thread(target=connection, args=(conn,))
                thread.start()
                threads.append(thread)

        thread = threading.Thread(target=accept)
        thread.start()
        threads.append(thread)
        return listener.getsockname()

    yield start
    for listener in sockets:
        listener.close()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []


@pytest.fixture
def dial(keep):
    """`dial(context, address, ...)`: a wrapped connection to a server."""

    def connect(context, address, name="localhost", **how):
        sock = keep(usocket.create_connection(address, 60))
        return keep(context.wrap_socket(sock, server_hostname=name, **how))

    return connect


@pytest.fixture
def wrapped(tcp, keep, server_context, client_context):
    """Two ends of TLS that have not begun: (client, server)."""
    client, server = tcp
    how = {"do_handshake_on_connect": False}
    return (
        keep(client_context().wrap_socket(client, server_hostname="localhost", **how)),
        keep(server_context().wrap_socket(server, server_side=True, **how)),
    )


@pytest.fixture
def pair_of(tcp, keep, run, server_context, client_context):
    """`pair_of(server, client, **how)`: two ends after the handshake, (client, server)."""

    def make(server=None, client=None, **how):
        ends = []

        def accept():
            context = server or server_context()
            ends.append(keep(context.wrap_socket(tcp[1], server_side=True, **how)))

        thread = run(accept)
        context = client or client_context()
        ours = keep(context.wrap_socket(tcp[0], server_hostname="localhost", **how))
        thread.join()
        return ours, ends[0]

    return make


@pytest.fixture
def tls(pair_of):
    return pair_of()
