"""ussl.SSLSocket: a socket with information about its session."""

import copy
import hashlib
import os
import pickle
from errno import EBADF, EISCONN, EOPNOTSUPP

import pytest
import usocket
import ussl

# --- it is a socket


def test_it_is_a_socket_and_the_other_one_is_closed(tls, tcp):
    client, server = tls
    for s, plain in zip(tls, tcp):  # noqa: B905
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


# --- information


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
    client, _ = pair_of(client=client_context(check_hostname=False, verify_mode=0))
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
