"""Sockets: sending and receiving, streams of bytes and datagrams."""

import array
import errno
import os
import sys

import pytest
import usocket
from conftest import fill

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
