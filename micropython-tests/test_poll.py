# select.poll over sockets, descriptors and other streams.
import errno
import io
import select
import socket
import time
from support import Thread, address, pair, raises, raises_type, until_main_sleeps

STOCK_IS_WRONG = [
    "test_five_descriptors_and_a_custom_stream",
    "test_closed_while_waited_for",
    "test_an_idle_custom_stream_is_seldom_asked",
]


class Stream(io.IOBase):
    """A stream without a descriptor, which can only be asked."""

    def __init__(self):
        self.ready = 0
        self.asked = 0

    def ioctl(self, request, arg):
        if request == 3:
            self.asked += 1
            return self.ready & arg
        return -1


def test_five_descriptors_and_a_custom_stream():
    p = select.poll()
    stream = Stream()
    p.register(stream, select.POLLIN)
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    for s in socks:
        p.register(s, select.POLLIN)
    assert p.poll(10) == []
    stream.ready = select.POLLIN
    assert p.poll(10) == [(stream, select.POLLIN)]
    stream.ready = 0
    for s in socks:
        p.modify(s, select.POLLOUT)
    assert len(p.poll(10)) == 8


def test_closed_while_waited_for():
    a, b = pair()
    p = select.poll()
    p.register(a, select.POLLIN)

    def close():
        until_main_sleeps()
        a.close()

    t = Thread(close)
    begun = time.ticks_ms()
    assert p.poll(60000) == [(a, 32)]
    assert time.ticks_diff(time.ticks_ms(), begun) < 30000  # not when the time is over
    t.join()
    assert p.poll(0) == [(a, 32)]
    p.unregister(a)
    p.register(a)
    assert p.poll(0) == [(a, 32)]


def test_an_idle_custom_stream_is_seldom_asked():
    p = select.poll()
    stream = Stream()
    p.register(stream, select.POLLIN)
    assert p.poll(1000) == []
    assert stream.asked < 100, stream.asked


def test_a_custom_stream_is_seen_soon():
    p = select.poll()
    stream = Stream()
    p.register(stream, select.POLLIN)

    def later():
        until_main_sleeps()
        stream.ready = select.POLLIN
        return time.ticks_ms()

    t = Thread(later)
    assert p.poll(60000) == [(stream, select.POLLIN)]
    seen = time.ticks_ms()
    assert time.ticks_diff(seen, t.join()) < 30000  # Not when the time is over.


def test_what_linux_reports():
    def events(s, mask):
        p = select.poll()
        p.register(s, mask)
        return p.poll(60000)[0][1]

    assert events(socket.socket(), select.POLLIN | select.POLLOUT) == select.POLLOUT | select.POLLHUP
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    assert events(udp, select.POLLIN | select.POLLOUT) == select.POLLOUT
    refused = socket.socket()
    refused.setblocking(False)
    raises(errno.EINPROGRESS, refused.connect, address("127.0.0.1", 1))
    assert events(refused, select.POLLOUT) == select.POLLOUT | select.POLLERR | select.POLLHUP
    a, b = pair()
    b.close()
    assert events(a, select.POLLIN) == select.POLLIN


def test_register_modify_unregister():
    a, b = pair()
    p = select.poll()
    p.register(a)
    p.register(a, select.POLLIN)
    assert p.poll(0) == []
    p.modify(a, select.POLLOUT)
    assert p.poll(0) == [(a, select.POLLOUT)]
    raises(errno.ENOENT, p.modify, b, select.POLLOUT)
    raises_type(TypeError, p.modify, a)
    p.unregister(a)
    p.unregister(a)
    assert p.poll(0) == []
    raises_type(ValueError, p.register, -1)
    raises_type(OSError, p.register, object())


def test_ipoll_reuses_its_tuple_and_is_one_shot_on_request():
    a, b = pair()
    p = select.poll()
    p.register(a, select.POLLOUT)
    p.register(b, select.POLLOUT)
    seen = [id(t) for t in p.ipoll(0)]
    assert len(seen) == 2 and seen[0] == seen[1]
    assert len([None for t in p.ipoll(0, 1)]) == 2
    assert list(p.ipoll(0)) == []
    for t in p.ipoll(0):
        p.unregister(t[0])


def test_the_set_may_change_while_it_is_waited_for():
    class Changing(Stream):
        def ioctl(self, request, arg):
            if request == 3 and self.asked < 40:
                for s in socks:
                    p.unregister(s)
                    p.register(s, select.POLLIN)
                for _ in range(3):
                    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    socks.append(s)
                    p.register(s, select.POLLIN)
            return super().ioctl(request, arg)

    socks = []
    p = select.poll()
    stream = Changing()
    p.register(stream, select.POLLIN)
    for _ in range(100):  # how often it is asked is the system's matter
        assert p.poll(200) == []
        if len(socks) >= 15:
            break
    assert len(socks) >= 15


def test_an_error_of_ioctl_is_an_oserror():
    class Broken(io.IOBase):
        def ioctl(self, request, arg):
            return -1000

    p = select.poll()
    p.register(Broken(), select.POLLIN)
    raises(1000, p.poll, 0)


def test_timeouts():
    p = select.poll()
    p.register(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), select.POLLIN)
    for ms in (0, 1, 50):
        begun = time.ticks_us()
        assert p.poll(ms) == []
        took = time.ticks_diff(time.ticks_us(), begun)
        assert ms * 1000 <= took < ms * 1000 + 10000000, (ms, took)


def test_ipoll_asks_for_no_memory():
    import micropython

    p = select.poll()
    socks = []
    for n in range(16):
        socks.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        p.register(socks[-1], select.POLLOUT)
        micropython.heap_lock()
        try:
            seen = 0
            for s, events in p.ipoll(0):
                seen += events == select.POLLOUT
            for s, events in p.ipoll(0, 1):
                p.modify(s, select.POLLOUT)
        finally:
            micropython.heap_unlock()
        assert seen == n + 1, (seen, n)
