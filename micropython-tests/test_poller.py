# select.poll with more sockets than poll(2) is used for: they are waited for in one poller.
import errno
import gc
import io
import select
import socket
import time
from support import (Thread, address, allowed, descriptors, free_port, pair, raises, readable, taken_port, until_main_sleeps,
                     until_others_sleep)

# The collector reads what a thread changes meanwhile (test_thread.py).
NEEDS_A_GIL = ["test_sockets_come_and_go_while_threads_wait"]

MANY = 40


def crowded(n=MANY):
    """A poll object with `n` sockets that have nothing to say, and them."""
    p = select.poll()
    crowd = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(n)]
    for s in crowd:
        p.register(s, select.POLLIN)
    return p, crowd


class Stream(io.IOBase):
    """A stream without a descriptor, which can only be asked."""

    def __init__(self):
        self.ready = 0

    def ioctl(self, request, arg):
        return self.ready & arg if request == 3 else -1


def test_what_is_ready_is_reported():
    p, crowd = crowded()
    a, b = pair()
    p.register(a, select.POLLIN)
    assert p.poll(0) == []
    b.send(b"x")
    assert p.poll(60000) == [(a, select.POLLIN)]
    assert p.poll(0) == [(a, select.POLLIN)]  # while it is
    p.modify(a, select.POLLIN | select.POLLOUT)
    assert p.poll(0) == [(a, select.POLLIN | select.POLLOUT)]
    p.modify(a, 0)
    assert p.poll(0) == []
    b.close()
    p.modify(a, select.POLLIN)
    assert a.recv(1) == b"x" and a.recv(1) == b""
    assert p.poll(0) == [(a, select.POLLIN)]


def test_all_that_are_ready_are_reported():
    n = allowed(1000)
    p, crowd = crowded(n)
    for s in crowd:
        p.modify(s, select.POLLOUT)
    for _ in range(3):
        assert len(p.poll(0)) == n
        assert sum(1 for s, events in p.ipoll(0) if events == select.POLLOUT) == n


def test_what_linux_reports():
    p, crowd = crowded()
    fresh, refused = socket.socket(), socket.socket()
    p.register(fresh)
    p.register(refused, select.POLLOUT)  # before it connects
    hung = select.POLLOUT | select.POLLHUP
    assert sorted(e for s, e in p.poll(0)) == [hung, hung]
    p.unregister(fresh)
    refused.setblocking(False)
    taken, port = taken_port()
    raises(errno.EINPROGRESS, refused.connect, address("127.0.0.1", port))
    assert p.poll(60000) == [(refused, hung | select.POLLERR)]


def test_what_is_taken_out_wakes_nobody():
    p, crowd = crowded()
    a, b = pair()
    for mask in (0, None):
        p.register(a, select.POLLIN)
        b.send(b"x")
        assert p.poll(60000) == [(a, select.POLLIN)]
        p.unregister(a) if mask is None else p.modify(a, mask)
        begun = time.ticks_ms()
        assert p.poll(0) == p.poll(0) == p.poll(50) == []
        assert time.ticks_diff(time.ticks_ms(), begun) >= 50
        p.register(a, select.POLLIN)
        assert p.poll(0) == [(a, select.POLLIN)]
        p.unregister(a)
        assert p.poll(0) == []
        p.register(a, select.POLLOUT)
        assert p.poll(0) == [(a, select.POLLOUT)]


def test_one_shot():
    p, crowd = crowded()
    a, b = pair()
    p.register(a, select.POLLOUT)
    assert len([None for t in p.ipoll(0, 1)]) == 1
    assert list(p.ipoll(0)) == list(p.ipoll(0)) == list(p.ipoll(20)) == []
    p.modify(a, select.POLLOUT)
    seen = [id(t) for t in p.ipoll(0)] + [id(t) for t in p.ipoll(0)]
    assert len(seen) == 2 and seen[0] == seen[1]


def test_a_result_that_is_taken_out_and_put_in_again_is_no_result():
    p, crowd = crowded()
    for s in crowd:
        p.modify(s, select.POLLOUT)
    seen = 0
    for s, events in p.ipoll(0):
        seen += 1
        for other in crowd:
            p.unregister(other)
            p.register(other, select.POLLOUT)
    assert seen == 1
    assert len(p.poll(0)) == MANY


def test_closed_while_waited_for():
    p, crowd = crowded()
    a, b = pair()
    p.register(a, select.POLLIN)
    t = Thread(lambda: (until_main_sleeps(), a.close()))
    assert p.poll(60000) == [(a, 32)]
    t.join()
    assert p.poll(0) == p.poll(0) == [(a, 32)]
    p.unregister(a)
    assert p.poll(0) == []
    p.register(a)
    assert p.poll(0) == [(a, 32)]


def test_closed_after_it_was_taken_out():
    p, crowd = crowded()
    a, b = pair()
    p.register(a, select.POLLIN)
    p.unregister(a)
    a.close()
    assert p.poll(10) == []
    p.register(a)
    assert p.poll(0) == [(a, 32)]
    raises(errno.ENOENT, p.modify, b, select.POLLIN)


def test_sockets_come_and_go():
    """Objects of the same place in memory are not taken for each other, and nothing is left behind."""
    p, crowd = crowded()
    before = descriptors()
    for i in range(3000):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        p.register(s, select.POLLOUT)
        if i % 3:
            assert p.poll(0) == [(s, select.POLLOUT)]
        p.unregister(s)
        if i % 5:
            s.close()
        s = None
        if i % 100 == 0:
            gc.collect()
    gc.collect()
    assert descriptors() <= before + 5
    assert p.poll(0) == []


def test_two_objects_of_one_socket():
    """A socket and what it was wrapped into are registered, both."""
    from tls_support import server_context

    p, crowd = crowded()
    a, b = pair()
    wrapped = server_context().wrap_socket(a, server_side=True, do_handshake_on_connect=False)
    p.register(a, select.POLLOUT)
    p.register(wrapped, select.POLLOUT)
    assert {id(s) for s, e in p.poll(0)} <= {id(a), id(wrapped)}
    p.modify(wrapped, 0)
    p.unregister(a)
    p.register(a, select.POLLOUT)
    wrapped.close()
    assert {id(s): e for s, e in p.poll(0)} == {id(a): 32, id(wrapped): 32}


def test_beside_a_file_and_a_stream():
    """A descriptor of somebody else's and a stream that can only be asked, with a poller."""
    p, crowd = crowded()
    a, b = pair()
    stream, zero = Stream(), open("/dev/zero", "rb")
    p.register(a, select.POLLIN)
    p.register(stream, select.POLLIN)
    assert p.poll(30) == []
    p.register(zero, select.POLLIN)
    assert p.poll(60000) == [(zero, select.POLLIN)]
    b.send(b"x")
    readable(a)
    stream.ready = select.POLLIN
    assert {id(s) for s, e in p.poll(60000)} == {id(a), id(zero), id(stream)}
    p.unregister(zero)
    p.unregister(stream)
    assert p.poll(60000) == [(a, select.POLLIN)]


def test_a_file_beside_sleeps_until_a_socket_wakes():
    p, crowd = crowded()
    a, b = pair()
    c, d = pair()
    p.register(c.fileno(), select.POLLIN)
    p.register(a, select.POLLIN)
    for one, other in ((a, b), (c.fileno(), d)):
        t = Thread(lambda: (until_main_sleeps(), other.send(b"x")))
        assert p.poll(60000) == [(one, select.POLLIN)]
        t.join()
        a.recv(1) if one is a else c.recv(1)
    # Events without an effect do not shorten the wait.
    p.unregister(a)
    b.send(b"x")
    begun = time.ticks_ms()
    assert p.poll(50) == []
    assert time.ticks_diff(time.ticks_ms(), begun) >= 50


def test_registered_while_another_thread_waits():
    p, crowd = crowded()
    a, b = pair()
    b.send(b"x")
    t = Thread(p.poll, 60000)
    until_others_sleep()
    p.register(a, select.POLLIN)
    assert t.join() == [(a, select.POLLIN)]


def test_threads_change_the_set_while_it_is_waited_for():
    p, crowd = crowded(4)
    more = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(MANY)]
    streams = [Stream() for _ in range(4)]

    def wait():
        for _ in range(20000):
            p.poll(0)
            for t in p.ipoll(0):
                pass

    waiting = [Thread(wait), Thread(wait)]
    while any(t.running for t in waiting):
        for s in more:
            p.register(s, select.POLLOUT)
        for s in streams:
            p.register(s, select.POLLIN)
        for s in more + streams:
            p.unregister(s)
    for t in waiting:
        t.join()
    assert p.poll(0) == []


def test_sockets_come_and_go_while_threads_wait():
    """The collector runs beside the waiting threads."""
    p, crowd = crowded()
    done = []

    def wait():
        while not done:
            p.poll(0)
            for t in p.ipoll(1):
                pass

    waiting = [Thread(wait), Thread(wait)]
    for i in range(2000):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        p.register(s, select.POLLOUT)
        if i % 7 == 0:
            s.close()
        p.unregister(s)
        s = None
        if i % 50 == 0:
            gc.collect()
    done.append(True)
    for t in waiting:
        t.join()
    assert p.poll(0) == []


def test_a_dropped_poll_object_leaves_no_descriptor():
    gc.collect()
    before = descriptors()
    crowd = crowded()[1]
    for _ in range(500):
        p = select.poll()
        for s in crowd:
            p.register(s, select.POLLOUT)
        assert len(p.poll(0)) == MANY
    p = None
    gc.collect()
    assert descriptors() <= before + MANY + 10, (before, descriptors())


def test_without_descriptors_for_a_poller():
    crowd = crowded()[1]
    taken = []
    try:
        while True:
            taken.append(socket.socket())
    except OSError as e:
        assert e.errno == 24  # EMFILE
    p = select.poll()
    for s in crowd:
        p.register(s, select.POLLOUT)
    assert len(p.poll(0)) == MANY


def test_tls_with_a_part_of_what_came_unread():
    from tls_support import wrapped

    p, crowd = crowded()
    a, b = wrapped()
    a.setblocking(False)
    for _ in range(2):
        p.register(a, select.POLLIN)
        assert p.poll(0) == []
        b.send(b"012")
        for c in b"012":
            assert p.poll(60000) == [(a, select.POLLIN)]
            p.unregister(a)
            p.register(a, select.POLLIN)
            assert a.recv(1)[0] == c
        assert p.poll(0) == []
        p.register(crowd[0].fileno(), select.POLLIN)  # the next round has a descriptor beside


def test_ipoll_asks_for_no_memory():
    import micropython

    for n in (17, 100, allowed(1000) - 120):
        p, crowd = crowded(n)
        for s in crowd:
            p.modify(s, select.POLLOUT)
        micropython.heap_lock()
        try:
            for _ in range(3):
                seen = 0
                for s, events in p.ipoll(0):
                    seen += events == select.POLLOUT
        finally:
            micropython.heap_unlock()
        assert seen == n, (seen, n)


def test_entries_of_closed_sockets_go():
    p = select.poll()
    stays = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    p.register(stays, select.POLLIN)
    p.poll(0)
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(3):
        crowd = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(allowed(500))]
        for s in crowd:
            p.register(s, select.POLLOUT)
        for s, events in p.ipoll(0):
            p.unregister(s)
            s.close()
        crowd = s = None
        for _ in range(5):  # and what comes after
            p.poll(0)
            p.unregister(stays)
            p.register(stays, select.POLLIN)
    gc.collect()
    assert gc.mem_alloc() - before < 8000, gc.mem_alloc() - before
    assert p.poll(0) == []
    p.modify(stays, select.POLLOUT)
    assert p.poll(0) == [(stays, select.POLLOUT)]


def test_entries_of_asyncios_closed_connections_go():
    import asyncio

    connected = []

    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def client(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        connected.append(port)
        await started.wait()
        writer.write(b"line\n")
        await writer.drain()
        assert await reader.readline() == b"line\n"
        writer.close()
        await writer.wait_closed()

    async def main():
        port = free_port()
        server = await asyncio.start_server(echo, "127.0.0.1", port, backlog=300)

        async def many(n):
            started.clear()
            tasks = [asyncio.create_task(client(port)) for _ in range(n)]
            while len(connected) < n:
                await asyncio.sleep_ms(1)
            connected.clear()
            started.set()
            await asyncio.gather(*tasks)

        used = []
        for _ in range(60):
            await many(25)
            gc.collect()
            used.append(gc.mem_alloc())
        server.close()
        await server.wait_closed()
        return used

    started = asyncio.Event()
    used = asyncio.run(main())
    # An old word of the stack may keep one round's objects for any number of rounds, some 25 KB. Entries that
    # stayed would be fifty rounds' by the end.
    assert min(used[-10:]) < min(used[:10]) + 40000, used
