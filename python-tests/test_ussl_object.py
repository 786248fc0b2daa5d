"""TLS without a socket: `MemoryBIO`, `SSLObject`, `SSLContext.wrap_bio`."""

import asyncio
import os
import pickle
import ssl
import threading
from errno import EPIPE

import pytest
import ussl


@pytest.fixture
def ends(server_context, client_context):
    """A client's and a server's object, with BIOs between them."""
    a, b = ussl.MemoryBIO(), ussl.MemoryBIO()
    client = client_context().wrap_bio(a, b, server_hostname="localhost")
    return client, server_context().wrap_bio(b, a, server_side=True)


def shake(*ends):
    done = set()
    while len(done) < 2:
        for end in set(ends) - done:
            try:
                end.do_handshake()
                done.add(end)
            except ussl.SSLWantReadError as e:
                assert isinstance(e, BlockingIOError) and isinstance(e, ussl.SSLError)


def test_a_memory_bio():
    bio = ussl.MemoryBIO()
    with pytest.raises(TypeError):
        bio.write("text")
    assert bio.read() == b"" and bio.pending == 0 and not bio.eof
    assert bio.write(b"abc") == 3 and bio.write(memoryview(b"de")) == 2 and bio.write(bytearray()) == 0
    assert bio.pending == 5 and bio.read(2) == b"ab" and bio.read(0) == b"" and bio.read(100) == b"cde"
    bio.write(b"x")
    bio.write_eof()
    assert not bio.eof and bio.read() == b"x" and bio.eof
    with pytest.raises(OSError) as e:
        bio.write(b"more")
    assert e.value.errno == EPIPE


def test_data_goes_both_ways(ends):
    client, server = ends
    assert client.version() is None and client.pending() == 0
    shake(client, server)
    assert client.version() == server.version() == "TLSv1.3" and client.cipher() == server.cipher()
    assert client.getpeercert()["subject"] and server.getpeercert() is None
    assert server.server_hostname == "localhost" and not client.server_side and server.server_side
    data = os.urandom(1 << 20)  # More than waits in the library at once.
    for one, other in (ends, ends[::-1]):
        assert one.write(data) == len(data)
        got = bytearray()
        while len(got) < len(data):
            got += other.read(100_000)
        assert got == data
    room = bytearray(10)
    client.write(b"hello")
    assert server.read(3, room) == 3 and room[:3] == b"hel" and server.pending() == 2
    assert server.read(10, room) == 2 and server.read(0) == b""
    with pytest.raises(ussl.SSLWantReadError):
        server.read(1)
    room.append(1)  # Nothing holds it.


def test_the_end(ends):
    client, server = ends
    shake(client, server)
    client.write(b"unread")
    with pytest.raises(ussl.SSLWantReadError):
        client.unwrap()
    assert server.read(6) == b"unread" and server.read(1) == b""
    server.unwrap()
    client.unwrap()
    with pytest.raises(OSError) as e:
        client.write(b"x")
    assert e.value.errno == EPIPE


def test_the_end_without_goodbye(server_context, client_context):
    for shaken in (True, False):
        a, b = ussl.MemoryBIO(), ussl.MemoryBIO()
        client = client_context().wrap_bio(a, b, server_hostname="localhost")
        if shaken:
            shake(client, server_context().wrap_bio(b, a, server_side=True))
        a.write_eof()
        with pytest.raises(ussl.SSLEOFError):
            client.read(1)


def test_what_is_refused(ends, server_context, client_context):
    a, b = ussl.MemoryBIO(), ussl.MemoryBIO()
    with pytest.raises(ValueError, match="server_side"):
        client_context().wrap_bio(a, b, server_side=True)
    with pytest.raises(ValueError, match="client mode"):
        server_context().wrap_bio(a, b, True, "localhost")
    with pytest.raises(ValueError, match="server_hostname"):
        client_context().wrap_bio(a, b)
    with pytest.raises(TypeError):
        ussl.SSLObject()
    with pytest.raises(TypeError):
        pickle.dumps(ends[0])
    with pytest.raises(ValueError):
        ends[0].read(-1)
    client = client_context().wrap_bio(a, b, server_hostname="other.example")
    with pytest.raises(ussl.SSLCertVerificationError):
        shake(client, server_context().wrap_bio(b, a, server_side=True))


def test_sessions_and_their_statistics(server_context, client_context):
    here, there = client_context(), server_context()
    session = None
    for resumed in (False, True):
        a, b = ussl.MemoryBIO(), ussl.MemoryBIO()
        client = here.wrap_bio(a, b, server_hostname="localhost", session=session)
        server = there.wrap_bio(b, a, server_side=True)
        shake(client, server)
        server.write(b"x")
        assert client.read(1) == b"x" and client.session_reused is resumed
        session = client.session
    stats = there.session_stats()
    assert (stats["accept"], stats["accept_good"], stats["hits"]) == (2, 2, 1)


def test_threads(ends, run):
    client, server = ends
    shake(client, server)
    piece, pieces = bytes(range(256)) * 20, 100

    def send(end):
        for _ in range(pieces):
            assert end.write(piece) == len(piece)

    got, lock = {client: b"", server: b""}, threading.Lock()

    def take(end):
        while len(got[end]) < 3 * pieces * len(piece):
            with lock:  # Data is read in that order.
                try:
                    got[end] += end.read(70000)
                except ussl.SSLWantReadError:
                    pass

    threads = [run(send, end) for end in ends for _ in range(3)] + [run(take, end) for end in ends for _ in range(2)]
    for thread in threads:
        thread.join()
    assert all(got[end] == piece * pieces * 3 for end in ends)


def test_asyncio_makes_its_transports_of_it(server_context, client_context):
    # It catches the exceptions of CPython's `ssl`, which these are as well where that is in use.
    assert ssl.SSLWantReadError

    async def echo(reader, writer):
        while data := await reader.read(100_000):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context())
        where = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*where, ssl=client_context(), server_hostname="localhost")
        data = os.urandom(1 << 20)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.write_eof() if writer.can_write_eof() else writer.close()
        await writer.wait_closed()
        with pytest.raises(ussl.SSLCertVerificationError):
            await asyncio.open_connection(*where, ssl=client_context(), server_hostname="other.example")
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(main(), 60))
