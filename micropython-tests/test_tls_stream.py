# TLS over streams that are no sockets: slow ones, ones that do not block, ones that wait for all they were asked for.
import _thread
import io
import select
import time
from support import Thread, raises_type
from tls_support import client_context, server_context


class Pipe(io.IOBase):
    """One end of a connection made in Python: takes at most `takes` bytes at a time, and every other time none."""

    def __init__(self, takes=1 << 20, slow=False):
        self.pieces = []
        self.at = 0  # in the first
        self.other = None
        self.takes = takes
        self.slow = slow
        self.calls = 0
        self.ended = False
        self.stuck = False

    def arrived(self):
        return sum(len(piece) for piece in self.pieces) - self.at

    def readinto(self, buf):
        done = 0
        while done < len(buf) and self.pieces:
            n = min(len(buf) - done, len(self.pieces[0]) - self.at)
            buf[done : done + n] = self.pieces[0][self.at : self.at + n]
            self.at += n
            done += n
            if self.at == len(self.pieces[0]):
                self.pieces.pop(0)
                self.at = 0
        return done or (0 if self.ended else None)

    def write(self, buf):
        self.calls += 1
        if self.stuck or (self.slow and self.calls % 2):
            return None
        n = min(len(buf), self.takes)
        self.other.pieces.append(bytes(buf[:n]))
        return n

    def ioctl(self, request, arg):
        if request == 3:
            return arg & ((1 if self.pieces or self.ended else 0) | (0 if self.stuck else 4))
        if request == 4:
            self.other.ended = True
        return 0


def pipes(*args):
    one, two = Pipe(*args), Pipe()
    one.other, two.other = two, one
    return one, two


def wrapped(one, two, context=None):
    """A client and a server over two streams that do not block."""
    context = context or client_context()
    client = context.wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False)
    server = server_context().wrap_socket(two, server_side=True, do_handshake_on_connect=False)
    rounds = 0
    while client.version() is None or server.version() is None:
        assert client.read(1) is None and server.read(1) is None
        rounds += 1
        assert rounds < 10000
    assert client.version() == server.version() == "TLSv1.3"
    assert client.read(1) is None  # but the server's tickets
    return client, server


def everything(server):
    got = b""
    while True:
        piece = server.read(100000)
        assert piece is not None, "the end is missing"
        if not piece:
            return got
        got += piece


def test_what_was_counted_arrives_before_the_close():
    for takes in (30, 500, 5000):
        one, two = pipes(takes, True)
        client, server = wrapped(one, two)
        data = bytes(range(256)) * 237
        done = rounds = 0
        while done < len(data) // 2:
            done += client.write(data[done:]) or 0
            rounds += 1
            assert rounds < 10000
        client.close()
        got = everything(server)
        assert got == data[: len(got)] and len(got) >= done, (len(got), done, takes)
        assert two.ended


def test_a_stream_that_takes_little():
    one, two = pipes(700, True)
    client, server = wrapped(one, two)
    data = bytes(range(256)) * 400
    done, got = 0, b""
    while len(got) < len(data):
        done += client.write(data[done:]) or 0
        got += server.read(1000) or b""
    assert got == data


def longest_record(pieces):
    """Of records that begin with the first piece."""
    wire, longest = b"".join(pieces), 0
    while wire:
        length = wire[3] << 8 | wire[4]
        longest = max(longest, length)
        wire = wire[5 + length :]
    return longest


def test_records_can_be_small():
    for most, at_least in ((512, 500), (0, 4000)):
        context = client_context()
        context.set_max_record(most)
        one, two = pipes()
        client, server = wrapped(one, two, context)
        assert client.write(bytes(4000)) == 4000
        longest = longest_record(two.pieces)
        assert at_least <= longest <= (most or 16384) + 24, (most, longest)
        got = b""
        while len(got) < 4000:
            got += server.read(4000)
        assert got == bytes(4000)
    context.set_max_record()
    for wrong in (63, 16385, -1):
        raises_type(ValueError, context.set_max_record, wrong)


def test_a_stream_that_was_full_and_is_fast_again():
    one, two = pipes()
    client, server = wrapped(one, two)
    data = bytes(range(256)) * 4000
    one.stuck = True
    assert client.write(data) is None and client.write(data) is None
    p = select.poll()
    p.register(client, select.POLLOUT)
    assert p.poll(0) == []
    one.stuck = False
    assert p.poll(0) == [(client, select.POLLOUT)]
    assert client.write(data) == len(data)
    client.close()
    assert everything(server) == data


def test_a_write_is_tried_again_in_other_pieces():
    one, two = pipes()
    client, server = wrapped(one, two)
    one.stuck = True
    assert client.write(b"0123456789") is None
    one.stuck = False
    assert client.write(b"01234") == 5 and client.write(b"56789and more") == 13
    assert server.read(18) == b"0123456789and more"
    # Or not at all: what is on its way cannot be taken back.
    one.stuck = True
    assert client.write(b"first") is None
    one.stuck = False
    assert client.write(b"other") == 5 and server.read(10) == b"firstother"


def test_poll_carries_what_is_kept():
    """A program that has written, and waits for the answer."""
    one, two = pipes()
    client, server = wrapped(one, two)
    one.stuck = True
    assert client.write(b"question") is None and server.read(8) is None
    one.stuck = False
    p = select.poll()
    p.register(client, select.POLLIN)
    assert p.poll(0) == []
    assert server.read(8) == b"question"
    server.write(b"answer")
    assert p.poll(0) == [(client, select.POLLIN)] and client.read(6) == b"answer"


def test_a_close_of_a_stream_that_is_stuck():
    one, two = pipes()
    client, server = wrapped(one, two)
    one.stuck = True
    assert client.write(b"never") is None
    client.close()
    client.close()
    assert two.ended and server.read(1) == b""
    raises_type(OSError, client.write, b"x")


class Broken(Pipe):
    def write(self, buf):
        raise RuntimeError("broken")


def test_an_exception_of_the_stream():
    one, two = pipes()
    broken = Broken()
    broken.other = two
    raises_type(RuntimeError, client_context().wrap_socket, broken, server_hostname="localhost")
    client = client_context().wrap_socket(broken, server_hostname="localhost", do_handshake_on_connect=False)
    raises_type(RuntimeError, client.write, b"x")
    raises_type(RuntimeError, client.close)
    client.close()
    assert two.ended


class Waits(io.IOBase):
    """Waits until it has all that it was asked for, as a serial line may. Two threads share what is under way, so the two
    ends have a lock."""

    def __init__(self, inner, lock):
        self.inner = inner
        self.lock = lock

    def readinto(self, buf):
        end = time.time() + 60
        while True:
            with self.lock:
                if self.inner.arrived() >= len(buf) or self.inner.ended:
                    return self.inner.readinto(buf)
            assert time.time() < end, "asked for what nobody sends"
            time.sleep(0.001)

    def write(self, buf):
        with self.lock:
            return self.inner.write(buf)

    def ioctl(self, request, arg):
        with self.lock:
            return self.inner.ioctl(request, arg)


def test_a_stream_that_waits_for_all_it_was_asked_for():
    one, two = pipes()
    lock = _thread.allocate_lock()

    def serve():
        s = server_context().wrap_socket(Waits(two, lock), server_side=True)
        line = s.readline()
        s.write(line)
        return line

    t = Thread(serve)
    c = client_context().wrap_socket(Waits(one, lock), server_hostname="localhost")
    c.write(b"a line\n")
    assert c.readline() == b"a line\n" and t.join() == b"a line\n"


def test_what_is_behind_the_end_of_tls_stays_in_the_stream():
    one, two = pipes()
    client, server = wrapped(one, two)
    client.write(b"last")
    client.close()
    one.write(b"in plain text")
    assert server.read(4) == b"last" and server.read(1) == b""
    assert two.pieces == [b"in plain text"]


def test_errors_of_a_handshake_over_a_stream():
    one, two = pipes()
    client = client_context("client.pem").wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False)
    server = server_context().wrap_socket(two, server_side=True, do_handshake_on_connect=False)
    client.write(b"x")
    server.read(1)
    raises_type(ValueError, client.read, 1)
    raises_type(ValueError, client.read, 1)  # and again
    try:
        server.read(1)
        assert False
    except OSError as e:
        assert e.args == (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"), e.args
    p = select.poll()
    p.register(client)
    assert p.poll(0) == [(client, 32)]
    client.close()
    one, two = pipes()
    two.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    try:
        client_context().wrap_socket(one, server_hostname="localhost")
        assert False
    except OSError as e:
        assert e.args == (-29184, "MBEDTLS_ERR_SSL_INVALID_RECORD"), e.args
    one, two = pipes()
    one.ended = True
    try:
        client_context().wrap_socket(one, server_hostname="localhost")
        assert False
    except OSError as e:
        assert e.args == (-29312, "MBEDTLS_ERR_SSL_CONN_EOF"), e.args


def test_megabytes_with_the_collector_running():
    import gc

    one, two = pipes(9000, True)
    client, server = wrapped(one, two)
    data = bytes(range(256)) * 8000
    done, got, rounds = 0, 0, 0
    while got < len(data):
        done += client.write(data[done : done + 50000]) or 0
        piece = server.read(30000) or b""
        assert piece == data[got : got + len(piece)]
        got += len(piece)
        if rounds % 10 == 0:
            gc.collect()
        rounds += 1


def test_closed_within_its_own_streams_methods():
    class Closes(Pipe):
        def write(self, buf):
            client.close()
            return len(buf)

    one, two = Closes(), Pipe()
    one.other, two.other = two, one
    for call in (lambda: client.write(b"x"), lambda: client.read(1)):
        client = client_context().wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False)
        raises_type(OSError, call)


class Again(Pipe):
    """Uses its own connection within its methods, once at a time."""

    client = None
    within = False

    def again(self, *calls):
        if self.client is None or self.within:
            return
        self.within = True
        for call in calls:
            try:
                self.back.append(call(self.client))
            except OSError as e:
                self.refused.append(e.args[0])
        self.within = False

    def readinto(self, buf):
        # Half a header, so that the rest is missing when the connection is used again.
        self.again(lambda c: c.read(4), lambda c: c.write(b"within ") and b"")
        return super().readinto(memoryview(buf)[:3])

    def write(self, buf):
        n = super().write(buf)
        self.again(lambda c: c.read(4), lambda c: c.write(b"never"))
        return n


def test_used_again_within_its_own_streams_methods():
    one, two = Again(900), Pipe()
    one.other, two.other = two, one
    one.refused, one.back = [], []
    client, server = wrapped(one, two)
    one.client = client
    data = bytes(range(256)) * 100
    got, sent, answered, rounds = b"", 0, 0, 0
    while sum(len(piece or b"") for piece in one.back) < len(data) or sent < len(data):
        if sent < len(data):
            sent += client.write(data[sent : sent + 3000]) or 0
        got += server.read(5000) or b""
        if answered < len(data):
            answered += server.write(data[answered : answered + 2000]) or 0
        one.back.append(client.read(5000))
        rounds += 1
        assert rounds < 10000
    one.client = None
    client.close()
    got += everything(server)
    assert b"".join(piece or b"" for piece in one.back) == data
    assert got.replace(b"within ", b"") == data and b"never" not in got
    assert set(one.refused) == {35}  # EDEADLK
