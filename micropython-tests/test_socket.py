# Sockets: their life, modes, connections, data.
import errno
import gc
import os
import socket
import time
from support import Thread, address, descriptors, has_ipv6, listener, pair, raises, raises_type, until_others_sleep

STOCK_IS_WRONG = [
    "test_recv_after_settimeout_is_a_timeout",
    "test_recvfrom_after_settimeout_is_a_timeout",
    "test_send_after_settimeout_is_a_timeout",
    "test_setblocking_true_clears_the_timeout",
    "test_settimeout_refuses_negative_and_nan",
    "test_ten_thousand_dropped_sockets_leave_no_descriptor",
    ("test_double_close_never_closes_a_stranger", (1, 27)),
    "test_accept_on_unix_returns_the_whole_name",
    ("test_sendall_of_50_mb_to_a_slow_reader", (1, 29)),
    "test_close_ends_another_threads_recv",
    "test_closed_socket_is_ebadf",
    "test_with_closes",
    "test_methods_that_stock_lacks",
    "test_keyword_arguments",
    "test_detach_gives_the_descriptor_up",
    "test_results_are_tuples",
    "test_sec_socket_carries_no_plain_byte",
]


def test_recv_after_settimeout_is_a_timeout():
    a, b = pair()
    a.settimeout(0.05)
    raises(errno.ETIMEDOUT, a.recv, 1)
    b.send(b"x")
    assert a.recv(1) == b"x"


def test_recvfrom_after_settimeout_is_a_timeout():
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(address())
    u.settimeout(0.05)
    raises(errno.ETIMEDOUT, u.recvfrom, 1)


def test_accept_after_settimeout_is_a_timeout():
    l, _ = listener()
    l.settimeout(0.05)
    raises(errno.ETIMEDOUT, l.accept)
    l.settimeout(0)
    raises(errno.EAGAIN, l.accept)


def test_send_after_settimeout_is_a_timeout():
    a, b = pair()
    a.settimeout(0.05)
    piece = bytes(1 << 20)

    def fill():
        while True:
            a.send(piece)

    raises(errno.ETIMEDOUT, fill)


def test_a_timeout_is_of_the_operation():
    a, b = pair()
    a.settimeout(0.2)

    def trickle():
        while not got:
            b.send(b".")
            time.sleep(0.02)

    got = []
    b.send(b".")
    t = Thread(trickle)
    begun = time.ticks_ms()
    got.append(a.read(100000))  # Incoming data does not postpone the deadline.
    took = time.ticks_diff(time.ticks_ms(), begun)
    assert 0 < len(got[0]) < 100000, got
    assert took >= 150, took
    t.join()


def test_setblocking_true_clears_the_timeout():
    a, b = pair()
    a.settimeout(0.05)
    a.setblocking(True)

    def late():
        time.sleep(0.3)
        b.send(b"late")

    t = Thread(late)
    assert a.recv(4) == b"late"
    t.join()


def test_settimeout_refuses_negative_and_nan():
    s = socket.socket()
    raises_type(ValueError, s.settimeout, -1)
    raises_type(ValueError, s.settimeout, float("nan"))
    raises_type(TypeError, s.settimeout, "1")
    s.settimeout(float("inf"))
    assert s.gettimeout() > 1e9


def test_ten_thousand_dropped_sockets_leave_no_descriptor():
    before = descriptors()
    for _ in range(10000):
        socket.socket()
    gc.collect()
    gc.collect()
    # The collector looks at the stack word by word: it may take an old word for one of them.
    assert descriptors() <= before + 2, descriptors() - before


def test_double_close_never_closes_a_stranger():
    s = socket.socket()
    s.close()
    stranger = open("/proc/self/status")  # takes the number that was free
    s.close()
    assert stranger.read(4) == "Name"


def test_accept_on_unix_returns_the_whole_name():
    own = b"%d" % time.ticks_us()  # other runs have other names
    name = b"\0" + own + b"n" * (92 - len(own))  # 93 bytes; the first word of a sockaddr_un is the family
    family = bytes([socket.AF_UNIX, 0])
    s = socket.socket(socket.AF_UNIX)
    s.bind(family + b"\0usocket-test-%d" % time.ticks_us())
    s.listen(1)
    here = bytes_of(s)
    c = socket.socket(socket.AF_UNIX)
    c.bind(family + name)
    c.connect(here)
    _, peer = s.accept()
    if isinstance(peer, bytearray):
        peer = bytes(peer)[2:]
    assert peer == name, peer


def bytes_of(s):
    import ffi

    getsockname = ffi.open("libc.so.6").func("i", "getsockname", "iPP")
    room, length = bytearray(128), bytearray(b"\x80\0\0\0")
    assert getsockname(s.fileno(), room, length) == 0
    return bytes(room[: length[0]])


def test_sendall_of_50_mb_to_a_slow_reader():
    a, b = pair()
    total = 50 << 20
    data = bytes(range(256)) * (total // 256)

    def read_slowly():
        room, seen, good = bytearray(1 << 20), 0, True
        while True:
            n = b.readinto(room)
            if not n:
                return seen, good
            good = good and room[0] == seen & 255 and room[n - 1] == (seen + n - 1) & 255
            seen += n
            time.sleep(0.005)

    t = Thread(read_slowly)
    assert a.sendall(data) is None
    a.close()
    assert t.join(120) == (total, True)


def test_close_ends_another_threads_recv():
    a, b = pair()
    t = Thread(lambda: raises(errno.EBADF, a.recv, 1))
    until_others_sleep()
    a.close()
    t.join()


def test_closed_socket_is_ebadf():
    s = socket.socket()
    s.close()
    assert s.fileno() == -1
    raises(errno.EBADF, s.recv, 1)
    raises(errno.EBADF, s.send, b"x")
    raises(errno.EBADF, s.accept)
    raises(errno.EBADF, s.settimeout, 1)
    raises(errno.EBADF, s.connect, ("127.0.0.1", 1))
    raises(errno.EBADF, s.getsockname)
    raises(errno.EBADF, lambda: s.family)
    assert "closed" in str(s)


def test_with_closes():
    with socket.socket() as s:
        assert s.fileno() >= 0
    assert s.fileno() == -1


def test_methods_that_stock_lacks():
    a, b = pair()
    assert a.getsockname() == b.getpeername() and a.getsockname()[0] == "127.0.0.1"
    assert (a.family, a.type, a.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    assert a.gettimeout() is None
    a.settimeout(1.5)
    assert a.gettimeout() == 1.5
    a.setblocking(False)
    assert a.gettimeout() == 0
    room = bytearray(8)
    b.send(b"12345678")  # there when it has returned: this is the loopback
    assert a.recv_into(room, 3) == 3 and room[:3] == b"123"
    assert a.recvfrom_into(room)[0] == 5 and room[:5] == b"45678"
    a.shutdown(socket.SHUT_WR)
    assert b.recv(1) == b""
    a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert a.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert len(a.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == 8
    c = socket.socket()
    assert c.connect_ex(("127.0.0.1", 1)) == errno.ECONNREFUSED
    assert a.makefile("rwb") is a and a.makefile() is a
    raises_type(ValueError, a.makefile, "r")
    for name in "SO_REUSEPORT TCP_KEEPIDLE IPPROTO_IPV6 IPV6_V6ONLY MSG_PEEK AI_PASSIVE EAI_NONAME SHUT_RDWR SOMAXCONN".split():
        assert isinstance(getattr(socket, name), int), name
    assert socket.error is OSError and issubclass(socket.timeout, OSError)
    assert issubclass(socket.gaierror, OSError) and socket.SOL_UDP == 17


def test_keyword_arguments():
    s = socket.socket(af=socket.AF_INET6, type=socket.SOCK_DGRAM)
    assert (s.family, s.type) == (socket.AF_INET6, socket.SOCK_DGRAM)
    assert socket.socket(family=socket.AF_UNIX, proto=0).family == socket.AF_UNIX
    assert s.makefile(mode="rb", buffering=0) is s
    found = socket.getaddrinfo(host="127.0.0.1", port=80, type=socket.SOCK_STREAM, af=socket.AF_INET)
    assert found == [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 80))], found


def test_none_is_no_family_type_or_proto():
    for args in ((None,), (socket.AF_INET, None), (socket.AF_INET, socket.SOCK_STREAM, None)):
        raises_type(TypeError, socket.socket, *args)


def test_detach_gives_the_descriptor_up():
    a, b = pair()
    fd = a.detach()
    assert fd >= 0 and a.fileno() == -1
    f = open(fd, "wb")
    f.write(b"still open")
    f.close()
    assert b.read() == b"still open"


def test_results_are_tuples():
    l, port = listener()
    c = socket.socket()
    c.connect(("127.0.0.1", port))
    s, peer = l.accept()
    assert peer == c.getsockname() and isinstance(peer, tuple)
    if not has_ipv6():
        return
    u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    u.bind(("::1", 0))
    u.sendto(b"me", u.getsockname())
    assert u.recvfrom(9) == (b"me", u.getsockname()) and len(u.getsockname()) == 4


def test_byte_addresses_are_accepted():
    l, port = listener()
    raw = bytes([socket.AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1]) + bytes(8)
    c = socket.socket()
    c.connect(raw)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(bytearray([socket.AF_INET, 0, 0, 0, 127, 0, 0, 1]) + bytes(8))
    assert u.sendto(b"x", raw) == 1


def test_unix_paths_are_text():
    path = "/tmp/usocket-%d" % time.ticks_us()
    s = socket.socket(socket.AF_UNIX)
    family = bytes([socket.AF_UNIX, 0])
    s.bind(family + path.encode())
    s.listen(1)
    try:
        c = socket.socket(socket.AF_UNIX)
        c.connect(family + path.encode())
        s.accept()
        c = socket.socket(socket.AF_UNIX)
        if hasattr(s, "getsockname"):
            c.connect(path)
            assert s.getsockname() == path and c.getpeername() == path
    finally:
        os.remove(path)


def test_sec_socket_carries_no_plain_byte():
    l, port = listener()
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SEC)
    s.connect(("127.0.0.1", port))
    for call in (lambda: s.send(b"x"), lambda: s.recv(1), lambda: s.write(b"x"), lambda: s.read(1)):
        try:
            call()
            assert False, "carried data"
        except OSError as e:
            assert e.args[0] <= -10000, e.args


def test_unix_names_that_are_no_text_are_bytes():
    path = b"/tmp/usocket-\xff-%d" % time.ticks_us()
    family = bytes([socket.AF_UNIX, 0])
    s = socket.socket(socket.AF_UNIX)
    s.bind(family + path)
    try:
        if hasattr(s, "getsockname"):
            assert s.getsockname() == path
            abstract = b"\0usocket-%d" % time.ticks_us()
            s = socket.socket(socket.AF_UNIX)
            s.bind(abstract)
            assert s.getsockname() == abstract
    finally:
        unlink(path)


def unlink(path):
    import ffi

    assert ffi.open("libc.so.6").func("i", "unlink", "s")(path) == 0


def test_a_datagram_longer_than_the_buffer_gives_no_memory_out():
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(address())
    to = u.getsockname()
    for n in (10, 100, 5000, 60000):
        for size in (4, 1024, 2000):
            u.sendto(b"x" * n, to)
            assert u.recv(size, socket.MSG_TRUNC | socket.MSG_PEEK) == b"x" * min(size, n)
            assert u.recvfrom(size, socket.MSG_TRUNC) == (b"x" * min(size, n), to)
    room = bytearray(4)
    for receive in (lambda: u.recv_into(room, 0, socket.MSG_TRUNC), lambda: u.recvfrom_into(room, 0, socket.MSG_TRUNC)[0]):
        u.sendto(b"y" * 60000, to)
        assert receive() in (4, 60000) and room == b"yyyy"


def test_what_a_stream_throws_away_gives_no_memory_out():
    a, b = pair()
    for size in (1000, 5000):
        b.send(b"x" * size)
        got = a.recv(size, socket.MSG_TRUNC)  # Linux: the bytes are thrown away, and counted
        assert got in (bytes(len(got)), b"x" * len(got)), got[:50]


class Sub(socket.socket):
    """Subclasses made by programs."""

    def __init__(self, *args):
        super().__init__(*args)
        self.name = "mine"

    def recv(self, n):
        return b"<" + super().recv(n) + b">"


class SubSub(Sub):
    pass


def test_subclasses():
    import json
    import select

    for kind in (Sub, SubSub):
        l, port = listener()
        s = kind()
        s.connect(("127.0.0.1", port))
        b = l.accept()[0]
        p = select.poll()
        p.register(s, select.POLLIN)
        assert p.poll(0) == []
        # Functions that take a stream.
        b.send(b'{"a": [1, 2]}\n')
        assert p.poll(60000) == [(s, select.POLLIN)]
        b.shutdown(socket.SHUT_WR)
        assert json.load(s) == {"a": [1, 2]}
        json.dump([1], s)
        print("text", file=s)
        assert b.recv(100) == b"[1]text\n" or b.recv(100) == b"text\n"
        assert (s.name, s.family, s.recv(5)) == ("mine", socket.AF_INET, b"<>") and "fd=" in str(s)
        s.close()
        assert p.poll(0) == [(s, 32)] and s.fileno() == -1
        raises(errno.EBADF, json.dump, [1], s)
        # One that has not been made yet.
        assert kind.__init__


def test_a_subclass_before_its_init():
    import select

    class Late(socket.socket):
        def __init__(self):
            raises_type((TypeError, OSError), select.poll().register, self)
            super().__init__()

    assert Late().fileno() >= 0


class Old(socket.socket):
    """Calls its base as programs did before there was super()."""

    def recv(self, n):
        return b"<" + socket.socket.recv(self, n) + b">"

    def close(self):
        self.closed = True
        socket.socket.close(self)


def test_methods_called_on_the_class():
    l, port = listener()
    s = Old()
    socket.socket.connect(s, ("127.0.0.1", port))
    b = l.accept()[0]
    assert socket.socket.send(b, b"x") == 1 and s.recv(1) == b"<x>" and socket.socket.fileno(s) == s.fileno()
    s.close()
    assert s.closed and s.fileno() == -1 and b.recv(1) == b""
    for wrong in (5, None, object(), Old):
        raises_type(TypeError, socket.socket.send, wrong, b"x")
        raises_type(TypeError, socket.socket.fileno, wrong)


def test_an_option_of_any_length():
    s = socket.socket()
    assert len(s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 100000)) == 8
    raises_type(ValueError, s.getsockopt, socket.SOL_SOCKET, socket.SO_LINGER, -1)


def test_the_class_of_a_timeout():
    import json

    a, b = pair()
    a.settimeout(0.01)
    for call in (lambda: a.recv(1), lambda: a.read(1), a.readline, lambda: json.load(a)):
        try:
            call()
            assert False
        except socket.timeout as e:
            assert e.errno == errno.ETIMEDOUT
    b.close()
    a.close()
    try:
        a.recv(1)
        assert False
    except socket.timeout:
        assert False, "every OSError is a timeout"
    except OSError:
        pass


def test_keyword_arguments_of_methods():
    l = socket.socket()
    l.bind(("127.0.0.1", 0))
    l.listen(backlog=3)
    l.listen(-(10**12))
    a = socket.socket()
    a.connect(l.getsockname())
    b = l.accept()[0]
    a.settimeout(value=5)
    a.setblocking(flag=True)
    a.setsockopt(level=socket.SOL_SOCKET, optname=socket.SO_KEEPALIVE, value=1)
    assert a.getsockopt(level=socket.SOL_SOCKET, optname=socket.SO_KEEPALIVE) == 1
    assert len(a.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, buflen=8)) == 8
    assert a.send(bytes=b"123456") == 6 and b.recv(bufsize=1) == b"1"
    room = bytearray(2)
    assert b.recv_into(buffer=room, nbytes=1, flags=socket.MSG_PEEK) == 1 and room[0] == 50
    assert b.read(size=2) == b"23" and b.readinto(buf=room, nbytes=1) == 1 and room[0] == 52
    assert b.readinto(room, None) == 2
    a.sendall(bytes=b"line\n", flags=0)
    assert b.readline(size=None) == b"line\n"
    assert a.write(buf=b"xyz") == 3 and b.recvfrom(bufsize=9, flags=0)[0] == b"xyz"
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(("127.0.0.1", 0))
    assert u.sendto(b"x", address=u.getsockname()) == 1 and u.sendto(b"x", 0, u.getsockname()) == 1
    assert u.recvfrom_into(buffer=room)[0] == 1
    for call in (lambda: a.recv(), lambda: a.recv(1, 0, 0), lambda: a.recv(1, bufsize=1), lambda: a.recv(size=1),
                 lambda: a.send(), lambda: u.sendto(b"x"), lambda: a.setsockopt(1, 2)):
        raises_type(TypeError, call)


def test_makefile_as_cpythons():
    a, b = pair()
    for args in ((), ("rb",), ("wb",), ("rwb",), ("br",), ("rb", None), ("rb", 0), ("brw", -1)):
        assert a.makefile(*args) is a
    assert a.makefile("rb", buffering=None, encoding=None, errors=None, newline=None) is a
    for mode in ("", "r", "b", "rbb", "rb+", "rt"):
        raises_type(ValueError, a.makefile, mode)
    raises_type(ValueError, a.makefile, "rb", encoding="utf-8")
    raises_type(ValueError, a.makefile, "rb", newline="")
    a.close()
    raises(errno.EBADF, a.makefile)
    assert a.connect_ex(("127.0.0.1", 1)) == errno.EBADF


def test_integers_are_not_cut():
    s = socket.socket()
    for value in (1 << 31, 1 << 32, (1 << 32) + 1, -(1 << 31) - 1, 1 << 80):
        raises_type(OverflowError, s.setsockopt, socket.SOL_SOCKET, socket.SO_KEEPALIVE, value)
    raises_type(OverflowError, s.setsockopt, (1 << 32) + socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raises_type(OverflowError, s.recv, 1, 1 << 32)
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


def test_a_pair():
    a, b = socket.socketpair()
    assert (a.family, a.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
    a.send(b"there")
    b.send(b"and back")
    assert b.recv(9) == b"there" and a.recv(9) == b"and back"
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM, 0)
    a.send(b"one")
    a.send(b"two")
    assert b.recv(9) == b"one" and b.recv(9) == b"two"
