"""ussl.SSLSocket: a socket, and what it tells of its session."""

import copy
import hashlib
import os
import pickle
import threading
from errno import EBADF, EISCONN, EOPNOTSUPP

import pytest
import usocket
import ussl


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


# --- it is a socket


def test_it_is_a_socket_and_the_other_one_is_closed(tls, tcp):
    client, server = tls
    for s, plain in zip(tls, tcp):
        assert isinstance(s, usocket.socket) and s.fileno() >= 0 and plain.fileno() == -1
        assert "ussl.SSLSocket fd=" in repr(s)
        with pytest.raises(OSError) as e:
            plain.send(b"x")
        assert e.value.errno == EBADF
    assert client.getpeername() == server.getsockname()
    assert (client.family, client.type) == (usocket.AF_INET, usocket.SOCK_STREAM)
    assert client.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE) == usocket.SOCK_STREAM


def test_every_way_to_send_and_receive(tls):
    a, b = tls
    assert a.send(b"one") == 3 and b.recv(10) == b"one"
    a.sendall(bytearray(b"two"))
    assert b.recvfrom(10) == (b"two", None)
    assert a.write("thrée") == 6
    assert b.read(6) == "thrée".encode()
    buffer = bytearray(5)
    a.write(b"line one\nline two\n")
    assert b.readline() == b"line one\n" and b.readline(4) == b"line"
    assert b.readinto(buffer) == 5 and buffer == b" two\n"
    a.write(b"12345678")
    assert b.recv_into(buffer, 3) == 3 and buffer[:3] == b"123"
    assert b.recvfrom_into(buffer)[0] == 5 and buffer == b"45678"
    a.write(b"look")
    assert b.recv(2, usocket.MSG_PEEK) == b"lo" and b.recv(9) == b"look"
    with pytest.raises(ussl.SSLWantReadError):
        b.recv(1, usocket.MSG_DONTWAIT)
    file = a.makefile("rwb")
    file.write(b"file\n")
    assert b.readline() == b"file\n"
    a.shutdown(usocket.SHUT_WR)
    assert b.readall() == b"" == b.read(5) == b.readline()


def test_what_a_session_cannot(tls):
    client, _ = tls
    for use, errno in (
        (client.dup, EOPNOTSUPP),
        (lambda: client.sendto(b"x", ("127.0.0.1", 1)), EISCONN),
        (lambda: client.connect(client.getpeername()), EISCONN),
    ):
        with pytest.raises(OSError) as e:
            use()
        assert e.value.errno == errno
    for use in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError):
            use(client)
    with pytest.raises(TypeError):
        ussl.SSLSocket()


def test_large_transfers_of_odd_sizes(tls, run):
    client, server = tls
    data = os.urandom((3 << 20) + 17)

    def send():
        at, size = 0, 1
        while at < len(data):
            client.sendall(data[at : at + size])
            at, size = at + size, size * 3 % 70001
        client.shutdown(usocket.SHUT_WR)

    run(send)
    digest = hashlib.sha256()
    size = 1
    while piece := server.recv(size):
        digest.update(piece)
        size = size * 7 % 40009
    assert digest.digest() == hashlib.sha256(data).digest()


def test_closed_it_is_like_any_closed_socket(tls):
    client, server = tls
    client.close()
    client.close()
    assert client.fileno() == -1 and "[closed]" in repr(client)
    for use in (
        lambda: client.recv(1),
        lambda: client.write(b"x"),
        client.do_handshake,
        client.version,
        client.pending,
        client.getpeercert,
    ):
        with pytest.raises(OSError) as e:
            use()
        assert e.value.errno == EBADF
    assert client.server_hostname == "localhost" and client.context
    assert server.recv(1) == b""


def test_a_dropped_one_is_closed_with_a_resource_warning(tcp, client_context):
    s = client_context().wrap_socket(
        tcp[0], server_hostname="localhost", do_handshake_on_connect=False
    )
    with pytest.warns(ResourceWarning, match="unclosed <ussl.SSLSocket"):
        del s


# --- what it tells


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_what_was_agreed(pair_of, certs, client_context, version):
    context = client_context()
    context.minimum_version = context.maximum_version = ussl.TLSVersion[version]
    for s in pair_of(client=context):
        name, protocol, bits = s.cipher()
        assert s.version() == protocol == version.replace("_", ".").replace("v1.", "v1.")
        assert name.startswith("TLS_") and bits in (128, 256) and s.group()
        assert s.server_hostname == "localhost" and s.session_reused is False
        assert s.compression() is s.selected_npn_protocol() is s.shared_ciphers() is None


def test_before_the_handshake_there_is_nothing(tcp, keep, client_context):
    context = client_context()
    s = keep(
        context.wrap_socket(tcp[0], server_hostname="localhost", do_handshake_on_connect=False)
    )
    assert s.version() is s.cipher() is s.session is s.session_reused is s.group() is None
    assert s.selected_alpn_protocol() is s.get_channel_binding() is None and s.pending() == 0
    assert s.context is context and s.server_side is False
    with pytest.raises(ValueError, match="handshake not done"):
        s.getpeercert()


def test_the_peers_certificate(pair_of, certs, server_context):
    client, server = pair_of(server_context("chain"))
    assert client.getpeercert(True) == certs.read("chain.der")
    chain = client.get_unverified_chain()
    assert chain[0] == certs.read("chain.der") and len(chain) == 2
    assert ussl.DER_cert_to_PEM_cert(chain[1]) in certs.read("chain.pem").decode().replace(
        "\r\n", "\n"
    )
    assert server.getpeercert() is server.getpeercert(True) is None
    assert server.get_unverified_chain() == []


def test_a_certificate_that_was_not_verified_is_an_empty_dict(pair_of, client_context):
    client, _ = pair_of(client=client_context(verify_mode=ussl.CERT_NONE))
    assert client.getpeercert() == {} and client.getpeercert(True)


@pytest.mark.parametrize("present", [True, False])
def test_an_optional_client_certificate(pair_of, certs, server_context, client_context, present):
    server, client = server_context(verify_mode=ussl.CERT_OPTIONAL), client_context()
    server.load_verify_locations(certs("ca.pem"))
    if present:
        client.load_cert_chain(*certs.chain("client"))
    _, end = pair_of(server, client)
    expected = ((("commonName", "a client"),),) if present else None
    assert (end.getpeercert() or {}).get("subject") == expected


def test_channel_binding_and_exported_keys_are_the_same_at_both_ends(tls):
    a, b = tls
    assert a.get_channel_binding() == b.get_channel_binding("tls-exporter")
    assert len(a.get_channel_binding()) == 32
    one = a.export_keying_material("label", 40, b"context")
    assert one == b.export_keying_material("label", 40, b"context") and len(one) == 40
    assert one != a.export_keying_material("label", 40) != a.export_keying_material("other", 40)
    with pytest.raises(ValueError):
        a.get_channel_binding("tls-unique")
    with pytest.raises(OSError):
        a.export_keying_material("label", 0)


# --- sessions


def test_a_session_is_taken_and_given(serve, dial, server_context, client_context):
    context = client_context()
    address = serve(server_context(), lambda conn: conn.write(b"x"))
    with dial(context, address) as s:
        assert s.readall() == b"x"
        session = s.session
        assert isinstance(session, ussl.SSLSession) and s.session is session
    with dial(context, address, session=session) as s:
        assert s.readall() == b"x" and s.session_reused is True
    # It is used up; the context has more of them.
    with dial(context, address, session=session) as s:
        assert s.readall() == b"x"
    with pytest.raises(TypeError):
        pickle.dumps(session)


def test_a_session_is_of_its_context(tls, pair, client_context):
    client, server = tls
    server.write(b"x")
    assert client.read(1) == b"x"
    other = client_context()
    with pytest.raises(ValueError, match="different SSLContext"):
        other.wrap_socket(pair[0], server_hostname="localhost", session=client.session)
    with pytest.raises(TypeError):
        other.wrap_socket(pair[1], server_hostname="localhost", session=5)
    pair[0].send(b"still plain")
    assert pair[1].recv(5) == b"still"


def test_a_session_can_be_set_until_the_handshake(tls, make, client_context):
    client, server = tls
    server.write(b"x")
    assert client.read(1) == b"x"
    session = client.session
    with pytest.raises(ValueError, match="after handshake"):
        client.session = session
    with pytest.raises(ValueError, match="server-side"):
        server.session = session
    with pytest.raises(TypeError):
        client.session = None
    assert server.session is None


# --- the end


def test_shutdown_is_close_notify_and_the_other_half_goes_on(tls):
    client, server = tls
    client.shutdown(usocket.SHUT_WR)
    assert server.recv(1) == b""
    server.write(b"still")
    server.close()
    assert client.readall() == b"still"
    with pytest.raises(BrokenPipeError):
        client.send(b"x")


BUFFER = bytearray(9)
ARGUMENTS = {"recv": [99], "read": [99], "readinto": [BUFFER], "recv_into": [BUFFER]}


def cut(s):
    """Ends the connection below TLS: no close_notify."""
    os.close(s.detach())


@pytest.mark.parametrize("use", ["recv", "read", "readall", "readline", "readinto", "recv_into"])
def test_a_ragged_end_is_the_end(tls, use):
    client, server = tls
    server.write(b"part")
    cut(server)
    call = getattr(client, use)
    assert call(*ARGUMENTS.get(use, [])) in (b"part", 4)
    assert call(*ARGUMENTS.get(use, [])) in (b"", 0)


@pytest.mark.parametrize("use", ["recv", "read", "readall", "readline", "readinto", "recv_into"])
def test_a_ragged_end_is_an_error_when_asked(pair_of, use):
    client, server = pair_of(suppress_ragged_eofs=False)
    server.write(b"part")
    cut(server)
    call = getattr(client, use)
    assert call(*ARGUMENTS.get(use, [])) in (b"part", 4)
    with pytest.raises(ussl.SSLEOFError, match="without TLS close_notify") as e:
        call(*ARGUMENTS.get(use, []))
    assert e.value.code == -10002


def test_the_proper_end_is_never_an_error(pair_of):
    client, server = pair_of(suppress_ragged_eofs=False)
    server.close()
    assert client.recv(1) == b"" and client.readall() == b""


def test_unwrap(tls, run):
    client, server = tls
    server.settimeout(20)
    client.settimeout(20)

    def other():
        with server.unwrap() as plain:
            assert type(plain) is usocket.socket and plain.gettimeout() == 20
            assert plain.recv(1) == b""

    run(other)
    with client.unwrap() as plain:
        assert client.fileno() == -1 and plain.recv(1) == b""


def test_unwrap_of_a_peer_that_hangs_up(tls):
    client, server = tls
    cut(server)
    with pytest.raises(OSError):  # SSLEOFError, or how the system puts it.
        client.unwrap()


# --- servers


def test_a_listening_socket_accepts_wrapped_connections(
    make, dial, run, server_context, client_context
):
    plain = make()
    plain.bind(("127.0.0.1", 0))
    plain.listen()
    with server_context().wrap_socket(plain, server_side=True) as listener:
        assert listener.version() is None and listener.pending() == 0
        address = listener.getsockname()

        def serve():
            conn, peer = listener.accept()
            with conn:
                assert type(conn) is ussl.SSLSocket and conn.server_side
                assert peer == conn.getpeername() and conn.version()
                conn.write(conn.readline())

        run(serve)
        with dial(client_context(), address) as s:
            s.write(b"hello\n")
            assert s.readall() == b"hello\n"


def test_wrapped_first_and_then_bound_and_listening(
    make, dial, run, server_context, client_context
):
    context = server_context()
    with context.wrap_socket(make(), server_side=True) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve():
            conn, _ = listener.accept()
            with conn:
                conn.write(b"hello")

        run(serve)
        with dial(client_context(), listener.getsockname()) as s:
            assert s.readall() == b"hello"
    with context.wrap_socket(make(), server_side=True) as s:
        with pytest.raises(ValueError, match="server-side"):
            s.connect(("127.0.0.1", 1))
        with pytest.raises(ValueError, match="server-side"):
            s.connect_ex(("127.0.0.1", 1))


def test_accept_closes_what_is_no_client(make, server_context):
    with server_context().wrap_socket(make(), server_side=True) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = make()
        client.connect(listener.getsockname())
        client.write(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ussl.SSLError, match="does not speak TLS"):
            listener.accept()
        assert client.readall() is not None


def test_connect_ex(make, serve, server_context, client_context, listener):
    context = client_context()
    with context.wrap_socket(make(), server_hostname="localhost") as s:
        assert s.connect_ex(serve(server_context())) == 0
        assert s.version() == "TLSv1.3"
        s.write(b"x")
        assert s.read(1) == b"x"
    address = listener.getsockname()
    listener.close()
    with context.wrap_socket(make(), server_hostname="localhost") as s:
        assert s.connect_ex(address) > 0


def test_a_unix_stream(pair, run, server_context, client_context):
    def serve():
        with server_context().wrap_socket(pair[1], server_side=True) as s:
            s.write(s.readline())

    run(serve)
    with client_context().wrap_socket(pair[0], server_hostname="localhost") as s:
        s.write(b"hello\n")
        assert s.readall() == b"hello\n"


def test_what_cannot_be_wrapped(tls, udp, make, server_context, client_context, tcp):
    client, server = client_context(), server_context()
    with pytest.raises(ValueError, match="already"):
        client.wrap_socket(tls[0], server_hostname="localhost")
    with pytest.raises(OSError):
        client.wrap_socket(udp, server_hostname="localhost")
    with pytest.raises(TypeError):
        client.wrap_socket(5, server_hostname="localhost")
    with pytest.raises(ValueError, match="server side"):
        client.wrap_socket(make(), server_side=True)
    with pytest.raises(ValueError, match="client side"):
        server.wrap_socket(make())
    closed = make()
    closed.close()
    for context, how in ((client, {"server_hostname": "x"}), (server, {"server_side": True})):
        with pytest.raises(OSError) as e:
            context.wrap_socket(closed, **how)
        assert e.value.errno == EBADF


def test_names_in_other_forms(meet, server_context, client_context):
    ours, theirs = meet(server_context(), client_context(), b"server.example")
    assert ours.sock.server_hostname == theirs.sock.server_hostname == "server.example"


def test_an_address_as_the_name(meet, server_context, client_context):
    ours, theirs = meet(server_context(), client_context(), "127.0.0.1")
    assert ours.error is None and ours.sock.server_hostname == "127.0.0.1"
    assert theirs.sock.server_hostname is None  # An address is no SNI.


def test_many_threads_on_one_context(serve, server_context, client_context):
    address, context = serve(server_context()), client_context()
    failures = []

    def talk(n):
        try:
            for i in range(5):
                s = usocket.create_connection(address, 60)
                with context.wrap_socket(s, server_hostname="localhost") as s:
                    line = b"%d %d\n" % (n, i)
                    s.write(line)
                    assert s.readline() == line
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=talk, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_hundred_sockets_leave_nothing_behind(serve, dial, server_context, client_context):
    context, address = client_context(), serve(server_context())
    with dial(context, address) as s:
        s.write(b"x")
        assert s.read(1) == b"x"
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        with context.wrap_socket(
            usocket.create_connection(address, 60), server_hostname="localhost"
        ) as s:
            s.write(b"x")
            assert s.read(1) == b"x"
    # The server's ends close a moment later.
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and "connection" in thread.name:
            thread.join()
    assert len(os.listdir("/proc/self/fd")) <= before + 2
