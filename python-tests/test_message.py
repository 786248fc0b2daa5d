"""sendmsg, recvmsg, recvmsg_into: several buffers, ancillary data."""

import array
import asyncio
import errno
import os
import struct

import pytest
import usocket


def test_several_buffers_go_as_one(pair):
    assert pair[0].sendmsg([b"ab", bytearray(b"cd"), memoryview(b"xefx")[1:3], b""]) == 6
    assert pair[1].recv(10) == b"abcdef"
    assert pair[0].sendmsg(iter([b"gh"])) == 2
    first, second = bytearray(1), bytearray(5)
    assert pair[1].recvmsg_into([first, second]) == (2, [], 0, None)
    assert (first, second) == (b"g", b"h\0\0\0\0")


def test_a_datagram_and_where_it_goes(make, udp):
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    assert s.sendmsg([b"abc", b"def"], [], 0, udp.getsockname()) == 6
    assert udp.recvmsg(100) == (b"abcdef", [], 0, s.getsockname())
    s.sendmsg([b"abcdef"], (), 0, udp.getsockname())
    data, _, flags, _ = udp.recvmsg(4)
    assert data == b"abcd" and flags == usocket.MSG_TRUNC


def test_descriptors_go_through_a_unix_socket_and_are_close_on_exec(pair):
    r, w = os.pipe()
    with open(r, "rb"), open(w, "wb"):
        sent = array.array("i", [r, w])
        pair[0].sendmsg([b"x"], [(usocket.SOL_SOCKET, usocket.SCM_RIGHTS, sent)])
        room = usocket.CMSG_SPACE(2 * sent.itemsize)
        data, items, flags, _ = pair[1].recvmsg(10, room)
        assert (data, flags) == (b"x", 0)
        [(level, kind, raw)] = items
        assert (level, kind) == (usocket.SOL_SOCKET, usocket.SCM_RIGHTS)
        got = struct.unpack("2i", raw)
        for fd in got:
            assert not os.get_inheritable(fd)
        os.write(got[1], b"through")
        assert os.read(got[0], 10) == b"through"
        for fd in got:
            os.close(fd)


def test_ancillary_data_that_does_not_fit_is_cut_off_and_said_to_be(pair):
    with open(os.devnull, "rb") as f:
        item = (usocket.SOL_SOCKET, usocket.SCM_RIGHTS, array.array("i", [f.fileno()]))
        pair[0].sendmsg([b"x"], [item])
        before = len(os.listdir("/proc/self/fd"))
        data, items, flags, _ = pair[1].recvmsg(10, usocket.CMSG_LEN(0))
        assert data == b"x" and flags & usocket.MSG_CTRUNC
        assert len(os.listdir("/proc/self/fd")) <= before
    with pytest.raises(TypeError):
        pair[0].sendmsg([b"x"], [(1, 2)])
    with pytest.raises(ValueError):
        pair[1].recvmsg(-1)
    with pytest.raises(ValueError):
        pair[1].recvmsg(1, -1)


def test_send_fds_and_recv_fds(pair):
    with open(os.devnull, "rb") as f:
        assert usocket.send_fds(pair[0], [b"two"], [f.fileno(), f.fileno()]) == 3
        data, fds, flags, _ = usocket.recv_fds(pair[1], 10, 5)
        assert (data, len(fds), flags) == (b"two", 2, 0)
        for fd in fds:
            assert os.path.samestat(os.fstat(fd), os.fstat(f.fileno()))
            os.close(fd)


def test_sendfile(pair, tls, run, tmp_path):
    content = os.urandom(300_000)
    path = tmp_path / "file"
    path.write_bytes(content)
    for ours, theirs in (pair, tls):
        got = []
        thread = run(lambda: got.append(theirs.read(200_000)))
        with open(path, "rb") as f:
            assert ours.sendfile(f, 1000, 200_000) == 200_000
            assert f.tell() == 201_000
        thread.join()
        assert got == [content[1000:201_000]]
        with open(path, "rb") as f, pytest.raises(ValueError):
            ours.sendfile(f, 0, 0)
        with open(path, encoding="latin-1") as f, pytest.raises(ValueError):
            ours.sendfile(f)


def test_many_datagrams_for_one_system_call():
    with usocket.socket(usocket.AF_INET, usocket.SOCK_DGRAM) as ours, usocket.socket(
        usocket.AF_INET, usocket.SOCK_DGRAM
    ) as theirs:
        theirs.bind(("127.0.0.1", 0))
        theirs.settimeout(20)
        size = struct.pack("H", 1000)
        pieces = [b"x" * 2500]
        segment = [(usocket.IPPROTO_UDP, usocket.UDP_SEGMENT, size)]
        assert ours.sendmsg(pieces, segment, 0, theirs.getsockname()) == 2500
        assert [len(theirs.recv(4096)) for _ in range(3)] == [1000, 1000, 500]


def test_lengths_of_ancillary_data():
    assert usocket.CMSG_LEN(4) < usocket.CMSG_SPACE(4) == usocket.CMSG_SPACE(5)
    for f in (usocket.CMSG_LEN, usocket.CMSG_SPACE):
        for bad in (-1, 1 << 40):
            with pytest.raises(OverflowError):
                f(bad)


def test_messages_follow_the_mode(pair):
    pair[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        pair[0].recvmsg(1)
    pair[0].settimeout(0.05)
    with pytest.raises(TimeoutError):
        pair[0].recvmsg_into([bytearray(1)])


def test_closing_ends_a_recvmsg_in_another_thread(pair, run):
    codes = []

    def receive():
        try:
            pair[0].recvmsg(1)
        except OSError as e:
            codes.append(e.errno)

    thread = run(receive)
    thread.join(0.1)
    pair[0].close()
    thread.join()
    assert codes == [errno.EBADF]


def test_a_socket_for_tls_sends_no_message_in_the_clear(make, listener):
    s = make(usocket.AF_INET, usocket.SOCK_STREAM, usocket.IPPROTO_SEC)
    s.connect(listener.getsockname())
    for use in (lambda: s.sendmsg([b"x"]), lambda: s.recvmsg(1)):
        with pytest.raises(usocket.SSLError) as e:
            use()
        assert e.value.reason == "NOT_WRAPPED"


def test_tls_sends_several_buffers_and_no_messages(tls):
    assert tls[0].sendmsg([b"ab", bytearray(b"cd")]) == 4
    assert tls[1].recv(4) == b"abcd"
    for use in (
        lambda: tls[0].sendmsg([b"x"], [(1, 1, b"")]),
        lambda: tls[0].recvmsg(1),
        lambda: tls[0].recvmsg_into([bytearray(1)]),
    ):
        with pytest.raises(NotImplementedError):
            use()


def test_an_asyncio_transport_loses_nothing_when_it_backs_up(keep):
    # From Python 3.12 on it sends what backed up with sendmsg.
    total = 3_000_000

    async def play():
        a, b = (keep(s) for s in usocket.socketpair())
        a.setblocking(False)
        b.setblocking(False)
        _, writer = await asyncio.open_connection(sock=a)
        reader, other = await asyncio.open_connection(sock=b)
        for i in range(300):
            writer.write(bytes([i % 256]) * (total // 300))
        writer.write_eof()
        got = await reader.read()
        writer.close()
        other.close()
        return got

    got = asyncio.run(play())
    assert got == b"".join(bytes([i % 256]) * 10_000 for i in range(300))


def test_an_asyncio_transport_reports_a_reset(make, keep, listener):
    # The exception of a refused send kept the transport's buffer locked, and drain() never ended.
    async def play():
        client = make()
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        client.setblocking(False)
        _, writer = await asyncio.open_connection(sock=client)
        for _ in range(100):
            writer.write(b"x" * 100_000)
        server.setsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, struct.pack("ii", 1, 0))
        server.close()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(writer.drain(), 30)
        writer.close()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(writer.wait_closed(), 30)

    asyncio.run(play())
