# The rows of the reference documents as they are printed there, where no other file has them (docs/conformance.md).
import errno
import gc
import os
import select
import socket
import ssl
import time
from support import Thread, descriptors, has_ipv6, raises, raises_type, taken_port, until_main_sleeps


def server():
    """A listener and its address, as these documents have it."""
    l = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    l.bind(("127.0.0.1", 0))
    l.listen(1)
    return l, l.getsockname()


def connection():
    l, address = server()
    a = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    a.connect(address)
    b, peer = l.accept()
    assert peer == a.getsockname()
    l.close()
    return a, b


# ---- making one ----


def test_the_defaults_are_tcp_over_ipv4():
    s = socket.socket()
    assert (s.family, s.type, s.proto) == (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    assert (s.family, s.type, s.proto) == (socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_UDP)


def test_the_type_selects_the_protocol():
    assert socket.socket(socket.AF_INET, socket.SOCK_STREAM).proto == socket.IPPROTO_TCP
    assert socket.socket(socket.AF_INET, socket.SOCK_DGRAM).proto == socket.IPPROTO_UDP


def test_the_attributes_are_read_only():
    s = socket.socket()
    for name in ("family", "type", "proto"):
        raises_type(AttributeError, setattr, s, name, 1)


def test_a_socket_begins_in_blocking_mode():
    a, b = connection()
    assert a.gettimeout() is None and b.gettimeout() is None
    t = Thread(lambda: (until_main_sleeps(), b.send(b"x")))
    assert a.recv(1) == b"x"
    t.join()


def test_dropped_and_collected_is_closed():
    before = descriptors()
    for _ in range(100):
        socket.socket()
    gc.collect()
    assert descriptors() <= before + 2


# ---- addresses and names ----


def test_the_answers_of_getaddrinfo_are_for_connect():
    l, (_, port) = server()
    for host in ("127.0.0.1", b"127.0.0.1", "localhost"):
        s = socket.socket()
        s.connect(socket.getaddrinfo(host, port, socket.AF_INET)[0][4])
        s.close()
        s = socket.socket()
        s.connect(socket.getaddrinfo(host, str(port), socket.AF_INET, socket.SOCK_STREAM)[0][-1])
        s.close()
        l.accept()
        l.accept()


def test_the_filters_of_getaddrinfo():
    for answer in socket.getaddrinfo("127.0.0.1", 80):
        family, kind, proto, canonname, sockaddr = answer
        assert (family, canonname, sockaddr) == (socket.AF_INET, "", ("127.0.0.1", 80))
    kinds = {a[1] for a in socket.getaddrinfo("127.0.0.1", 80, 0, 0, 0, 0)}
    assert {socket.SOCK_STREAM, socket.SOCK_DGRAM} <= kinds
    assert [a[1] for a in socket.getaddrinfo("127.0.0.1", 80, 0, socket.SOCK_STREAM)] == [socket.SOCK_STREAM]
    assert [a[1:3] for a in socket.getaddrinfo("127.0.0.1", 80, 0, 0, socket.IPPROTO_UDP)] == [(socket.SOCK_DGRAM, socket.IPPROTO_UDP)]
    assert socket.getaddrinfo("::1", 80, socket.AF_INET6, socket.SOCK_STREAM)[0][0] == socket.AF_INET6
    raises_type(socket.gaierror, socket.getaddrinfo, "::1", 80, socket.AF_INET)
    assert socket.getaddrinfo(None, 80, socket.AF_INET, socket.SOCK_STREAM)[0][-1] == ("127.0.0.1", 80)


def test_tuples_of_ipv6():
    if not has_ipv6():
        return
    l = socket.socket(socket.AF_INET6)
    l.bind(("::1", 0, 0, 0))
    l.listen()
    host, port, flowinfo, scopeid = l.getsockname()
    assert (host, flowinfo, scopeid) == ("::1", 0, 0)
    for address in (("::1", port), ("::1", port, 0), ("::1", port, 0, 0), ["::1", port]):
        s = socket.socket(socket.AF_INET6)
        s.connect(address)
        l.accept()[0].close()
        s.close()
    raises_type(ValueError, socket.socket(socket.AF_INET6).connect, ("::1", port, 0, 0, 0))
    raises_type(ValueError, socket.socket().connect, ("127.0.0.1", port, 0, 0))


def test_names_are_no_addresses():
    for family, name in ((socket.AF_INET, "localhost"), (socket.AF_INET6, "localhost"), (socket.AF_INET, "example.org")):
        raises(errno.EINVAL, socket.socket(family).connect, (name, 80))
        raises(errno.EINVAL, socket.socket(family).bind, (name, 0))


def test_ports():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    assert 1 <= s.getsockname()[1] <= 65535
    for port in (-1, 65536):
        raises_type(socket.PortError, socket.socket().bind, ("127.0.0.1", port))
    raises_type(TypeError, socket.socket().bind, ("127.0.0.1", "80"))


def test_a_pair_of_arguments_is_no_address():
    s = socket.socket()
    raises_type(TypeError, s.bind, "127.0.0.1", 0)
    raises_type(TypeError, s.connect, "127.0.0.1", 80)


# ---- connections ----


def test_bind_twice():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    raises(errno.EINVAL, s.bind, ("127.0.0.1", 0))
    raises(errno.EADDRINUSE, socket.socket().bind, s.getsockname())


def test_a_backlog_below_zero_is_zero():
    for args in ((-1,), (-(10**30),), (0,), (), (10**30,)):
        l = socket.socket()
        l.bind(("127.0.0.1", 0))
        l.listen(*args)
        s = socket.socket()
        s.connect(l.getsockname())
        l.accept()
    raises_type(TypeError, socket.socket().listen, "1")
    raises(errno.EOPNOTSUPP, socket.socket(socket.AF_INET, socket.SOCK_DGRAM).listen)


def test_listen_without_a_backlog_has_room():
    l = socket.socket()
    l.bind(("127.0.0.1", 0))
    l.listen()
    waiting = [socket.socket() for _ in range(20)]
    for s in waiting:
        s.settimeout(60)
        s.connect(l.getsockname())
    for _ in waiting:
        l.accept()


def test_connect_refused_and_in_progress():
    taken, port = taken_port()
    address = ("127.0.0.1", port)
    raises(errno.ECONNREFUSED, socket.socket().connect, address)
    s = socket.socket()
    assert s.connect_ex(address) == errno.ECONNREFUSED
    l, address = server()
    s = socket.socket()
    s.setblocking(False)
    assert s.connect_ex(address) in (0, errno.EINPROGRESS)
    p = select.poll()
    p.register(s, select.POLLOUT)
    assert p.poll(60000) == [(s, select.POLLOUT)]
    assert s.connect_ex(address) in (0, 106)  # EISCONN


def test_connect_has_the_timeout():
    # A listener with a full queue accepts no more connections.
    l = socket.socket()
    l.bind(("127.0.0.1", 0))
    l.listen(0)
    held = []
    for _ in range(10):
        s = socket.socket()
        s.settimeout(0.2)
        held.append(s)
        try:
            s.connect(l.getsockname())
        except socket.timeout as e:
            assert e.errno == errno.ETIMEDOUT
            return
    raise AssertionError("the queue is never full")


def test_connect_ex_raises_what_is_no_error_of_connect():
    s = socket.socket()
    raises_type(socket.PortError, s.connect_ex, ("127.0.0.1", 70000))
    raises_type(TypeError, s.connect_ex, None)
    raises(errno.EINVAL, s.connect_ex, ("no such host", 80))


def test_close_sends_what_is_queued_and_then_the_end():
    a, b = connection()
    b.settimeout(10)
    data = bytes(range(256)) * 400
    a.sendall(data)
    a.close()
    assert b.read(len(data)) == data and b.recv(1) == b""
    for call in (lambda: a.send(b"x"), lambda: a.recv(1), lambda: a.bind(("127.0.0.1", 0)), lambda: a.listen(), a.accept,
                 a.getsockname, a.getpeername, lambda: a.settimeout(1), lambda: a.read(1), lambda: a.write(b"x")):
        raises(errno.EBADF, call)


def test_shutdown_of_a_half_and_both():
    a, b = connection()
    a.shutdown(socket.SHUT_WR)
    assert b.recv(1) == b""
    b.send(b"still")
    assert a.read(5) == b"still"
    raises(32, a.send, b"x")  # EPIPE
    b.shutdown(socket.SHUT_RDWR)
    assert a.recv(1) == b""
    a, b = connection()
    a.shutdown(socket.SHUT_RD)
    assert a.recv(1) == b"" and (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR) == (0, 1, 2)


def test_getpeername_of_an_unconnected_socket():
    raises(errno.ENOTCONN, socket.socket().getpeername)
    a, b = connection()
    assert a.getpeername() == b.getsockname() and a.fileno() > 2 and a.fileno() != b.fileno()


# ---- data ----


def test_text_is_sent_as_utf8():
    a, b = connection()
    assert a.send("GET / HTTP/1.0\r\n") == 16 and b.read(16) == b"GET / HTTP/1.0\r\n"
    assert a.sendall("ä") is None and b.read(2) == "ä".encode()
    assert a.write("line\n") == 5 and b.readline() == b"line\n"
    for what in (b"bytes", bytearray(b"bytes"), memoryview(b"bytes")):
        assert a.send(what) == 5 and b.read(5) == b"bytes"
    raises_type(TypeError, a.send, 5)


def test_datagrams_and_their_sender():
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for s in (a, b):
        s.bind(("127.0.0.1", 0))
        s.settimeout(10)
    assert a.sendto(b"hello", b.getsockname()) == 5
    assert b.recvfrom(10) == (b"hello", a.getsockname())
    assert a.sendto(b"hello", 0, socket.getaddrinfo("127.0.0.1", b.getsockname()[1], 0, socket.SOCK_DGRAM)[0][-1]) == 5
    room = bytearray(3)
    assert b.recvfrom_into(room) == (3, a.getsockname()) and room == b"hel"
    a.sendto(b"next", b.getsockname())
    assert b.recv(10) == b"next"


def test_without_waiting():
    a, b = connection()
    a.setblocking(False)
    assert a.gettimeout() == 0
    raises(errno.EAGAIN, a.recv, 1)
    raises(errno.EAGAIN, a.recv_into, bytearray(1))
    piece = bytes(1 << 20)
    a, b = socket.socketpair()  # Two ends of TCP may make room yet when they are full.
    a.setblocking(False)
    try:
        while True:
            a.send(piece)
    except OSError as e:
        assert e.errno == errno.EAGAIN
    raises(errno.EAGAIN, a.sendall, piece)
    assert a.write(piece) is None and a.read(1) is None and a.readline() is None and a.readinto(bytearray(1)) is None
    a.settimeout(0)
    raises(errno.EAGAIN, a.recv, 1)
    a.settimeout(None)
    assert a.gettimeout() is None
    b.send(b"abc")
    assert a.recv(3) == b"abc"


def test_a_timeout_in_seconds():
    a, b = connection()
    a.settimeout(0.05)
    began = time.ticks_ms()
    for call in (lambda: a.recv(1), lambda: a.recvfrom(1), lambda: a.recv_into(bytearray(1)), lambda: a.read(1), a.readline):
        try:
            call()
            assert False
        except socket.timeout as e:
            assert isinstance(e, OSError) and isinstance(e, socket.error) and e.args[0] == errno.ETIMEDOUT
    assert time.ticks_diff(time.ticks_ms(), began) >= 250


def test_options_of_every_level():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, b"\1\0\0\0")
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 7)
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
    assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 4) == b"\1\0\0\0"
    assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1 and s.getsockopt(socket.IPPROTO_IP, socket.IP_TTL) == 7
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert s.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    raises(92, s.setsockopt, socket.SOL_SOCKET, 9999, 1)  # ENOPROTOOPT
    raises_type(TypeError, s.setsockopt, socket.SOL_SOCKET, socket.SO_KEEPALIVE, None)


# ---- streams ----


def test_the_file_is_the_socket():
    a, b = connection()
    f = a.makefile("rwb", 0)
    assert f.write(b"one\n") == 4 and b.readline() == b"one\n"
    b.write(b"two\nthree")
    assert f.readline() == b"two\n" and a.read(5) == b"three"
    f.close()
    assert a.fileno() == -1
    raises(errno.EBADF, a.send, b"x")


def test_reading_until_the_end():
    for name in ("read", "readall"):
        a, b = connection()
        b.sendall(b"x" * 10000)
        b.close()
        assert getattr(a, name)() == b"x" * 10000 and getattr(a, name)() == b""
    a, b = connection()
    b.sendall(b"less")
    b.close()
    assert a.read(10) == b"less" and a.read(10) == b"" and a.read(0) == b"" and a.readline() == b""


def test_readinto_fills_the_buffer_or_nbytes():
    a, b = connection()
    room = bytearray(6)
    b.send(b"abc")
    t = Thread(lambda: (until_main_sleeps(), b.send(b"defghi")))
    assert a.readinto(room) == 6 and room == b"abcdef"
    assert a.readinto(room, 2) == 2 and room == b"ghcdef"
    t.join()
    b.close()
    assert a.readinto(room, 100) == 1 and a.readinto(room) == 0
    raises_type(TypeError, a.readinto, b"read only")


def test_a_read_without_waiting_gives_what_is_there():
    a, b = connection()
    a.setblocking(False)
    b.send(b"part")
    p = select.poll()
    p.register(a, select.POLLIN)
    assert p.poll(60000)
    assert a.read(100) == b"part" and a.read(100) is None


# ---- waiting ----


def test_the_portable_way_to_wait_with_a_timeout():
    import uselect

    a, b = connection()
    poller = uselect.poll()
    poller.register(a, uselect.POLLIN)
    assert poller.poll(50) == []
    b.send(b"x")
    assert poller.poll(60000) == [(a, uselect.POLLIN)]
    values = (uselect.POLLIN, uselect.POLLPRI, uselect.POLLOUT, uselect.POLLERR, uselect.POLLHUP, uselect.POLLNVAL)
    assert values == (1, 2, 4, 8, 16, 32)


# ---- MaixPy's programs ----


def test_the_download_of_a_picture():
    picture = os.urandom(60000)
    l, address = server()

    def serve():
        s = l.accept()[0]
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += s.recv(1000)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + picture)
        s.close()

    t = Thread(serve)
    sock = socket.socket()
    sock.connect(socket.getaddrinfo(address[0], address[1])[0][-1])
    sock.send("GET /pic.jpg HTTP/1.1\r\nHost: localhost\r\ncache-control: no-cache\r\n\r\n")
    sock.settimeout(60)
    img = b""
    while True:
        data = sock.recv(4096)
        if len(data) == 0:
            break
        img = img + data
    sock.close()
    t.join()
    assert img[img.find(b"\r\n\r\n") + 4:] == picture


def test_the_sending_of_pictures():
    l, address = server()

    def serve():
        s = l.accept()[0]
        return s.read()

    t = Thread(serve)
    sock = socket.socket()
    sock.connect(address)
    sock.settimeout(60)
    img = os.urandom(50000)
    block = len(img) // 2048
    sent = 0
    for i in range(block):
        sent += sock.write(img[i * 2048:(i + 1) * 2048])
    sent += sock.write(img[block * 2048:])
    sock.close()
    assert sent == len(img) and t.join() == img


# ---- TLS ----


def test_a_sec_socket_is_for_tls():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SEC)
    l, address = server()
    s.connect(address)
    raises_type(OSError, s.send, b"in clear")
    raises_type(OSError, socket.socket, socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_SEC)
    assert ssl.wrap_socket
