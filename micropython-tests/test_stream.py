# The stream methods: read, readinto, readline, write.
import errno
import socket
from support import Thread, pair, raises, until_main_sleeps

STOCK_IS_WRONG = [
    "test_read_with_a_timeout_loses_nothing",
    "test_readinto_with_a_timeout_loses_nothing",
    "test_readline_with_a_timeout_loses_nothing",
]


def test_read_with_a_timeout_loses_nothing():
    a, b = pair()
    a.settimeout(0.1)
    b.send(b"half")
    assert a.read(10) == b"half"
    raises(errno.ETIMEDOUT, a.read, 10)
    b.send(b"the other!")
    assert a.read(10) == b"the other!"


def test_readinto_with_a_timeout_loses_nothing():
    a, b = pair()
    a.settimeout(0.1)
    room = bytearray(10)
    b.send(b"half")
    assert a.readinto(room) == 4 and room[:4] == b"half"
    raises(errno.ETIMEDOUT, a.readinto, room)


def test_readline_with_a_timeout_loses_nothing():
    a, b = pair()
    a.settimeout(0.1)
    b.send(b"a line\nand a ha")
    assert a.readline() == b"a line\n"
    assert a.readline() == b"and a ha"
    raises(errno.ETIMEDOUT, a.readline)


def test_lines_of_every_length():
    a, b = pair()
    lines = [bytes([65 + i % 26]) * n + b"\n" for i, n in enumerate([0, 1, 79, 1022, 1023, 1024, 1025, 2047, 4096, 70000])]

    def send():
        for line in lines:
            b.write(line)
        b.write(b"no newline")
        b.close()

    t = Thread(send)
    for line in lines:
        got = a.readline()
        assert got == line, (len(got), len(line))
    assert a.readline() == b"no newline" and a.readline() == b""
    t.join()


def test_readline_with_a_limit():
    a, b = pair()
    b.write(b"x" * 3000 + b"\n")
    assert len(a.readline(10)) == 10 and len(a.readline(2000)) == 2000
    assert a.readline(0) == b"" and len(a.readline(5000)) == 991


def test_readline_leaves_what_is_behind():
    a, b = pair()
    b.write(b"one\ntwo")
    assert a.readline() == b"one\n" and a.recv(10) == b"two"


def test_non_blocking_gives_none():
    a, b = pair()
    a.setblocking(False)
    assert a.read(1) is None and a.read() is None and a.readline() is None
    assert a.readinto(bytearray(4)) is None
    raises(errno.EAGAIN, a.recv, 1)
    b.write(b"abc")
    assert a.read(10) == b"abc"
    full = bytes(1 << 20)
    a, b = socket.socketpair()  # Two ends of TCP may make room yet when they are full.
    a.setblocking(False)
    while a.write(full) is not None:
        pass
    raises(errno.EAGAIN, a.send, b"x")


def test_read_to_the_end():
    a, b = pair()
    data = bytes(range(256)) * 4000
    t = Thread(lambda: (b.write(data), b.close()))
    got = a.read()
    assert got == data, len(got)
    assert a.read() == b"" and a.read(5) == b""
    t.join()


def test_write_takes_offset_and_length():
    a, b = pair()
    assert a.write(b"0123456789", 3) == 3
    assert a.write(b"0123456789", 5, 2) == 2
    assert b.read(5) == b"01256"


def test_no_short_reads():
    a, b = pair()

    def pieces():
        for _ in range(5):
            until_main_sleeps()  # So each piece comes by itself.
            b.send(b"12345")

    t = Thread(pieces)
    assert a.read(25) == b"12345" * 5
    t.join()


def test_readall():
    a, b = pair()
    b.write(bytes(5000))
    b.close()
    assert a.readall() == bytes(5000) and a.readall() == b""
