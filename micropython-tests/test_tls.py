# TLS connections: data, ends, polling, errors; over sockets and over any stream.
import errno
import gc
import io
import select
import socket
import time
import tls
from support import Thread, descriptors, free_port, pair, raises, raises_type
from tls_support import client_context, load, refused, server_context, wrapped

try:
    import ssl
except ImportError:
    pass  # stock without micropython-lib

STOCK_IS_WRONG = [
    "test_poll_with_five_descriptors_and_a_tls_socket",
    "test_the_whole_socket_api",
    "test_a_timeout_is_kept_and_loses_nothing",
]

# The collector reads what a thread changes meanwhile (test_thread.py).
NEEDS_A_GIL = ["test_threads_while_the_collector_runs"]


def test_data_both_ways():
    a, b = wrapped()
    a.write(b"client to server")
    assert b.read(16) == b"client to server"
    b.write(b"line one\nline two\n")
    assert a.readline() == b"line one\n" and a.readline() == b"line two\n"
    name, version = a.cipher()
    assert name.startswith("TLS-") and version in ("TLSv1.2", "TLSv1.3"), (name, version)
    a.close()
    assert b.read(1) == b""


def test_the_whole_socket_api():
    a, b = wrapped()
    a.sendall(b"12345678")
    assert b.recv(3) == b"123"
    room = bytearray(9)
    assert b.recv_into(room) == 5 and room[:5] == b"45678"
    assert a.send(b"x") == 1 and b.recv(9) == b"x"
    assert a.getpeername() == b.getsockname() and a.family == socket.AF_INET
    assert a.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    assert a.fileno() >= 0 and a.makefile() is a and a.gettimeout() is None
    assert a.version() == "TLSv1.3" and a.selected_alpn_protocol() is None
    assert len(a.getpeercert(True)) > 300 and b.getpeercert(True) is None
    a.shutdown(socket.SHUT_WR)
    assert b.recv(1) == b""
    with a:
        pass
    assert a.fileno() == -1
    raises(errno.EBADF, a.read, 1)
    a.close()
    assert str(a) == "<SSLSocket>"


def test_a_peer_that_speaks_no_tls():
    a, b = pair()
    b.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    try:
        client_context().wrap_socket(a, server_hostname="localhost")
        assert False
    except OSError as e:
        assert e.args == (-29184, "MBEDTLS_ERR_SSL_INVALID_RECORD"), e.args
    a, b = pair()
    b.close()
    try:
        client_context().wrap_socket(a, server_hostname="localhost")
        assert False
    except OSError as e:
        assert e.args == (-29312, "MBEDTLS_ERR_SSL_CONN_EOF") or e.args[0] == errno.ECONNRESET, e.args


def test_an_end_without_goodbye_is_an_end():
    a, raw = pair()
    t = Thread(lambda: server_context().wrap_socket(raw, server_side=True))
    a = client_context().wrap_socket(a, server_hostname="localhost")
    b = t.join()
    b.write(b"last words")
    # Behind TLS's back.
    import ffi

    assert ffi.open("libc.so.6").func("i", "shutdown", "ii")(raw.fileno(), 1) == 0
    assert a.read(100) == b"last words" and a.read(1) == b""


def test_megabytes():
    a, b = wrapped()
    data = bytes(range(256)) * 20000
    t = Thread(lambda: (b.write(data), b.close()))
    got = a.read()
    assert got == data, len(got)
    t.join()


def test_a_client_that_only_writes():
    # It never reads the tickets of TLS 1.3; closing must not reset the connection for that.
    a, b = wrapped()
    data = bytes(range(256)) * 4000
    t = Thread(lambda: (a.write(data), a.close()))
    assert b.read() == data
    t.join()


def test_a_timeout_is_kept_and_loses_nothing():
    a, b = wrapped()
    a.settimeout(0.1)
    raises(errno.ETIMEDOUT, a.recv, 1)
    b.write(b"half")
    assert a.read(10) == b"half"
    raises(errno.ETIMEDOUT, a.read, 10)
    b.write(b"the other!")
    assert a.read(10) == b"the other!"


def test_poll_with_five_descriptors_and_a_tls_socket():
    a, b = wrapped()
    p = select.poll()
    p.register(a, select.POLLIN)
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(8)]
    for s in socks:
        p.register(s, select.POLLIN)
    assert p.poll(10) == []
    b.write(b"xyz")
    assert p.poll(60000) == [(a, select.POLLIN)]
    # Decrypted and waiting: the descriptor has nothing any more, poll says so all the same.
    assert a.read(1) == b"x"
    assert p.poll(60000) == [(a, select.POLLIN)]
    assert a.read(2) == b"yz"
    a.setblocking(False)
    assert a.read(1) is None
    assert p.poll(10) == []


def test_a_handshake_driven_by_poll():
    a, b = pair()
    a.setblocking(False)
    b.setblocking(False)
    client = client_context().wrap_socket(a, server_hostname="localhost", do_handshake_on_connect=False)
    server = server_context().wrap_socket(b, server_side=True, do_handshake_on_connect=False)
    p = select.poll()
    p.register(client, select.POLLOUT)
    p.register(server, select.POLLIN)
    got, sent = None, None
    end = time.time() + 60
    while not got:
        assert time.time() < end
        for s, _ in p.poll(60000):
            if s is server:
                got = server.read(5)
            elif not sent:
                sent = client.write(b"hello")
                if sent:
                    p.unregister(client)
    assert (sent, got) == (5, b"hello")


def test_dropped_tls_sockets_leave_no_descriptor():
    server, client = server_context(), client_context()
    gc.collect()
    before = descriptors()
    for _ in range(60):
        wrapped(server, client)
    gc.collect()
    gc.collect()
    assert descriptors() <= before + 6, descriptors() - before


def test_closing_twice_and_after():
    a, b = wrapped()
    a.close()
    a.close()
    p = select.poll()
    p.register(a)
    assert p.poll(0) == [(a, 32)]


class Pipe(io.IOBase):
    """One end of a connection made in Python: a stream that is no socket."""

    def __init__(self):
        self.arrived = b""
        self.other = None
        self.blocked = False
        self.writes = 0
        self.ended = False

    def readinto(self, buf):
        if not self.arrived:
            return 0 if self.ended else None
        n = min(len(buf), len(self.arrived), 700)
        buf[:n] = self.arrived[:n]
        self.arrived = self.arrived[n:]
        return n

    def write(self, buf):
        if self.blocked:
            return None
        self.writes += 1
        self.other.arrived += bytes(buf)
        return len(buf)

    def ioctl(self, request, arg):
        if request == 3:
            return (1 if self.arrived or self.ended else 0) & arg | (0 if self.blocked else 4) & arg
        if request == 4:
            self.other.ended = True
        return 0


def test_over_any_stream():
    one, two = Pipe(), Pipe()
    one.other, two.other = two, one
    client = client_context().wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False)
    server = server_context().wrap_socket(two, server_side=True, do_handshake_on_connect=False)
    one.blocked = True
    assert client.write(b"early") is None
    one.blocked = False
    assert client.read(1) is None and one.writes == 1  # the ClientHello is one write
    for _ in range(10):
        server.read(1)
        client.read(1)
    data = bytes(range(256)) * 300
    done = 0
    got = b""
    while len(got) < len(data):
        done += client.write(data[done:]) or 0
        got += server.read(50000) or b""
    assert got == data
    server.write(b"buffered")
    assert client.read(3) == b"buf"
    p = select.poll()
    p.register(client, select.POLLIN)
    assert p.poll(0) == [(client, select.POLLIN)]
    assert client.read(5) == b"fered"
    client.close()
    assert server.read(1) == b""
    server.close()
    server.close()


def test_asyncio_tls():
    import asyncio

    async def echo(reader, writer):
        while True:
            line = await reader.readline()
            if not line:
                break
            writer.write(line)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def client(port, context, i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        for n in range(5):
            line = b"%d " % i + b"x" * (5000 * n) + b"\n"
            writer.write(line)
            await writer.drain()
            assert await reader.readline() == line
        writer.close()
        await writer.wait_closed()
        return i

    async def main():
        port = free_port()
        server = await asyncio.start_server(echo, "127.0.0.1", port, backlog=50, ssl=server_context())
        context = client_context()
        assert await asyncio.gather(*[client(port, context, i) for i in range(20)]) == list(range(20))
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_threads_while_the_collector_runs():
    server, client = server_context(), client_context()

    def talk(i):
        a, b = wrapped(server, client)
        for n in range(50):
            line = b"%d.%d\n" % (i, n)
            a.write(line)
            assert b.readline() == line
        a.close()
        b.close()

    threads = [Thread(talk, i) for i in range(4)]
    while any(t.running for t in threads):
        gc.collect()
        time.sleep(0.001)
    for t in threads:
        t.join()


def rss():
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1])


def test_a_failed_handshakes_session_goes_at_once():
    server, client = server_context(), client_context("client.pem")
    kept = []  # the collector shall not be what ends them

    def fail(handshake):
        a, b = pair()
        kept.append((a, b))

        def serve():
            s = None
            try:
                s = server.wrap_socket(b, server_side=True, do_handshake_on_connect=handshake)
                s.read(1)
                assert False
            except OSError as e:
                assert e.args == (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"), e.args
            return s

        t = Thread(serve)
        try:
            s = client.wrap_socket(a, server_hostname="localhost", do_handshake_on_connect=handshake)
            kept.append(s)
            s.write(b"x")
            assert False
        except ValueError:
            pass
        kept.append(t.join())

    for handshake in (True, False):
        for _ in range(10):
            fail(handshake)
        gc.collect()
        open_before, grown = descriptors(), []
        # A leak grows each time; the C library's memory for threads grows once or twice.
        while not grown or grown[-1] >= 600:
            assert len(grown) < 5, grown
            before = rss()
            for i in range(40):
                fail(handshake)
                if i % 10 == 9:
                    gc.collect()
            grown.append(rss() - before)
        assert descriptors() == open_before, descriptors() - open_before


def test_an_error_of_tls_is_said_again():
    a, b = pair()
    b.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    s = client_context().wrap_socket(a, server_hostname="localhost", do_handshake_on_connect=False)
    for call in (s.read, s.write, s.do_handshake, s.recv, s.read):
        try:
            call() if call == s.do_handshake else call(b"x" if call == s.write else 1)
            assert False
        except OSError as e:
            assert e.args == (-29184, "MBEDTLS_ERR_SSL_INVALID_RECORD"), e.args
    p = select.poll()
    p.register(s)
    assert p.poll(0) == [(s, 32)]
    s.close()
    raises(errno.EBADF, s.read, 1)


def test_a_handshake_of_a_socket_that_does_not_block():
    a, b = pair()
    a.setblocking(False)
    t = Thread(lambda: server_context().wrap_socket(b, server_side=True))
    a = client_context().wrap_socket(a, server_hostname="localhost")
    a.write(b"x")
    assert t.join().read(1) == b"x" and a.read(1) is None


def test_the_classes_of_errors():
    assert issubclass(ssl.SSLError, OSError) and issubclass(ssl.SSLCertVerificationError, ssl.SSLError)
    refused(ssl.SSLError, "not correctly signed", client=client_context("client.pem"))
    refused(ssl.SSLCertVerificationError, "does not match", name="other.example")
    a, b = pair()
    b.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    raises_type(ssl.SSLError, client_context().wrap_socket, a, server_hostname="localhost")
    a, b = wrapped()
    assert isinstance(a, socket.socket)
    a.settimeout(0.01)
    raises_type(socket.timeout, a.read, 1)


def test_a_client_without_certificate_hears_of_it_with_its_first_read():
    """In TLS 1.3 the client's handshake is complete before the server has seen its certificate, or none."""
    server = server_context(verify_mode=tls.CERT_REQUIRED)
    server.load_verify_locations(load("ca.pem"))
    for writes in (0, 1, 2):
        for _ in range(10):
            a, b = pair()

            def serve():
                try:
                    server.wrap_socket(b, server_side=True)
                    assert False
                except OSError as e:
                    return e.args

            t = Thread(serve)
            s = client_context().wrap_socket(a, server_hostname="localhost")
            assert s.version() == "TLSv1.3"
            try:
                for _ in range(writes):
                    s.write(b"x" * 3000)
                s.read(1)
                assert False
            except OSError as e:
                assert e.args == (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"), e.args
            assert t.join() == (-29824, "MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE")


def test_the_first_write_begins_the_handshake_and_the_next_call_has_its_error():
    a, b = pair()
    client = client_context("client.pem").wrap_socket(a, server_hostname="localhost", do_handshake_on_connect=False)
    client.setblocking(False)
    b.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")  # an answer that is there before the question
    assert client.write(b"x") is None
    p = select.poll()
    p.register(client, select.POLLOUT)
    assert p.poll(0)
    try:
        client.write(b"x")
        assert False
    except OSError as e:
        assert e.args == (-29184, "MBEDTLS_ERR_SSL_INVALID_RECORD"), e.args


def test_the_constants():
    assert (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER) == (0, 1)
    assert (ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED) == (0, 1, 2)
    assert (ssl.TLSv1_2, ssl.TLSv1_3) == (0x303, 0x304) and isinstance(ssl.MBEDTLS_VERSION, str)
    assert tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).verify_mode == 2
