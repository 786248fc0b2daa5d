# asyncio's streams over our sockets and our poll.
import asyncio
import errno
import time
from support import free_port, taken_port


async def serve(handler):
    """A server and its port: start_server tells none."""
    port = free_port()
    return await asyncio.start_server(handler, "127.0.0.1", port, backlog=128), port


async def echo(reader, writer):
    while True:
        data = await reader.read(4096)
        if not data:
            break
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


def test_a_hundred_clients_at_once():
    async def client(port, i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for n in range(5):
            message = b"%d-%d " % (i, n) + b"x" * (n * 3000)
            writer.write(message)
            await writer.drain()
            assert await reader.readexactly(len(message)) == message
        writer.close()
        await writer.wait_closed()
        return i

    async def main():
        server, port = await serve(echo)
        done = await asyncio.gather(*[client(port, i) for i in range(100)])
        assert done == list(range(100))
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_readline_and_big_data():
    async def handler(reader, writer):
        n = int(await reader.readline())
        writer.write(b"%d\n" % n)
        writer.write(bytes(n))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server, port = await serve(handler)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"3000000\n")
        await writer.drain()
        assert await reader.readline() == b"3000000\n"
        assert len(await reader.read(-1)) == 3000000
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_refused():
    async def main():
        taken, port = taken_port()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            await writer.drain()
            await reader.read(1)
            assert False
        except OSError as e:
            assert e.errno == errno.ECONNREFUSED, e

    asyncio.run(main())


def test_time_outs_are_kept():
    async def main():
        server, port = await serve(echo)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        begun = time.ticks_ms()
        try:
            await asyncio.wait_for(reader.read(1), 0.2)
            assert False
        except asyncio.TimeoutError:
            pass
        assert 180 <= time.ticks_diff(time.ticks_ms(), begun) < 20000
        writer.write(b"still there")
        await writer.drain()
        assert await reader.read(100) == b"still there"
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_tasks_sleep_without_a_socket():
    # asyncio sleeps in our poll, here one without a registration.
    async def after(seconds, what):
        await asyncio.sleep(seconds)
        order.append(what)

    async def main():
        begun = time.ticks_ms()
        tasks = [asyncio.create_task(after(seconds, what)) for seconds, what in ((0.4, "long"), (0.2, "short"), (-1, "at once"))]
        await asyncio.gather(*tasks)
        assert order == ["at once", "short", "long"], order
        assert 400 <= time.ticks_diff(time.ticks_ms(), begun) < 20000
        begun = time.ticks_ms()
        await asyncio.sleep_ms(1)
        assert time.ticks_diff(time.ticks_ms(), begun) < 20000
        try:
            await asyncio.wait_for_ms(after(60, "never"), 5)
            assert False
        except asyncio.TimeoutError:
            pass

    order = []
    asyncio.run(main())
    assert order == ["at once", "short", "long"], order


def test_a_flag_set_elsewhere_is_seen():
    # A ThreadSafeFlag is a stream without a descriptor, beside sockets in one poll.
    from support import Thread, until_main_sleeps

    async def main():
        server, port = await serve(echo)
        flag = asyncio.ThreadSafeFlag()

        def later():
            until_main_sleeps()
            flag.set()

        t = Thread(later)
        await asyncio.wait_for(flag.wait(), 60)
        t.join()
        server.close()
        await server.wait_closed()

    asyncio.run(main())
