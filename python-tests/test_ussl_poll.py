"""poll on a TLS socket; other ways to wait: asyncio, selectors."""

import asyncio
import os
import select
import selectors
import time

import pytest
import uselect
import usocket
import ussl
from uselect import POLLERR, POLLHUP, POLLIN


def wait_for(s, events, limit=20000):
    poller = uselect.poll()
    poller.register(s, events)
    assert poller.poll(limit), "nothing came"


def test_poll_knows_of_decrypted_bytes(tls):
    client, server = tls
    poller = uselect.poll()
    poller.register(client, POLLIN)
    assert poller.poll(0) == []
    server.write(b"twice")
    assert poller.poll(20000) == [(client, POLLIN)]
    assert client.recv(2) == b"tw"
    assert client.pending() == 3
    assert not select.select([client.fileno()], [], [], 0)[0]  # The kernel has nothing.
    assert poller.poll(0) == poller.poll(None) == [(client, POLLIN)]
    assert client.recv(10) == b"ice" and client.pending() == 0
    assert poller.poll(0) == []


def test_poll_is_not_taken_in_by_tickets(tls):
    client, server = tls
    # The tickets of TLS 1.3 are in the kernel; they are no data.
    assert select.select([client.fileno()], [], [], 20)[0]
    poller = uselect.poll()
    poller.register(client, POLLIN)
    begun = time.monotonic()
    assert poller.poll(100) == []
    assert time.monotonic() - begun >= 0.1
    server.write(b"data")
    assert poller.poll(20000) == [(client, POLLIN)] and client.recv(9) == b"data"


class Relay:
    """The test forwards the traffic between the two ends once it `holds`."""

    def __init__(self, keep, server_context, client_context):
        self.ends = [usocket.socketpair(), usocket.socketpair()]
        (a, self.near), (self.far, b) = self.ends
        how = {"do_handshake_on_connect": False}
        self.client = keep(client_context().wrap_socket(a, server_hostname="localhost", **how))
        self.server = keep(server_context().wrap_socket(b, server_side=True, **how))
        keep(self.near), keep(self.far)
        self.client.setblocking(False)
        self.server.setblocking(False)
        done = set()
        while len(done) < 2 or self.pass_on():
            self.pass_on()
            for s in (self.client, self.server):
                try:
                    s.do_handshake()
                    done.add(s)
                except BlockingIOError:
                    pass

    def pass_on(self):
        """Everything that is on its way; how much that was."""
        moved = 0
        for source, target in ((self.near, self.far), (self.far, self.near)):
            source.setblocking(False)
            moved += target.write(source.read(1 << 20) or b"")
        return moved


def test_poll_is_not_taken_in_by_half_a_record(keep, server_context, client_context):
    relay = Relay(keep, server_context, client_context)
    poller = uselect.poll()
    poller.register(relay.client, POLLIN)
    assert poller.poll(0) == []
    relay.server.write(b"x" * 5000)
    record = relay.far.read(1 << 20)
    for at in (0, 3, 5, 1000, len(record) - 1):  # Each piece is a part of the one record.
        relay.near.write(record[at : {0: 3, 3: 5, 5: 1000, 1000: -1}.get(at)])
        complete = at == len(record) - 1
        assert poller.poll(0) == ([(relay.client, POLLIN)] if complete else [])
        if not complete:
            assert relay.client.read(1) is None
    assert relay.client.read(9999) == b"x" * 5000 and poller.poll(0) == []


def test_poll_after_the_end_and_after_an_error(tls):
    client, server = tls
    poller = uselect.poll()
    poller.register(client, POLLIN)
    server.close()
    ((_, events),) = poller.poll(20000)
    assert events & POLLIN
    assert client.recv(1) == b""


def test_poll_after_a_failure_reports_an_error(tcp, keep, client_context):
    s = client_context().wrap_socket(
        tcp[0], server_hostname="localhost", do_handshake_on_connect=False
    )
    with s:
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.do_handshake()
        tcp[1].write(b"220 hello, this is no TLS\r\n")
        wait_for(s, POLLIN)
        with pytest.raises(ussl.SSLError, match="does not speak TLS"):
            s.do_handshake()
        poller = uselect.poll()
        poller.register(s, POLLIN)
        ((_, events),) = poller.poll(20000)
        assert events & (POLLERR | POLLHUP)


def test_asyncio(tcp, keep, server_context, client_context):
    """asyncio's socket calls accept ours: a socket that is not ready raises BlockingIOError."""
    how = {"do_handshake_on_connect": False}
    client = keep(client_context().wrap_socket(tcp[0], server_hostname="localhost", **how))
    server = keep(server_context().wrap_socket(tcp[1], server_side=True, **how))
    data = os.urandom(1 << 20)

    async def receive(loop, s, size):
        pieces = b""
        while len(pieces) < size:
            pieces += await loop.sock_recv(s, 65536)
        return pieces

    async def main():
        loop = asyncio.get_running_loop()
        for s in (client, server):
            s.setblocking(False)
        there = asyncio.create_task(receive(loop, server, len(data)))
        back = asyncio.create_task(receive(loop, client, len(data)))
        await loop.sock_sendall(client, data)
        await loop.sock_sendall(server, data)
        return await there == data and await back == data

    assert asyncio.run(asyncio.wait_for(main(), 60))


def test_selectors_with_pending(tls):
    client, server = tls
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        server.write(b"hello")
        client.setblocking(False)
        got = b""
        while len(got) < 5:
            if not client.pending():
                assert selector.select(20)
            got += client.read(5) or b""
    assert got == b"hello"
