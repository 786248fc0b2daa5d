"""A server's certificates, chosen by the name that a client asks for."""

import gc

import pytest
import ussl

UNRECOGNIZED_NAME = 112


def test_the_callback_chooses_the_certificates(serve, dial, certs, server_context, client_context):
    asked = []
    here, there = server_context("server"), server_context("server-rsa")

    def choose(sock, name, context):
        asked.append((sock.context is context is here, name))
        if name == "localhost":
            sock.context = there

    here.sni_callback = choose
    assert here.sni_callback is choose
    address, client = serve(here), client_context()

    def presented(name):
        with dial(client, address, name) as s:
            s.write(b"x\n")
            assert s.readline() == b"x\n"
            return s.getpeercert(True)

    for name, cert in ("localhost", "server-rsa"), ("127.0.0.1", "server"):
        for _ in range(2):  # The second is resumed: it is asked as well.
            assert presented(name) == certs.read(cert + ".der")
    assert asked == [(True, "localhost")] * 2 + [(True, None)] * 2
    here.sni_callback = None
    assert here.sni_callback is None
    client = client_context()
    assert presented("localhost") == certs.read("server.der") and len(asked) == 4


def test_a_context_that_only_the_callback_knows(meet, certs, server_context, client_context):
    server = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)  # It needs no certificate of its own.

    def choose(sock, name, context):
        sock.context = server_context("server-rsa")
        gc.collect()

    server.sni_callback = choose
    ends = meet(server, client_context())
    assert [end.error for end in ends] == [None, None]
    assert ends[0].sock.getpeercert(True) == certs.read("server-rsa.der")


@pytest.mark.parametrize("said", [UNRECOGNIZED_NAME, 40, "no number", KeyError("localhost")])
def test_whom_the_callback_refuses(meet, server_context, client_context, said):
    server = server_context()

    def choose(sock, name, context):
        if isinstance(said, Exception):
            raise said
        return said

    server.sni_callback = choose
    client, there = meet(server, client_context())
    assert client.error.reason == "TLSV1_UNRECOGNIZED_NAME" or client.error.args[0] < 0
    assert there.error.reason == "UNRECOGNIZED_NAME"
    assert there.error.__cause__ is (said if isinstance(said, Exception) else None)


def test_between_two_bios(server_context, client_context):
    server, names = server_context(), []
    server.sni_callback = lambda sock, name, context: names.append(name)
    to, back = ussl.MemoryBIO(), ussl.MemoryBIO()
    here = client_context().wrap_bio(back, to, server_hostname="localhost")
    there = server.wrap_bio(to, back, server_side=True)
    open_ends = [here, there]
    for end in [here, there] * 4:
        try:
            if end in open_ends:
                end.do_handshake()
                open_ends.remove(end)
        except ussl.SSLWantReadError:
            pass
    assert not open_ends and names == ["localhost"]


def test_what_it_cannot_be(server_context, client_context):
    server, client = server_context(), client_context()
    with pytest.raises(ValueError, match="client"):
        client.sni_callback = print
    assert client.sni_callback is None
    with pytest.raises(TypeError, match="callable"):
        server.sni_callback = "no callable"
    asked = ussl._sni.Asked(server)
    with pytest.raises(TypeError, match="SSLContext"):
        asked.context = None
    assert asked.context is server
