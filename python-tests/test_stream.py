"""Streams: read, readall, readinto, readline, write, makefile."""

import errno
import os
import struct
import threading
import time

import pytest
import usocket
from conftest import fill


def reset(s):
    """Closes a TCP socket so that the other end sees a reset."""
    s.setsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


# read


def test_read_has_no_short_reads(pair, run):
    a, b = pair

    def in_pieces():
        for piece in (b"one", b"two", b"three"):
            assert a.send(piece) == len(piece)

    run(in_pieces)
    assert b.read(11) == b"onetwothree"


def test_read_of_more_than_there_will_be_ends_at_the_end(pair):
    a, b = pair
    a.write(b"all")
    a.close()
    assert b.read(1000) == b"all"
    assert b.read(1000) == b""


@pytest.mark.parametrize("size", [(), (None,), (-1,)])
def test_read_without_a_size_is_readall(pair, size):
    a, b = pair
    a.write(b"all of it")
    a.close()
    assert b.read(*size) == b"all of it"


def test_read_zero_is_empty(pair):
    assert pair[0].read(0) == b""


def test_read_of_a_large_size(tcp, run):
    client, server = tcp
    data = os.urandom(1_000_003)
    run(client.sendall, data)
    assert server.read(len(data)) == data


def test_read_of_an_absurd_size_takes_no_more_memory_than_what_comes(pair):
    a, b = pair
    a.write(b"little")
    a.close()
    assert b.read(1 << 80) == b"little"


@pytest.mark.parametrize("size", ["1", 1.0, b"1"])
def test_sizes_are_integers(pair, size):
    for method in (pair[0].read, pair[0].readline):
        with pytest.raises(TypeError):
            method(size)


def test_read_in_non_blocking_mode_gives_what_is_there_or_none(pair):
    a, b = pair
    b.setblocking(False)
    assert b.read(10) is None
    a.write(b"some")
    assert b.read(10) == b"some"
    assert b.read(10) is None and b.read() is None
    a.close()
    assert b.read(10) == b"" == b.read()


def test_a_read_that_times_out_with_nothing_raises(pair):
    b = pair[1]
    b.settimeout(0.02)
    for use in (lambda: b.read(5), b.read, b.readall, b.readline, lambda: b.readinto(bytearray(5))):
        with pytest.raises(TimeoutError) as e:
            use()
        assert e.value.errno == errno.ETIMEDOUT


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.read(10),
        lambda s: s.read(1_000_000),
        lambda s: s.readall(),
        lambda s: s.readline(),
        lambda s: s.readline(10),
    ],
)
@pytest.mark.parametrize(
    "following",
    [
        lambda s: s.read(1),
        lambda s: s.recv(1),
        lambda s: s.recvfrom(1),
        lambda s: s.recv_into(bytearray(1)),
        lambda s: s.readinto(bytearray(1)),
        lambda s: s.readline(),
        lambda s: s.readall(),
    ],
)
def test_a_read_that_times_out_half_way_loses_nothing_and_the_next_call_says_so(
    pair, use, following
):
    a, b = pair
    b.settimeout(0.02)
    a.write(b"half")
    assert use(b) == b"half"
    a.write(b"rest")  # The next call says so although there is something to read.
    with pytest.raises(TimeoutError):
        following(b)
    assert b.read(4) == b"rest"


def test_a_readinto_that_times_out_half_way_loses_nothing(pair):
    a, b = pair
    b.settimeout(0.02)
    a.write(b"half")
    buffer = bytearray(8)
    assert b.readinto(buffer) == 4 and buffer == b"half\0\0\0\0"
    a.write(b"rest")
    with pytest.raises(TimeoutError):
        b.readinto(buffer)
    assert b.read(4) == b"rest"


@pytest.mark.parametrize("size", [65536, 100_000, 131072])
@pytest.mark.parametrize("use", [lambda s: s.readall(), lambda s: s.readline()])
def test_a_timeout_after_more_than_one_piece_is_kept_too(pair, use, size):
    a, b = pair
    b.settimeout(0.05)
    data = b"x" * size
    a.write(data)
    assert use(b) == data
    a.write(b"rest")
    with pytest.raises(TimeoutError):
        b.recv(4)
    assert b.recv(4) == b"rest"


@pytest.mark.parametrize("use", [lambda s: s.readall(), lambda s: s.readline()])
def test_the_timeout_is_one_for_all_the_pieces(pair, run, use):
    a, b = pair
    stop = threading.Event()

    def keep_sending():
        for _ in range(1000):
            if stop.wait(0.01):
                break
            a.sendall(b"x" * 70_000)

    b.settimeout(0.3)
    sender = run(keep_sending)
    begun = time.monotonic()
    assert len(use(b)) >= 70_000
    took = time.monotonic() - begun
    stop.set()
    with pytest.raises(TimeoutError):
        b.read(1)
    b.setblocking(False)
    while sender.is_alive():
        b.read(1_000_000)
    assert 0.3 <= took < 8  # One for each piece would be ten seconds and more.


def test_a_large_readall_that_times_out_again_and_again_loses_nothing(tcp, run):
    client, server = tcp
    data = os.urandom(500_000)
    server.settimeout(0.01)
    run(client.sendall, data)
    received = b""
    while len(received) < len(data):
        try:
            received += server.readall()
        except TimeoutError:
            pass
    assert received == data


@pytest.mark.parametrize(
    "use", [lambda s: s.read(10), lambda s: s.readall(), lambda s: s.readline()]
)
def test_a_read_that_a_reset_ends_hands_over_what_came(tcp, use):
    client, server = tcp
    server.write(b"before")
    assert client.recv(6, usocket.MSG_PEEK | usocket.MSG_WAITALL) == b"before"
    reset(server)
    assert use(client) == b"before"
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert client.recv(1) == b""


# readall


def test_readall_reads_to_the_end(tcp, run):
    client, server = tcp
    data = os.urandom(777_777)

    def send():
        client.sendall(data)
        client.close()

    run(send)
    assert server.readall() == data
    assert server.readall() == b""


def test_readall_in_non_blocking_mode(pair):
    a, b = pair
    b.setblocking(False)
    assert b.readall() is None
    a.write(b"x" * 100_000)
    assert b.readall() == b"x" * 100_000
    assert b.readall() is None
    a.close()
    assert b.readall() == b""


# readinto


def test_readinto_fills_the_buffer(pair, run):
    a, b = pair
    run(lambda: [a.send(piece) for piece in (b"abc", b"def", b"gh")])
    buffer = bytearray(8)
    assert b.readinto(buffer) == 8 and buffer == b"abcdefgh"


def test_readinto_at_most_nbytes_or_the_buffer(pair):
    a, b = pair
    a.write(b"0123456789")
    buffer = bytearray(b"-" * 6)
    assert b.readinto(buffer, 2) == 2 and buffer == b"01----"
    assert b.readinto(buffer, 0) == 0
    assert b.readinto(buffer, 1000) == 6 and buffer == b"234567"
    assert b.readinto(memoryview(buffer)[4:]) == 2 and buffer == b"234589"


def test_readinto_at_the_end_and_in_non_blocking_mode(pair):
    a, b = pair
    b.setblocking(False)
    buffer = bytearray(10)
    assert b.readinto(buffer) is None
    a.write(b"abc")
    assert b.readinto(buffer) == 3
    a.close()
    assert b.readinto(buffer) == 0
    assert b.readinto(bytearray(0)) == 0


def test_readinto_arguments(pair):
    b = pair[1]
    for buffer in (b"bytes", "text", None, 5):
        with pytest.raises(TypeError):
            b.readinto(buffer)
    with pytest.raises(BufferError):
        b.readinto(memoryview(bytearray(8))[::2])
    with pytest.raises(ValueError):
        b.readinto(bytearray(4), -1)
    with pytest.raises(TypeError):
        b.readinto(bytearray(4), "1")


# readline


def test_readline_reads_a_line_with_its_newline(pair):
    a, b = pair
    a.write(b"first\n\nthird\r\nrest")
    a.close()
    lines = [b.readline() for _ in range(6)]
    assert lines == [b"first\n", b"\n", b"third\r\n", b"rest", b"", b""]


def test_readline_takes_nothing_behind_the_newline(pair):
    a, b = pair
    a.write(b"line\nbehind")
    assert b.readline() == b"line\n"
    assert b.recv(100, usocket.MSG_DONTWAIT) == b"behind"


@pytest.mark.parametrize("size, line", [(3, b"abc"), (6, b"abcdef"), (7, b"abcdef\n"), (99, None)])
def test_readline_of_at_most_a_size(pair, size, line):
    a, b = pair
    a.write(b"abcdef\nxyz")
    assert b.readline(size) == (line or b"abcdef\n")


def test_readline_zero_is_empty_and_a_negative_size_is_none(pair):
    a, b = pair
    a.write(b"x\n")
    assert b.readline(0) == b""
    assert b.readline(-1) == b"x\n"


def test_readline_of_a_line_that_comes_in_pieces(pair, run):
    a, b = pair
    run(lambda: [a.send(piece) for piece in (b"a", b"bc", b"d\ne")])
    assert b.readline() == b"abcd\n"


@pytest.mark.parametrize("length", [4095, 4096, 65535, 65536, 65537, 300_000])
@pytest.mark.parametrize("timeout", [None, 60])
def test_readline_of_a_long_line(tcp, run, length, timeout):
    client, server = tcp
    server.settimeout(timeout)
    run(client.sendall, b"x" * length + b"\nbehind")
    assert server.readline() == b"x" * length + b"\n"
    assert server.read(6) == b"behind"


def test_readline_in_non_blocking_mode(pair):
    a, b = pair
    b.setblocking(False)
    assert b.readline() is None
    a.write(b"half a l")
    assert b.readline() == b"half a l"
    a.write(b"ine\n")
    assert b.readline() == b"ine\n"
    assert b.readline() is None


def test_readline_of_datagrams_is_an_error(udp):
    with pytest.raises(OSError) as e:
        udp.readline()
    assert e.value.errno == errno.EOPNOTSUPP


# write


def test_write_has_no_short_writes(tcp, run):
    client, server = tcp
    data = os.urandom(3_000_000)
    received = []
    reader = run(lambda: received.append(server.read(len(data))))
    assert client.write(data) == len(data)
    reader.join()
    assert received == [data]


def test_write_of_a_part(pair):
    a, b = pair
    assert a.write(b"0123456789", 3) == 3 and a.write("0123456789", 5, 2) == 2 and a.write(b"0123", 3, 9) == 1
    assert b.read(6) == b"012563"
    with pytest.raises(ValueError):
        a.write(b"0123", -1)
    with pytest.raises(TypeError):
        a.write(b"0123", 1, 1, 1)


def test_write_in_non_blocking_mode_gives_what_went_or_none(pair):
    a, b = pair
    a.setblocking(False)
    data = bytes(20_000_000)
    sent = a.write(data)
    assert 0 < sent < len(data)
    assert a.write(b"x" * 100_000) is None
    assert b.read(sent) == data[:sent]
    assert a.write(b"x") == 1


@pytest.mark.parametrize("following", ["send", "write", "sendall"])
def test_a_write_that_times_out_half_way_says_how_much_and_the_next_call_says_so(pair, following):
    a, b = pair
    a.settimeout(0.05)
    data = bytes(20_000_000)
    sent = a.write(data)
    assert 0 < sent < len(data)
    b.settimeout(60)
    assert len(b.read(sent)) == sent  # The next call says so although there is room again.
    with pytest.raises(TimeoutError):
        getattr(a, following)(b"x")
    assert a.write(b"x") == 1


def test_a_write_that_times_out_with_nothing_raises(pair):
    a, _ = pair
    fill(a)
    a.settimeout(0.02)
    with pytest.raises(TimeoutError):
        a.write(b"x" * 100_000)


def test_write_of_nothing(pair):
    assert pair[0].write(b"") == 0


# makefile


@pytest.mark.parametrize("mode", ["rb", "wb", "rwb", "br", "bw", "wrb"])
def test_makefile_gives_a_binary_file_that_reads_and_writes(pair, mode):
    a, b = pair
    f = b.makefile(mode)
    a.write(b"to the file\n")
    assert f.readline() == b"to the file\n"
    assert f.write(b"from it") == 7
    assert a.read(7) == b"from it"


def test_the_default_mode_of_makefile_is_rb(pair):
    pair[0].send(b"line\nrest")
    for f in (pair[1].makefile(), pair[1].makefile(mode="rb", buffering=0)):
        assert f is pair[1]
    # Bytes, not text.
    assert f.readline() == b"line\n" and f.read(4) == b"rest"


def test_what_is_done_after_the_file_was_closed_says_that_the_socket_was(pair):
    a, _ = pair
    a.makefile("rb").close()
    for use in (lambda: a.send(b"x"), lambda: a.recv(1), lambda: a.sendall(b"x"), a.makefile):
        with pytest.raises(OSError, match="makefile") as e:
            use()
        assert e.value.errno == errno.EBADF
    other = usocket.socket()
    other.close()
    with pytest.raises(OSError) as e:
        other.send(b"x")
    assert "makefile" not in str(e.value)


@pytest.mark.parametrize("mode", ["r", "w", "rw", "", "b", "rt", "x", "ab", "rbb", "r+b", "rb\0"])
def test_text_and_other_modes_of_makefile_are_a_value_error(pair, mode):
    with pytest.raises(ValueError):
        pair[0].makefile(mode)


def test_makefile_with_the_arguments_of_cpython_2_5(pair):
    a, _ = pair
    assert a.makefile("rb", 0) is a.makefile(mode="wb", bufsize=-1) is a


def test_makefile_ignores_buffering(pair):
    for args in [("rb", 0), ("rb", -1), ("wb", 4096), ("rwb", None)]:
        assert pair[0].makefile(*args) is pair[0]


@pytest.mark.parametrize("name", ["encoding", "errors", "newline"])
def test_makefile_does_not_support_encoding_errors_newline(pair, name):
    with pytest.raises(ValueError):
        pair[0].makefile("rb", **{name: "utf-8"})


def test_makefile_wants_a_text_for_a_mode(pair):
    with pytest.raises(TypeError):
        pair[0].makefile(5)


def test_closing_the_file_closes_the_socket(pair):
    a, b = pair
    f = a.makefile("rwb")
    with f:
        f.write(b"bye")
    assert a.fileno() == -1
    assert b.readall() == b"bye"
    # A later use raises an error with the reason.
    for use in (lambda: a.recv(1), lambda: a.write(b"x"), lambda: f.read(1), a.getsockname):
        with pytest.raises(OSError, match="makefile.. gave the socket itself") as e:
            use()
        assert e.value.errno == errno.EBADF
