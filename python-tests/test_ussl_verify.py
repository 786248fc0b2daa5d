"""SSLContext.verify_callback: whose callback decides about a connection."""

import gc
import threading

import pytest
import ussl


@pytest.mark.parametrize("later", [None, lambda cert, depth: 1])
def test_a_connection_keeps_the_callback_it_was_made_with(client_context, server_context, pair, run, later):
    client, server, shown = client_context(), server_context(), []
    client.verify_callback = lambda cert, depth: shown.append(depth) or 0
    wrap = client.wrap_socket
    with wrap(pair[0], server_hostname="localhost", do_handshake_on_connect=False) as ours:
        client.verify_callback = later
        gc.collect()
        others = [ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT) for _ in range(20)]
        for other in others:  # They would get the place of what had been freed.
            other.verify_callback = lambda cert, depth: 1
        pair[1].settimeout(60)
        run(lambda: server.wrap_socket(pair[1], server_side=True).close())
        ours.settimeout(60)
        ours.do_handshake()
    assert shown == [1, 0]


def test_a_callback_may_replace_itself(client_context, server_context, meet):
    client, shown = client_context(), []

    def once(cert, depth):
        client.verify_callback = None
        gc.collect()
        shown.append(depth)
        return 0

    client.verify_callback = once
    ours, theirs = meet(server_context(), client)
    assert ours.error is theirs.error is None and shown == [1, 0]
    assert client.verify_callback is None


def test_of_an_object_between_bios_too(client_context, server_context):
    client, a, b, shown = client_context(), ussl.MemoryBIO(), ussl.MemoryBIO(), []
    client.verify_callback = lambda cert, depth: shown.append(threading.get_ident()) or 0
    ends = [client.wrap_bio(a, b, server_hostname="localhost"), server_context().wrap_bio(b, a, True)]
    client.verify_callback = None
    gc.collect()
    for end in ends * 3:
        try:
            end.do_handshake()
        except ussl.SSLWantReadError:
            pass
    assert shown == [threading.get_ident()] * 2
