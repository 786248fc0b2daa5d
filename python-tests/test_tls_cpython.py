"""TLS with CPython's ssl at the other end: OpenSSL, as a client and as a server."""

import contextlib
import hashlib
import os
import socket
import ssl
import threading

import pytest
import usocket
import ussl

VERSIONS = ["TLSv1.2", "TLSv1.3"]
CERTIFICATES = ["server", "server-p384", "server-rsa", "server-ed25519"]
SIZE = 3 << 20


def versions(module, name):
    return getattr(module.TLSVersion, name.replace(".", "_"))


def only(module, context, version):
    context.minimum_version = context.maximum_version = versions(module, version)
    return context


@pytest.fixture
def theirs():
    """`theirs(context, handler, connections=1)`: their server; its address and what it saw."""
    with contextlib.ExitStack() as stack:

        def start(context, handler, connections=1):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.settimeout(60)
            seen = []

            def body():
                for _ in range(connections):
                    conn, _ = listener.accept()
                    conn.settimeout(60)
                    try:
                        with context.wrap_socket(conn, server_side=True) as wrapped:
                            seen.append(handler(wrapped))
                    except OSError as e:
                        conn.close()
                        seen.append(e)

            thread = threading.Thread(target=body)
            thread.start()
            stack.callback(thread.join)
            return listener.getsockname(), seen, thread

        yield start


def their_server(certs, name="server"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certs.chain(name))
    return context


def their_client(certs):
    return ssl.create_default_context(cafile=certs("ca.pem"))


@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("version", VERSIONS)
def test_we_are_the_client(theirs, dial, certs, client_context, version, certificate):
    def handler(conn):
        conn.sendall(conn.recv(100).upper())
        with contextlib.suppress(ssl.SSLEOFError):
            assert conn.recv(1) == b""  # Our close_notify.
        return conn.version(), conn.cipher()[0]

    context = only(ssl, their_server(certs, certificate), version)
    address, seen, thread = theirs(context, handler)
    with dial(client_context(), address) as s:
        s.write(b"hello")
        assert s.read(5) == b"HELLO"
        ours = s.version()
        der = s.getpeercert(True)
    thread.join()
    assert ours == version and seen[0][0] == version
    assert der == certs.read(certificate + ".der")


@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("version", VERSIONS)
def test_we_are_the_server(serve, certs, server_context, version, certificate):
    address = serve(only(ussl, server_context(certificate), version))
    with socket.create_connection(address) as plain:
        with their_client(certs).wrap_socket(plain, server_hostname="localhost") as s:
            assert s.version() == version
            s.sendall(b"hello")
            assert s.recv(5) == b"hello"
            assert s.getpeercert(True) == certs.read(certificate + ".der")
            s.unwrap()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_large_transfer_each_way_from_their_client(serve, certs, server_context, version):
    address = serve(only(ussl, server_context(), version))
    data = os.urandom(SIZE)
    with socket.create_connection(address) as plain:
        with their_client(certs).wrap_socket(plain, server_hostname="localhost") as s:
            sender = threading.Thread(target=s.sendall, args=(data,))
            sender.start()
            digest, got = hashlib.sha256(), 0
            while got < SIZE:
                piece = s.recv(65536)
                digest.update(piece)
                got += len(piece)
            sender.join()
    assert digest.digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_large_transfer_each_way_to_their_server(theirs, dial, certs, client_context, version):
    def handler(conn):
        digest, got = hashlib.sha256(), 0
        while got < SIZE:
            piece = conn.recv(65536)
            conn.sendall(piece)
            digest.update(piece)
            got += len(piece)
        return digest.hexdigest()

    data = os.urandom(SIZE)
    address, seen, thread = theirs(only(ssl, their_server(certs), version), handler)
    with dial(client_context(), address) as s:
        sender = threading.Thread(target=s.sendall, args=(data,))
        sender.start()
        back = s.read(SIZE)
        sender.join()
    thread.join()
    assert back == data and seen == [hashlib.sha256(data).hexdigest()]


@pytest.mark.parametrize("version", VERSIONS)
def test_mutual_tls_with_their_server(theirs, dial, certs, client_context, version):
    context = only(ssl, their_server(certs), version)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certs("ca.pem"))
    client = client_context()
    client.load_cert_chain(*certs.chain("client"))

    def handler(conn):
        conn.sendall(b"welcome")
        return conn.getpeercert()["subject"]

    address, seen, thread = theirs(context, handler)
    with dial(client, address) as s:
        assert s.read(7) == b"welcome"
    thread.join()
    assert seen == [((("commonName", "a client"),),)]


def test_their_server_refuses_a_client_without_a_certificate(theirs, dial, certs, client_context):
    context = their_server(certs)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certs("ca.pem"))
    address, seen, thread = theirs(context, lambda conn: conn.recv(1))
    with pytest.raises(ussl.SSLError, match="certificate_required") as e:
        dial(client_context(), address).read(1)
    thread.join()
    assert e.value.alert == 116 and e.value.reason == seen[0].reason.replace(
        "PEER_DID_NOT_RETURN_A_CERTIFICATE", "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_mutual_tls_with_their_client(serve, certs, server_context, version):
    subjects = []

    def handler(conn):
        conn.write(b"welcome")
        subjects.append(conn.getpeercert()["subject"])

    context = only(ussl, server_context(verify_mode=ussl.CERT_REQUIRED), version)
    context.load_verify_locations(certs("ca.pem"))
    client = their_client(certs)
    client.load_cert_chain(*certs.chain("client"))
    with socket.create_connection(serve(context, handler)) as plain:
        with client.wrap_socket(plain, server_hostname="localhost") as s:
            assert s.recv(7) == b"welcome" and s.recv(1) == b""
    assert subjects == [((("commonName", "a client"),),)]


def test_alpn_with_their_server(theirs, dial, certs, client_context):
    context = their_server(certs)
    context.set_alpn_protocols(["two", "one"])
    client = client_context()
    client.set_alpn_protocols(["one", "two"])
    address, seen, thread = theirs(context, lambda conn: conn.selected_alpn_protocol())
    with dial(client, address) as s:
        ours = s.selected_alpn_protocol()
    thread.join()
    assert seen == [ours] == ["two"]


def test_no_protocol_in_common_is_no_error(serve, certs, server_context):
    context = server_context()
    context.set_alpn_protocols(["ours"])
    client = their_client(certs)
    client.set_alpn_protocols(["theirs"])
    ours = []
    address = serve(context, lambda conn: ours.append(conn.selected_alpn_protocol()))
    with socket.create_connection(address, 20) as sock:
        with client.wrap_socket(sock, server_hostname="localhost") as s:
            assert s.selected_alpn_protocol() is None
            s.recv(1)
    assert ours == [None]


def test_alpn_with_their_client(serve, certs, server_context):
    ours = []
    context = server_context()
    context.set_alpn_protocols(["two", "one"])
    client = their_client(certs)
    client.set_alpn_protocols(["one", "two"])
    address = serve(context, lambda conn: ours.append(conn.selected_alpn_protocol()))
    with socket.create_connection(address) as plain:
        with client.wrap_socket(plain, server_hostname="localhost") as s:
            assert s.recv(1) == b""
            assert s.selected_alpn_protocol() == "two"
    assert ours == ["two"]


@pytest.mark.parametrize("version", VERSIONS)
def test_resumption_with_their_server(theirs, dial, certs, client_context, version):
    def handler(conn):
        conn.sendall(b"x")
        return conn.session_reused

    address, seen, thread = theirs(only(ssl, their_server(certs), version), handler, 2)
    context, reused = client_context(), []
    for _ in range(2):
        with dial(context, address) as s:
            assert s.readall() == b"x"
            reused.append(s.session_reused)
    thread.join()
    assert seen == reused == [False, True]


@pytest.mark.parametrize("version", VERSIONS)
def test_resumption_with_their_client(serve, certs, server_context, version):
    reused = []

    def handler(conn):
        conn.write(b"x")
        reused.append(conn.session_reused)

    address = serve(only(ussl, server_context(), version), handler)
    client, session = their_client(certs), None
    for _ in range(2):
        with socket.create_connection(address) as plain:
            with client.wrap_socket(plain, server_hostname="localhost", session=session) as s:
                assert s.recv(1) == b"x" and s.recv(1) == b""
                session = s.session
                theirs = s.session_reused
    assert theirs and reused == [False, True]


def test_the_failure_of_their_verification_is_our_alert(serve, certs, server_context, tcp, keep):
    context = server_context("stranger")
    alerts = []

    def body():
        with pytest.raises(ussl.SSLError) as e:
            context.wrap_socket(tcp[1], server_side=True)
        alerts.append((e.value.alert, e.value.reason))

    thread = threading.Thread(target=body)
    thread.start()
    plain = socket.socket(fileno=tcp[0].detach())
    with plain, pytest.raises(ssl.SSLCertVerificationError):
        their_client(certs).wrap_socket(plain, server_hostname="localhost")
    thread.join()
    assert alerts == [(48, "TLSV1_ALERT_UNKNOWN_CA")]


def test_our_alert_is_theirs(theirs, certs, client_context, dial):
    address, seen, thread = theirs(their_server(certs, "expired"), lambda conn: conn.recv(1))
    with pytest.raises(ussl.SSLCertVerificationError, match="expired 2024-05-01"):
        dial(client_context(), address)
    thread.join()
    assert seen[0].reason == "SSLV3_ALERT_CERTIFICATE_EXPIRED"


def test_the_dict_of_a_certificate_is_cpythons(theirs, certs, client_context, dial):
    address, _, thread = theirs(their_server(certs), lambda conn: conn.recv(1), 2)
    with dial(client_context(), address) as ours, socket.create_connection(address) as plain:
        mine = ours.getpeercert()
        ours.close()
        with their_client(certs).wrap_socket(plain, server_hostname="localhost") as s:
            assert mine == s.getpeercert()
    thread.join()


# --- the client's last messages, all in one


def _to_the_end(sock, client, incoming, outgoing, sends):
    """A handshake with its last message, data and close_notify sent in one piece."""
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))
    if sends:
        client.write(b"all I have to say")
    with pytest.raises(ssl.SSLWantReadError):
        client.unwrap()
    sock.sendall(outgoing.read())


@pytest.mark.parametrize("sends", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_says_everything_at_once_is_heard(tcp, run, certs, server_context, version, sends):
    # The server lost the connection: the handshake was over, and it only saw the end.
    context, theirs = server_context(), only(ssl, their_client(certs), version)
    session = None
    for _ in range(2):  # A resumed one of TLS 1.2 has the client's message last.
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = theirs.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
        got, (near, far) = [], (socket.socketpair() if session else (None, None))
        plain = usocket.socket(fileno=far.detach()) if far else tcp[1]
        near = near or socket.socket(fileno=tcp[0].detach())

        def serve(plain=plain, got=got):
            with context.wrap_socket(plain, server_side=True) as s:
                s.settimeout(60)
                got += [s.recv(100), s.recv(100)] if sends else [b"", s.recv(100)]

        with near:
            near.settimeout(60)
            thread = run(serve)
            _to_the_end(near, client, incoming, outgoing, sends)
            thread.join(60)
            assert got == [b"all I have to say" if sends else b"", b""]
            session = client.session


def test_a_blocking_send_takes_all(serve, dial, server_context, client_context):
    # It took 64 KiB, where OpenSSL and a plain socket take all.
    seen = []

    def count(conn):
        seen.append(len(conn.readall()))

    data = bytes(5_000_000)
    with dial(client_context(), serve(server_context(), count)) as s:
        s.settimeout(None)
        assert s.send(data) == len(data)
        s.shutdown(usocket.SHUT_WR)
        assert s.recv(1) == b""
    assert seen == [len(data)]
