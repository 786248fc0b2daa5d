"""Sockets: bound, listening, connected, shut down."""

import errno
import os

import pytest
import usocket

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


@pytest.mark.parametrize("backlog", [0, 1, -5, 5, -(1 << 40), -(10**30)])
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
