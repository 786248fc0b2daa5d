"""Non-blocking TLS, deadlines, shared sessions, and poll."""

import os
import signal
import threading
import time
from errno import EAGAIN, EINPROGRESS

import pytest
import uselect
import ussl
from uselect import POLLIN, POLLOUT


def wait_for(s, events, limit=20000):
    poller = uselect.poll()
    poller.register(s, events)
    assert poller.poll(limit), "nothing came"


def want(e):
    return POLLIN if isinstance(e, ussl.SSLWantReadError) else POLLOUT


# --- non-blocking


def test_the_handshake_as_a_state_machine(wrapped):
    client, server = wrapped
    poller = uselect.poll()
    open_ends = {client, server}
    wants = {client: [], server: []}
    for s in wrapped:
        s.setblocking(False)
        poller.register(s, POLLIN | POLLOUT)
    while open_ends:
        for s in list(open_ends):
            try:
                s.do_handshake()
                open_ends.discard(s)
                poller.unregister(s)
            except (ussl.SSLWantReadError, ussl.SSLWantWriteError) as e:
                assert isinstance(e, BlockingIOError) and e.errno == EAGAIN
                wants[s].append(want(e))
                poller.modify(s, want(e))
        if open_ends:
            assert poller.poll(20000)
    assert wants[client] and client.version() == server.version() == "TLSv1.3"
    client.write(b"done")
    wait_for(server, POLLIN)
    assert server.recv(10) == b"done"


def test_what_a_non_blocking_socket_gives_before_and_after_the_handshake(wrapped):
    client, server = wrapped
    client.setblocking(False)
    assert client.read(1) is None and client.readline() is None
    assert client.readinto(bytearray(1)) is None
    assert client.write(b"too early") is None
    for use in (
        lambda: client.recv(1),
        lambda: client.recv_into(bytearray(1)),
        lambda: client.recvfrom(1),
        client.do_handshake,
        lambda: client.send(b"too early"),
        lambda: client.sendall(b"too early"),
    ):
        with pytest.raises(ussl.SSLWantReadError, match="POLLIN") as e:
            use()
        assert e.value.args[0] == EAGAIN
    assert client.version() is None and client.cipher() is None


def test_a_full_connection_wants_to_write(tls):
    client, server = tls
    client.setblocking(False)
    sent = 0
    with pytest.raises(ussl.SSLWantWriteError):
        while True:
            sent += client.send(b"x" * 65536)
    assert client.write(b"x") is None
    poller = uselect.poll()
    poller.register(client, POLLOUT)
    assert poller.poll(0) == []
    got = 0
    server.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            got += len(server.recv(65536))
            poller.poll(0)  # It sends on what was taken and waits.
    assert got == sent


def test_wrapping_a_socket_that_is_still_connecting(make, listener, run, certs, server_context):
    context = ussl.create_default_context(cafile=certs("ca.pem"))

    def server():
        conn, _ = listener.accept()
        with server_context().wrap_socket(conn, server_side=True) as s:
            s.write(s.readline())

    run(server)
    s = make()
    s.setblocking(False)
    s = context.wrap_socket(s, server_hostname="localhost")
    with s:
        with pytest.raises(BlockingIOError) as e:
            s.connect(listener.getsockname())
        assert e.value.errno == EINPROGRESS
        wait_for(s, POLLOUT)
        while True:
            try:
                s.do_handshake()
                break
            except BlockingIOError as e:
                wait_for(s, want(e))
        s.write(b"line\n")
        line = None
        while line is None:
            wait_for(s, POLLIN)
            line = s.readline()
        assert line == b"line\n"


def test_do_handshake_can_block_all_the_same(wrapped, run):
    client, server = wrapped
    run(server.do_handshake)
    client.setblocking(False)
    client.do_handshake(block=True)
    assert client.version() and client.gettimeout() == 0.0


# --- deadlines


def test_the_handshake_with_a_silent_peer_times_out(tcp, client_context):
    tcp[0].settimeout(0.2)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        client_context().wrap_socket(tcp[0], server_hostname="localhost")
    assert 0.2 <= time.monotonic() - begun < 20
    assert tcp[0].fileno() == -1


def test_the_handshake_has_one_deadline_for_the_whole(tcp, run, client_context):
    """A peer that sends a byte now and then keeps nobody waiting for ever."""
    stop = threading.Event()

    def trickle():
        record = b"\x16\x03\x03\x40\x00" + bytes(2000)
        for at in range(len(record)):
            if stop.wait(0.05):
                return
            tcp[1].send(record[at : at + 1])

    run(trickle)
    tcp[0].settimeout(0.4)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        client_context().wrap_socket(tcp[0], server_hostname="localhost")
    assert 0.4 <= time.monotonic() - begun < 20
    stop.set()


def test_a_signal_does_not_stretch_the_handshakes_time(tcp, client_context):
    hits = []
    before = signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        tcp[0].settimeout(0.3)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            client_context().wrap_socket(tcp[0], server_hostname="localhost")
        took = time.monotonic() - begun
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0.3 <= took < 20 and len(hits) > 1


def test_ctrl_c_ends_a_handshake(tcp, client_context):
    s = client_context().wrap_socket(
        tcp[0], server_hostname="localhost", do_handshake_on_connect=False
    )
    with s:
        timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            s.do_handshake()
        timer.join()


def test_recv_times_out_and_goes_on(tls):
    client, server = tls
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    server.write(b"now")
    client.settimeout(20)
    assert client.read(3) == b"now"
