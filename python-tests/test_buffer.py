"""The caller's memory: never locked longer than the call, never copied when it can be sent as it is."""

import contextlib
import mmap
import sys
import time

import pytest
import usocket
from conftest import fill
from usocket import _buffer
from usocket._buffer import incoming, outgoing


def locked(buffer):
    """Whether something holds the buffer in place."""
    try:
        buffer.append(0)
        buffer.pop()  # It may be locked since.
    except BufferError:
        return True
    return False


@pytest.fixture
def refusals(pair, udp, tls):
    """Sockets on which nothing goes and from which nothing comes, by the way they say so."""
    for s in (pair[0], tls[0]):
        s.setblocking(False)
        fill(s)
    pair[1].settimeout(0.01)
    fill(pair[1])
    return {"non-blocking": pair[0], "timeout": pair[1], "tls": tls[0]}


SENDS = {
    "send": lambda s, b: s.send(b),
    "send with flags": lambda s, b: s.send(b, usocket.MSG_DONTWAIT),
    "sendall": lambda s, b: s.sendall(b),
    "sendall with flags": lambda s, b: s.sendall(b, usocket.MSG_DONTWAIT),
    "sendmsg": lambda s, b: s.sendmsg([b"x", b]),
}
RECEIVES = {
    "recv_into": lambda s, b: s.recv_into(b),
    "recv_into with flags": lambda s, b: s.recv_into(b, 0, usocket.MSG_DONTWAIT),
    "recvfrom_into": lambda s, b: s.recvfrom_into(b),
    "recvmsg_into": lambda s, b: s.recvmsg_into([b]),
}


@pytest.mark.parametrize("mode", ["non-blocking", "timeout", "tls"])
@pytest.mark.parametrize("how", SENDS)
def test_a_buffer_that_could_not_be_sent_is_free_while_the_exception_is_looked_at(refusals, mode, how):
    s, buffer = refusals[mode], bytearray(10)
    for kind in (bytearray, memoryview):
        sent = buffer if kind is bytearray else memoryview(buffer)
        with pytest.raises(OSError) as e:
            for _ in range(100_000):  # TCP may find room once more.
                SENDS[how](s, sent)
        assert e.value.__traceback__ is not None
        if kind is memoryview:
            sent.release()
        assert not locked(buffer)


@pytest.mark.parametrize("how", RECEIVES)
def test_a_buffer_that_nothing_came_into_is_free_while_the_exception_is_looked_at(keep, how):
    for timeout in (0, 0.01):
        a, _ = (keep(s) for s in usocket.socketpair())
        a.settimeout(timeout)
        buffer = bytearray(10)
        for kind in (bytearray, memoryview):
            room = buffer if kind is bytearray else memoryview(buffer)
            with pytest.raises(OSError) as e:
                RECEIVES[how](a, room)
            assert e.value.__traceback__ is not None
            if kind is memoryview:
                room.release()
            assert not locked(buffer)


def test_sendto_readinto_and_write_let_go_of_the_buffer_as_well(make, keep):
    buffer = bytearray(10)
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    with pytest.raises(OSError) as e:
        s.sendto(buffer, ("127.0.0.1", 0))
    assert not locked(buffer)
    a, b = usocket.socketpair()
    keep(a).settimeout(0.01)
    with pytest.raises(TimeoutError) as e:
        a.readinto(buffer)
    assert not locked(buffer)
    keep(b).close()
    with pytest.raises(BrokenPipeError) as e:
        a.write(buffer)
    assert e.value.__traceback__ is not None and not locked(buffer)


def test_a_buffer_in_a_call_cannot_be_resized(pair, run):
    buffer, seen = bytearray(10), []

    def receive():
        pair[0].recv_into(buffer)

    thread = run(receive)
    while not locked(buffer):
        time.sleep(0.001)
    seen.append(True)
    pair[1].send(b"x")
    thread.join()
    assert seen and not locked(buffer) and buffer[:1] == b"x"


def test_read_only_memory_is_sent_from_where_it_is(pair, run):
    # A slice of what is left, again and again, is how programs send by hand: each copied the rest.
    data = memoryview(bytes(range(256)) * 4 * 4096 * 10)  # 40 MB
    got = bytearray()

    def receive():
        while piece := pair[1].recv(1 << 20):
            got.extend(piece)

    thread = run(receive)
    copied, at = 0, 0
    pair[0].settimeout(30)
    began = time.thread_time()
    while at < len(data):
        at += pair[0].send(data[at:])
        copied += 1
    spent = time.thread_time() - began
    pair[0].close()
    thread.join()
    assert bytes(got) == data
    # Hundreds of copies of up to 40 MB are seconds.
    assert copied > 50 and spent < 1.5


def test_any_memory_can_be_sent(pair):
    with mmap.mmap(-1, 4096) as m:
        m[:5] = b"hello"
        assert pair[0].send(m) == 4096
        m.resize(8192)  # Nothing holds it.
    assert pair[1].recv(5) == b"hello"
    with pytest.raises(BufferError):
        pair[0].send(memoryview(b"abcdef")[::2])
    with pytest.raises(TypeError, match="bytes-like"):
        pair[0].send(5)
    assert pair[0].send(memoryview(b"")) == 0 and pair[0].send(bytearray()) == 0


def test_a_datagram_longer_than_the_room_brings_nothing_of_somebody_elses(pair, make, udp):
    # The number that MSG_TRUNC makes the system give is the datagram's length.
    pair[0].send(b"secret" * 200)
    assert pair[1].recv(1200) == b"secret" * 200
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    for receive in (
        lambda: udp.recv(10, usocket.MSG_TRUNC),
        lambda: udp.recvfrom(10, usocket.MSG_TRUNC)[0],
        lambda: udp.recvmsg(10, 0, usocket.MSG_TRUNC)[0],
    ):
        s.sendto(b"y" * 600, udp.getsockname())
        assert receive() == b"y" * 10
    s.sendto(b"y" * 600, udp.getsockname())
    room = bytearray(10)
    assert udp.recv_into(room, 0, usocket.MSG_TRUNC) in (10, 600) and room == b"y" * 10


@pytest.mark.parametrize("kind", [bytearray, type("Own", (bytearray,), {})])
@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("function", [incoming, outgoing])
def test_the_length_of_a_buffer_is_the_length_it_is_held_at(kind, left, function):
    """Another thread may shrink it at any time before that."""
    for at in range(12):
        buffer, lines = kind(1000), []

        def shrink(frame, event, _, buffer=buffer, lines=lines, at=at):
            if event == "line" and frame.f_code.co_filename == _buffer.__file__:
                lines.append(frame.f_lineno)
                if len(lines) == at + 1:
                    with contextlib.suppress(BufferError):
                        del buffer[left:]
            return shrink

        before = sys.gettrace()
        sys.settrace(shrink)
        try:
            _, size, held = function(buffer)
        finally:
            sys.settrace(before)
        assert size == len(buffer)
        del held
