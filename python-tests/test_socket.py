"""Sockets: made, connected, used, closed."""

import array
import copy
import errno
import gc
import os
import pickle
import socket
import sys
import threading
import warnings

import pytest
import usocket
from conftest import fill

# The constructor


def test_the_defaults_are_tcp_over_ipv4(make):
    s = make()
    assert (s.family, s.type, s.proto) == (
        usocket.AF_INET,
        usocket.SOCK_STREAM,
        usocket.IPPROTO_TCP,
    )
    assert s.gettimeout() is None


def test_the_arguments_are_family_type_and_protocol_in_that_order(make):
    s = make(usocket.AF_INET6, usocket.SOCK_DGRAM, usocket.IPPROTO_UDP)
    assert (s.family, s.type, s.proto) == (
        usocket.AF_INET6,
        usocket.SOCK_DGRAM,
        usocket.IPPROTO_UDP,
    )


@pytest.mark.parametrize("name", ["af", "family"])
def test_the_arguments_have_the_names_of_micropython_and_cpython(make, name):
    s = make(**{name: usocket.AF_UNIX, "type": usocket.SOCK_DGRAM, "proto": 0})
    assert (s.family, s.type, s.proto) == (usocket.AF_UNIX, usocket.SOCK_DGRAM, 0)


def test_the_type_selects_the_protocol(make):
    assert make(usocket.AF_INET, usocket.SOCK_STREAM).proto == usocket.IPPROTO_TCP
    assert make(usocket.AF_INET, usocket.SOCK_DGRAM).proto == usocket.IPPROTO_UDP
    assert make(usocket.AF_INET6, usocket.SOCK_DGRAM).proto == usocket.IPPROTO_UDP


def test_the_kernel_agrees_about_family_type_and_protocol(make):
    s = make(usocket.AF_INET6, usocket.SOCK_DGRAM)
    asked = [usocket.SO_DOMAIN, usocket.SO_TYPE, usocket.SO_PROTOCOL]
    assert [s.getsockopt(usocket.SOL_SOCKET, what) for what in asked] == [
        s.family,
        s.type,
        s.proto,
    ]


@pytest.mark.parametrize("args", [(None,), (2, None), (2, 1, None), ("2",), (2.0,)])
def test_an_argument_that_is_no_integer_is_a_type_error(args):
    with pytest.raises(TypeError):
        usocket.socket(*args)


@pytest.mark.parametrize("args", [(1 << 40,), (2, -(1 << 31) - 1), (2, 1, 1 << 31)])
def test_an_argument_beyond_a_c_int_is_an_overflow_error(args):
    with pytest.raises(OverflowError):
        usocket.socket(*args)


def test_an_unknown_family_type_or_protocol_is_an_os_error():
    for args in [(9999,), (usocket.AF_INET, 99), (usocket.AF_INET, usocket.SOCK_STREAM, 17)]:
        with pytest.raises(OSError) as e:
            usocket.socket(*args)
        assert e.value.errno in (errno.EAFNOSUPPORT, errno.EINVAL, errno.EPROTONOSUPPORT)


def test_nonblock_and_cloexec_in_the_type_set_the_mode_and_do_not_stay_in_it(make):
    s = make(usocket.AF_INET, usocket.SOCK_STREAM | usocket.SOCK_NONBLOCK | usocket.SOCK_CLOEXEC)
    assert (s.type, s.gettimeout(), s.getblocking()) == (usocket.SOCK_STREAM, 0.0, False)


def test_raw_sockets_where_they_are_allowed(make):
    try:
        s = make(usocket.AF_INET, usocket.SOCK_RAW, usocket.IPPROTO_ICMP)
    except PermissionError as e:
        assert e.errno == errno.EPERM
    else:
        assert (s.type, s.proto) == (usocket.SOCK_RAW, usocket.IPPROTO_ICMP)


def test_descriptors_are_not_inherited(make):
    assert not os.get_inheritable(make().fileno())


# IPPROTO_SEC


def test_ipproto_sec_makes_a_tcp_socket_that_carries_nothing_before_it_is_wrapped(make, listener):
    s = make(usocket.AF_INET, usocket.SOCK_STREAM, usocket.IPPROTO_SEC)
    assert s.proto == usocket.IPPROTO_SEC
    assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_PROTOCOL) == usocket.IPPROTO_TCP
    s.connect(listener.getsockname())
    for use in (
        lambda: s.send(b"x"),
        lambda: s.sendall(b"x"),
        lambda: s.write(b"x"),
        lambda: s.recv(1),
        lambda: s.read(1),
        lambda: s.readline(),
        lambda: s.recv_into(bytearray(1)),
    ):
        with pytest.raises(usocket.SSLError, match="IPPROTO_SEC") as e:
            use()
        assert e.value.code == -10001 and isinstance(e.value, OSError)


def test_ipproto_sec_is_for_streams_over_ip():
    for args in [(usocket.AF_INET, usocket.SOCK_DGRAM), (usocket.AF_UNIX, usocket.SOCK_STREAM)]:
        with pytest.raises(OSError) as e:
            usocket.socket(*args, usocket.IPPROTO_SEC)
        assert e.value.errno == errno.EPROTONOSUPPORT


# close


def test_after_close_every_operation_fails_with_ebadf(make):
    s = make()
    s.close()
    operations = [
        lambda: s.accept(),
        lambda: s.bind(("127.0.0.1", 0)),
        lambda: s.connect(("127.0.0.1", 1)),
        lambda: s.detach(),
        lambda: s.dup(),
        lambda: s.getpeername(),
        lambda: s.getsockname(),
        lambda: s.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE),
        lambda: s.getsockopt(usocket.SOL_SOCKET, usocket.SO_TYPE, 4),
        lambda: s.listen(),
        lambda: s.makefile(),
        lambda: s.read(0),
        lambda: s.read(1),
        lambda: s.readall(),
        lambda: s.readinto(bytearray(1)),
        lambda: s.readinto(bytearray(0)),
        lambda: s.readline(),
        lambda: s.recv(1),
        lambda: s.recv_into(bytearray(1)),
        lambda: s.recvfrom(1),
        lambda: s.recvfrom_into(bytearray(1)),
        lambda: s.send(b"x"),
        lambda: s.sendall(b"x"),
        lambda: s.sendall(b""),
        lambda: s.sendto(b"x", ("127.0.0.1", 1)),
        lambda: s.setblocking(False),
        lambda: s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, 1),
        lambda: s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, b"\1\0\0\0"),
        lambda: s.settimeout(1),
        lambda: s.shutdown(usocket.SHUT_RDWR),
        lambda: s.write(b"x"),
    ]
    for number, operation in enumerate(operations):
        with pytest.raises(OSError) as e:
            operation()
        assert e.value.errno == errno.EBADF, number
    assert s.connect_ex(("127.0.0.1", 1)) == errno.EBADF


def test_close_twice_is_fine_and_does_not_close_a_stranger(make):
    s = make()
    s.close()
    stranger = make()
    s.close()
    assert stranger.fileno() >= 0 and os.fstat(stranger.fileno())


def test_fileno_is_the_descriptor_and_minus_one_after_close(make):
    s = make()
    assert s.fileno() >= 0 and os.readlink(f"/proc/self/fd/{s.fileno()}").startswith("socket:")
    s.close()
    assert s.fileno() == -1


def test_the_remote_end_receives_the_queued_data_and_then_the_end(tcp):
    client, server = tcp
    client.sendall(b"last words")
    client.close()
    assert server.readall() == b"last words"
    assert server.recv(10) == b""


def test_closing_ends_what_another_thread_is_blocked_in(tcp, run):
    client, _ = tcp
    seen, inside = [], threading.Event()

    def block():
        inside.set()
        with pytest.raises(OSError) as e:
            client.recv(1)
        seen.append(e.value.errno)

    thread = run(block)
    inside.wait()
    client.close()
    thread.join()
    assert seen == [errno.EBADF]


def test_a_dropped_socket_is_closed_with_a_resource_warning():
    s = usocket.socket()
    fd = s.fileno()
    with pytest.warns(ResourceWarning, match="unclosed <usocket.socket fd="):
        del s
        gc.collect()
    with pytest.raises(OSError):
        os.fstat(fd)


def test_a_thousand_dropped_sockets_leave_no_descriptor():
    before = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(1000):
            usocket.socket()
        gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_socket_whose_constructor_failed_can_be_dropped():
    with pytest.raises(OSError):
        usocket.socket(9999)
    gc.collect()  # An exception in __del__ would be a failure here.


def test_with_closes_also_after_an_exception():
    with usocket.socket() as s:
        assert s.fileno() >= 0
    assert s.fileno() == -1
    with pytest.raises(ZeroDivisionError):
        with usocket.socket() as s:
            1 / 0
    assert s.fileno() == -1


def test_repr_says_what_it_is(tcp):
    client, _ = tcp
    assert repr(client) == (
        f"<usocket.socket fd={client.fileno()}, family={usocket.AF_INET}, type="
        f"{usocket.SOCK_STREAM}, proto={usocket.IPPROTO_TCP}, laddr={client.getsockname()!r}, "
        f"raddr={client.getpeername()!r}>"
    )
    client.close()
    assert repr(client) == "<usocket.socket [closed]>"


def test_the_attributes_stay_after_close_and_are_read_only(make):
    s = make()
    s.close()
    assert (s.family, s.type, s.proto) == (2, 1, 6)
    for name in ("family", "type", "proto", "nonsense"):
        with pytest.raises(AttributeError):
            setattr(s, name, 1)


def test_a_socket_cannot_be_copied_or_pickled(make):
    s = make()
    for use in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot pickle"):
            use(s)


# Descriptors


def test_detach_gives_the_descriptor_open_and_the_socket_closed(make):
    s = make()
    fd = s.detach()
    try:
        assert s.fileno() == -1 and os.fstat(fd)
        with pytest.raises(OSError):
            s.listen()
    finally:
        os.close(fd)


def test_fileno_in_the_constructor_takes_a_descriptor_over(make):
    other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    other.setblocking(False)
    s = make(fileno=other.detach())
    assert (s.family, s.type, s.gettimeout()) == (usocket.AF_UNIX, usocket.SOCK_DGRAM, 0.0)


def test_from_fd_takes_a_descriptor_over(keep):
    a, b = socket.socketpair()
    with b:
        s = keep(usocket.from_fd(a.detach()))
        s.send(b"hi")
        assert b.recv(10) == b"hi"


def test_fromfd_duplicates_a_descriptor(keep):
    a, b = socket.socketpair()
    with a, b:
        s = keep(usocket.fromfd(a.fileno(), usocket.AF_UNIX, usocket.SOCK_STREAM))
        assert s.fileno() != a.fileno()
        s.close()
        a.send(b"still open")
        assert b.recv(20) == b"still open"


def test_a_descriptor_that_is_no_socket_stays_the_callers():
    with open(os.devnull, "rb") as f:
        before = len(os.listdir("/proc/self/fd"))
        for make_one in (
            lambda: usocket.from_fd(f.fileno()),
            lambda: usocket.fromfd(f.fileno(), 2, 1),
            lambda: usocket.socket(fileno=f.fileno()),
        ):
            with pytest.raises(OSError) as e:
                make_one()
            assert e.value.errno == errno.ENOTSOCK
        assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(OSError) as e:
        usocket.from_fd(1_000_000)
    assert e.value.errno == errno.EBADF
    with pytest.raises(ValueError):
        usocket.from_fd(-1)
    with pytest.raises(TypeError):
        usocket.from_fd("1")


def test_dup_is_a_second_socket_on_the_same_connection(pair, keep):
    a, b = pair
    a.settimeout(7)
    twin = keep(a.dup())
    assert (twin.family, twin.type, twin.proto) == (a.family, a.type, a.proto)
    assert twin.gettimeout() == 7.0 and twin.fileno() != a.fileno()
    a.close()
    twin.send(b"from the twin")
    assert b.recv(20) == b"from the twin"


def test_socketpair_is_two_connected_sockets(keep):
    a, b = usocket.socketpair()
    keep(a), keep(b)
    assert (a.family, a.type) == (usocket.AF_UNIX, usocket.SOCK_STREAM)
    a.send(b"to b")
    b.send(b"to a")
    assert (a.recv(10), b.recv(10)) == (b"to a", b"to b")
    c, d = usocket.socketpair(usocket.AF_UNIX, usocket.SOCK_DGRAM | usocket.SOCK_NONBLOCK, 0)
    keep(c), keep(d)
    assert (c.type, c.gettimeout(), d.gettimeout()) == (usocket.SOCK_DGRAM, 0.0, 0.0)
    with pytest.raises(OSError) as e:
        usocket.socketpair(usocket.AF_INET)
    assert e.value.errno == errno.EOPNOTSUPP


# bind, listen, accept


def test_bind_to_a_tuple(make):
    s = make()
    s.bind(("127.0.0.1", 0))
    host, port = s.getsockname()
    assert host == "127.0.0.1" and port > 0


def test_bind_twice_is_einval(make):
    s = make()
    s.bind(("127.0.0.1", 0))
    with pytest.raises(OSError) as e:
        s.bind(("127.0.0.1", 0))
    assert e.value.errno == errno.EINVAL


def test_bind_to_an_address_in_use(make, listener):
    with pytest.raises(OSError) as e:
        make().bind(listener.getsockname())
    assert e.value.errno == errno.EADDRINUSE


def test_listen_without_a_backlog_has_room(make):
    s = make()
    s.bind(("127.0.0.1", 0))
    s.listen()
    for _ in range(20):
        make().connect(s.getsockname())


@pytest.mark.parametrize("backlog", [0, 1, -5, 5])
def test_listen_with_a_backlog_below_zero_counts_as_zero(make, keep, backlog):
    s = make()
    s.bind(("127.0.0.1", 0))
    s.listen(backlog)
    make().connect(s.getsockname())
    keep(s.accept()[0])


def test_listen_wants_an_integer_and_a_stream(make, udp):
    with pytest.raises(TypeError):
        make().listen("5")
    with pytest.raises(OverflowError):
        make().listen(1 << 40)
    with pytest.raises(OSError) as e:
        udp.listen()
    assert e.value.errno == errno.EOPNOTSUPP


def test_accept_gives_a_new_socket_and_the_address_of_the_other_end(make, keep, listener):
    client = make()
    client.connect(listener.getsockname())
    conn, address = listener.accept()
    keep(conn)
    assert type(conn) is usocket.socket
    assert address == client.getsockname() == conn.getpeername()
    assert (conn.family, conn.type, conn.proto) == (
        listener.family,
        listener.type,
        listener.proto,
    )
    conn.send(b"hello")
    assert client.recv(10) == b"hello"


def test_an_accepted_socket_is_in_blocking_mode(make, keep, listener):
    listener.settimeout(60)
    make().connect(listener.getsockname())
    conn = keep(listener.accept()[0])
    assert conn.gettimeout() is None and os.get_blocking(conn.fileno())


def test_accept_without_a_connection(listener, make):
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.settimeout(0.02)
    with pytest.raises(TimeoutError):
        listener.accept()
    with pytest.raises(OSError) as e:
        make().accept()
    assert e.value.errno == errno.EINVAL


# connect


def test_connect_to_what_getaddrinfo_gives(make, listener):
    s = make()
    s.connect(usocket.getaddrinfo("127.0.0.1", listener.getsockname()[1])[0][-1])
    assert s.getpeername() == listener.getsockname()


def test_connect_refused(make):
    free = make()
    free.bind(("127.0.0.1", 0))
    with pytest.raises(ConnectionRefusedError) as e:
        make().connect(free.getsockname())
    assert e.value.errno == errno.ECONNREFUSED


def test_connect_times_out(make, full):
    s = make()
    s.settimeout(0.1)
    with pytest.raises(TimeoutError) as e:
        s.connect(full)
    assert e.value.errno == errno.ETIMEDOUT


def test_connect_in_non_blocking_mode_is_in_progress(make, full):
    s = make()
    s.setblocking(False)
    with pytest.raises(BlockingIOError) as e:
        s.connect(full)
    assert e.value.errno == errno.EINPROGRESS
    with pytest.raises(BlockingIOError) as e:
        s.connect(full)
    assert e.value.errno == errno.EALREADY
    with pytest.raises(BlockingIOError):
        s.recv(1)
    with pytest.raises(BlockingIOError):
        s.send(b"x")
    assert s.read(1) is None and s.write(b"x") is None


def test_connect_again_is_eisconn(tcp):
    with pytest.raises(OSError) as e:
        tcp[0].connect(tcp[0].getpeername())
    assert e.value.errno == errno.EISCONN


def test_connect_ex_gives_the_errno(make, listener, full):
    assert make().connect_ex(listener.getsockname()) == 0
    free = make()
    free.bind(("127.0.0.1", 0))
    assert make().connect_ex(free.getsockname()) == errno.ECONNREFUSED
    s = make()
    s.setblocking(False)
    assert s.connect_ex(full) == errno.EINPROGRESS
    s = make()
    s.settimeout(0.05)
    assert s.connect_ex(full) == errno.ETIMEDOUT


def test_connect_ex_still_raises_for_a_bad_address(make):
    with pytest.raises(OSError, match="getaddrinfo"):
        make().connect_ex(("localhost", 80))
    with pytest.raises(TypeError):
        make().connect_ex("127.0.0.1")


def test_a_pair_of_arguments_is_no_address(make):
    for use in (make().bind, make().connect, make().connect_ex):
        with pytest.raises(TypeError):
            use("127.0.0.1", 80)


def test_a_connected_udp_socket_sends_without_an_address(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.connect(udp.getsockname())
    s.send(b"to my peer")
    assert udp.recv(20) == b"to my peer"


# shutdown, names


def test_shutdown_ends_a_half_or_both(tcp):
    client, server = tcp
    client.shutdown(usocket.SHUT_WR)
    assert server.recv(1) == b""
    with pytest.raises(BrokenPipeError):
        client.send(b"x")
    server.send(b"still")
    assert client.recv(10) == b"still"
    client.shutdown(usocket.SHUT_RD)
    assert client.recv(1) == b""
    server.shutdown(usocket.SHUT_RDWR)
    with pytest.raises(BrokenPipeError):
        server.send(b"x")


def test_shutdown_errors(make, tcp):
    with pytest.raises(OSError) as e:
        make().shutdown(usocket.SHUT_RDWR)
    assert e.value.errno == errno.ENOTCONN
    with pytest.raises(OSError) as e:
        tcp[0].shutdown(77)
    assert e.value.errno == errno.EINVAL
    with pytest.raises(TypeError):
        tcp[0].shutdown()


def test_getpeername_and_getsockname(tcp, listener):
    client, server = tcp
    assert client.getpeername() == listener.getsockname() == server.getsockname()
    assert server.getpeername() == client.getsockname()


def test_getpeername_of_an_unconnected_socket(make):
    with pytest.raises(OSError) as e:
        make().getpeername()
    assert e.value.errno == errno.ENOTCONN


# send


@pytest.mark.parametrize("method", ["send", "sendall", "write"])
@pytest.mark.parametrize(
    "data, sent",
    [
        (b"bytes", b"bytes"),
        (bytearray(b"bytearray"), b"bytearray"),
        (memoryview(b"a view of bytes")[2:6], b"view"),
        (memoryview(bytearray(b"a view of a bytearray"))[2:6], b"view"),
        ("text: \u00fc", b"text: \xc3\xbc"),
        (array.array("H", [0x4141, 0x4242]), b"AABB"),
        (type("Mine", (bytes,), {})(b"subclass"), b"subclass"),
    ],
)
def test_what_can_be_sent(pair, method, data, sent):
    a, b = pair
    result = getattr(a, method)(data)
    assert result == (None if method == "sendall" else len(sent))
    assert b.recv(100) == sent


@pytest.mark.parametrize("method", ["send", "sendall", "write"])
def test_what_cannot_be_sent(pair, method):
    send = getattr(pair[0], method)
    for data in (None, 5, 1.5, [b"x"], object()):
        with pytest.raises(TypeError):
            send(data)
    with pytest.raises(BufferError):
        send(memoryview(b"abcdef")[::2])
    with pytest.raises(TypeError):
        send()


def test_send_gives_how_many_bytes_went_perhaps_not_all(pair):
    a, b = pair
    a.setblocking(False)
    data = bytes(50_000_000)
    sent = a.send(data)
    assert 0 < sent < len(data)
    b.setblocking(False)
    assert len(b.readall()) == sent


def test_send_that_would_block(pair):
    a, _ = pair
    fill(a)
    a.setblocking(False)
    with pytest.raises(BlockingIOError) as e:
        a.send(b"x")
    assert e.value.errno == errno.EAGAIN
    a.settimeout(0.02)
    with pytest.raises(TimeoutError):
        a.send(b"x")


def test_send_without_a_connection(make):
    with pytest.raises(OSError) as e:
        make().send(b"x")
    assert e.value.errno in (errno.ENOTCONN, errno.EPIPE)
    with pytest.raises(OSError) as e:
        make(usocket.AF_INET, usocket.SOCK_DGRAM).send(b"x")
    assert e.value.errno == errno.EDESTADDRREQ


def test_flags_of_send_and_recv(tcp):
    client, server = tcp
    client.send(b"!", usocket.MSG_OOB)
    client.send(b"data", 0)
    assert server.recv(10, usocket.MSG_PEEK) == b"data"
    assert server.recv(1, usocket.MSG_OOB) == b"!"
    assert server.recv(10) == b"data"
    with pytest.raises(BlockingIOError):
        server.recv(1, usocket.MSG_DONTWAIT)
    client.sendall(b"more", usocket.MSG_DONTWAIT)
    assert server.recv(4, flags=usocket.MSG_WAITALL) == b"more"


@pytest.mark.parametrize("flags", [None, "1", 1.0])
def test_flags_are_integers(pair, flags):
    a, _ = pair
    for use in (
        lambda: a.send(b"x", flags),
        lambda: a.sendall(b"x", flags),
        lambda: a.recv(1, flags),
        lambda: a.recvfrom(1, flags),
        lambda: a.recv_into(bytearray(1), 0, flags),
    ):
        with pytest.raises(TypeError):
            use()
    with pytest.raises(OverflowError):
        a.recv(1, 1 << 31)


def test_no_sigpipe_when_the_other_end_is_gone(pair):
    a, b = pair
    b.close()
    with pytest.raises(BrokenPipeError):
        a.send(b"x")
    with pytest.raises(BrokenPipeError):
        a.sendall(b"x")


def test_a_reset_connection(tcp):
    client, server = tcp
    linger_off = b"\1\0\0\0\0\0\0\0"
    server.setsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, linger_off)
    server.close()
    with pytest.raises(ConnectionResetError) as e:
        client.recv(1)
    assert e.value.errno == errno.ECONNRESET == 104


# sendall


def test_sendall_sends_all_of_it(tcp, run):
    client, server = tcp
    data = os.urandom(3_000_000)
    run(client.sendall, data)
    assert server.read(len(data)) == data


def test_sendall_of_a_view_of_a_large_buffer(tcp, run):
    client, server = tcp
    data = bytearray(os.urandom(2_000_000))
    run(client.sendall, memoryview(data)[10:])
    assert server.read(len(data) - 10) == data[10:]


def test_sendall_has_one_timeout_for_the_whole(pair):
    a, _ = pair
    a.settimeout(0.05)
    with pytest.raises(TimeoutError):
        a.sendall(bytes(20_000_000))
    with pytest.raises(TimeoutError):
        a.sendall(bytes(20_000_000), usocket.MSG_NOSIGNAL)


def test_sendall_that_would_block(pair):
    a, _ = pair
    a.setblocking(False)
    with pytest.raises(BlockingIOError):
        a.sendall(bytes(20_000_000))


def test_sendall_of_nothing_is_a_datagram_of_nothing(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.connect(udp.getsockname())
    s.sendall(b"")
    s.send(b"")
    udp.settimeout(60)
    assert udp.recv(10) == udp.recv(10) == b""


# recv


def test_recv_gives_at_most_what_was_asked(pair):
    a, b = pair
    a.send(b"0123456789")
    assert [b.recv(4), b.recv(100)] == [b"0123", b"456789"]
    a.close()
    assert b.recv(10) == b""


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 1_000_000])
def test_recv_of_any_size(pair, size):
    a, b = pair
    a.send(b"abc")
    assert b.recv(size) == b"abc"[:size]


def test_recv_of_nothing(pair):
    a, b = pair
    a.send(b"x")
    assert b.recv(0) == b""
    assert b.recv(1) == b"x"


def test_recv_sizes_that_are_wrong(pair):
    a, _ = pair
    for use in (a.recv, a.recvfrom):
        with pytest.raises(ValueError):
            use(-1)
        for size in (None, "1", 1.5):
            with pytest.raises(TypeError):
                use(size)
        for size in (1 << 62, sys.maxsize, 1 << 100):
            with pytest.raises((MemoryError, OverflowError)):
                use(size)


def test_recv_with_nothing_there(pair):
    a, _ = pair
    a.setblocking(False)
    with pytest.raises(BlockingIOError) as e:
        a.recv(1)
    assert e.value.errno == errno.EAGAIN
    a.settimeout(0.02)
    for use in (
        lambda: a.recv(1),
        lambda: a.recvfrom(1),
        lambda: a.recv_into(bytearray(1)),
        lambda: a.recvfrom_into(bytearray(1)),
    ):
        with pytest.raises(usocket.timeout) as e:
            use()
        assert e.value.errno == errno.ETIMEDOUT


def test_recv_on_a_socket_that_is_not_connected(make, listener):
    for s in (make(), listener):
        with pytest.raises(OSError) as e:
            s.recv(1)
        assert e.value.errno == errno.ENOTCONN


def test_recv_into_a_buffer(pair):
    a, b = pair
    buffer = bytearray(b"-" * 10)
    a.send(b"abcdefgh")
    assert b.recv_into(buffer, 3) == 3 and buffer == b"abc-------"
    assert b.recv_into(memoryview(buffer)[5:]) == 5 and buffer == b"abc--defgh"
    a.send(b"0123456789more")
    assert b.recv_into(buffer, 0) == 10 and buffer == b"0123456789"
    assert b.recv_into(buffer, nbytes=2, flags=usocket.MSG_PEEK) == 2
    assert b.recv(10) == b"more"


def test_recv_into_what_does_not_fit_or_cannot_be_written(pair):
    a, _ = pair
    for use in (a.recv_into, a.recvfrom_into):
        with pytest.raises(ValueError):
            use(bytearray(4), 5)
        with pytest.raises(ValueError):
            use(bytearray(4), -1)
        for buffer in (b"1234", "1234", memoryview(b"1234"), None, 4):
            with pytest.raises(TypeError):
                use(buffer)
        with pytest.raises(BufferError):
            use(memoryview(bytearray(8))[::2])


def test_a_buffer_is_free_again_afterwards(pair):
    a, b = pair
    buffer = bytearray(b"x")
    a.send(buffer)
    b.recv_into(buffer)
    a.write(buffer)
    b.readinto(buffer)
    buffer.extend(b"resizing needs that nobody holds it")


# Datagrams


def test_sendto_and_recvfrom(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    assert s.sendto(b"hello", udp.getsockname()) == 5
    assert udp.recvfrom(100) == (b"hello", s.getsockname())


def test_sendto_with_flags_in_the_middle(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    assert s.sendto("text", usocket.MSG_DONTWAIT, udp.getsockname()) == 4
    assert udp.recvfrom(100, usocket.MSG_PEEK)[0] == udp.recvfrom(100, 0)[0] == b"text"


def test_sendto_arguments(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    for args in [(b"x",), (), (b"x", 0, udp.getsockname(), 1), (b"x", "0", udp.getsockname())]:
        with pytest.raises(TypeError):
            s.sendto(*args)
    for data in (None, 5):
        with pytest.raises(TypeError):
            s.sendto(data, udp.getsockname())
    with pytest.raises(OSError, match="getaddrinfo"):
        s.sendto(b"x", ("localhost", 1))


def test_sendto_to_the_opaque_address(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.sendto(b"x", usocket.native_address(udp.getsockname()))
    assert udp.recv(1) == b"x"


def test_a_datagram_too_long_is_emsgsize(make, udp):
    with pytest.raises(OSError) as e:
        make(usocket.AF_INET, usocket.SOCK_DGRAM).sendto(bytes(100_000), udp.getsockname())
    assert e.value.errno == errno.EMSGSIZE


def test_recvfrom_of_a_part_loses_the_rest_of_the_datagram(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.sendto(b"123456", udp.getsockname())
    s.sendto(b"next", udp.getsockname())
    assert [udp.recvfrom(3)[0], udp.recvfrom(10)[0]] == [b"123", b"next"]


def test_recvfrom_into_a_buffer(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    buffer = bytearray(8)
    s.sendto(b"abc", udp.getsockname())
    assert udp.recvfrom_into(buffer) == (3, s.getsockname())
    s.sendto(b"defg", udp.getsockname())
    assert udp.recvfrom_into(buffer, 2, 0) == (2, s.getsockname())
    assert buffer == b"dec" + bytes(5)


def test_recvfrom_on_a_stream_has_no_address(tcp):
    client, server = tcp
    client.send(b"x")
    assert server.recvfrom(10) == (b"x", None)


def test_two_threads_send_and_receive_on_one_socket(tcp, run):
    client, server = tcp
    data = os.urandom(1_000_000)
    run(client.sendall, data)
    run(lambda: server.sendall(server.read(len(data))))
    assert client.read(len(data)) == data
