"""usocket sockets in CPython's own event loops: asyncio's sock_ calls, and selectors."""

import asyncio
import contextlib
import selectors
import struct

import pytest

import usocket


def listener(family=usocket.AF_INET, address=("127.0.0.1", 0)):
    s = usocket.create_server(address, family=family)
    s.setblocking(False)
    return s


def client(family=usocket.AF_INET, type=usocket.SOCK_STREAM):
    s = usocket.socket(family, type)
    s.setblocking(False)
    return s


def run(main):
    return asyncio.run(asyncio.wait_for(main, 60))


def test_sock_connect_accept_send_recv():
    async def main():
        loop = asyncio.get_running_loop()
        with listener() as s:
            c = client()
            with c:
                accepting = asyncio.ensure_future(loop.sock_accept(s))
                await loop.sock_connect(c, s.getsockname())
                peer, address = await accepting
                peer.setblocking(False)
                with peer:
                    assert address == c.getsockname()
                    data = bytes(range(256)) * 8192
                    sending = asyncio.ensure_future(loop.sock_sendall(c, data))
                    got = bytearray()
                    while len(got) < len(data):
                        got += await loop.sock_recv(peer, 65536)
                    await sending
                    assert got == data
                    room = bytearray(5)
                    await loop.sock_sendall(peer, b"hello")
                    assert await loop.sock_recv_into(c, room) == 5 and room == b"hello"

    run(main())


def test_sock_connect_refused(refusing):
    async def main():
        with client() as c:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.get_running_loop().sock_connect(c, refusing)

    run(main())


def test_many_clients_of_one_server():
    async def echo(loop, conn):
        with conn:
            while data := await loop.sock_recv(conn, 4096):
                await loop.sock_sendall(conn, data)

    async def serve(loop, s):
        while True:
            conn, _ = await loop.sock_accept(s)
            conn.setblocking(False)
            tasks.add(asyncio.ensure_future(echo(loop, conn)))

    async def ask(loop, address, n):
        with client() as c:
            await loop.sock_connect(c, address)
            for i in range(20):
                await loop.sock_sendall(c, b"%d %d" % (n, i))
                assert await loop.sock_recv(c, 100) == b"%d %d" % (n, i)

    tasks = set()

    async def main():
        loop = asyncio.get_running_loop()
        with listener() as s:
            serving = asyncio.ensure_future(serve(loop, s))
            await asyncio.gather(*[ask(loop, s.getsockname(), n) for n in range(50)])
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        await asyncio.gather(*tasks)

    run(main())


def test_datagrams_and_unix():
    async def main():
        loop = asyncio.get_running_loop()
        with client(type=usocket.SOCK_DGRAM) as a, client(type=usocket.SOCK_DGRAM) as b:
            a.bind(("127.0.0.1", 0))
            b.bind(("127.0.0.1", 0))
            waiting = asyncio.ensure_future(loop.sock_recv(b, 100))
            a.sendto(b"datagram", b.getsockname())
            assert await waiting == b"datagram"
        with listener(usocket.AF_UNIX, b"\0usocket-asyncio") as s, client(usocket.AF_UNIX) as c:
            accepting = asyncio.ensure_future(loop.sock_accept(s))
            await loop.sock_connect(c, b"\0usocket-asyncio")
            peer, _ = await accepting
            peer.close()
            assert await loop.sock_recv(c, 1) == b""

    run(main())


def test_a_blocking_socket_is_refused():
    """asyncio's debug mode asks for the timeout."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        with usocket.socket() as s:
            with pytest.raises(ValueError, match="non-blocking"):
                await loop.sock_recv(s, 1)

    run(main())


@pytest.mark.parametrize(
    "kind", ["SelectSelector", "PollSelector", "EpollSelector", "DefaultSelector"]
)
def test_selectors(kind):
    a, b = usocket.socketpair()
    with a, b, getattr(selectors, kind)() as selector:
        selector.register(a, selectors.EVENT_READ, "data")
        assert selector.select(0) == []
        b.send(b"x")
        [(key, events)] = selector.select(60)
        assert (key.fileobj, key.data, events) == (a, "data", selectors.EVENT_READ)
        selector.unregister(a)


# --- transports, which move what programs write in the background


def reset(s):
    """Ends a connection with a reset."""
    s.setsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_transport_reports_a_reset(kind):
    # An exception that still held the transport's buffer kept it from being cleared: nobody heard.
    async def main():
        with usocket.create_server(("127.0.0.1", 0)) as s:
            c = usocket.create_connection(s.getsockname())
            peer, _ = s.accept()
        _, writer = await asyncio.open_connection(sock=c)
        data = bytes(1 << 24)
        writer.write(data if kind is bytes else kind(data))
        asyncio.get_running_loop().call_later(0.05, reset, peer)
        with pytest.raises(ConnectionError):
            while True:
                await writer.drain()
                writer.write(b"x")
                await asyncio.sleep(0)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    run(main())


def test_a_transport_that_backs_up_loses_nothing():
    # From 3.12 on it is sendmsg that what waited is sent with.
    async def main():
        a, b = usocket.socketpair()
        _, writer = await asyncio.open_connection(sock=a)
        reader, other = await asyncio.open_connection(sock=b, limit=1 << 16)
        pieces = [bytes([n % 251]) * 1000 for n in range(3000)]
        for piece in pieces:
            writer.write(piece)
        assert writer.transport.get_write_buffer_size() > 0
        writer.write_eof()
        assert await reader.read() == b"".join(pieces)
        for w in (writer, other):
            w.close()
            await w.wait_closed()

    run(main())
