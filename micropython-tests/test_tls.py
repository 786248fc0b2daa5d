# TLS: contexts, verification, sessions, polling; over sockets and over any stream.
import errno
import gc
import io
import os
import select
import socket
import time
import tls
from support import Thread, descriptors, free_port, listener, pair, raises, raises_type, taken_port

try:
    import ssl
except ImportError:
    pass  # stock without micropython-lib

STOCK_IS_WRONG = [
    "test_poll_with_five_descriptors_and_a_tls_socket",
    "test_the_whole_socket_api",
    "test_a_timeout_is_kept_and_loses_nothing",
    "test_pem_der_and_files",
    "test_the_system_is_trusted_by_default",
    "test_verify_callback_that_raises",
]

# The collector reads what a thread changes meanwhile (test_thread.py).
NEEDS_A_GIL = ["test_threads_while_the_collector_runs"]

CERTS = os.getenv("USOCKET_TEST_CERTS") + "/"


def load(name):
    with open(CERTS + name, "rb") as f:
        return f.read()


def server_context(name="server", **attributes):
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(load(name + ".pem"), load(name + ".key"))
    for key in attributes:
        setattr(context, key, attributes[key])
    return context


def client_context(trust="ca.pem"):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if trust:
        context.load_verify_locations(load(trust))
    return context


def wrapped(server=None, client=None, name="localhost"):
    """Two ends of a TLS connection."""
    a, b = pair()
    server = server or server_context()
    t = Thread(lambda: server.wrap_socket(b, server_side=True))
    try:
        a = (client or client_context()).wrap_socket(a, server_hostname=name)
    finally:
        b = t.join()
    return a, b


def refused(kind, text, server=None, client=None, name="localhost"):
    """Connecting must fail on the client with that; returns the server's error."""
    a, b = pair()
    server = server or server_context()

    def serve():
        try:
            server.wrap_socket(b, server_side=True).read(1)
        except OSError as e:
            return e.args
        except ValueError as e:
            return e.args

    t = Thread(serve)
    try:
        (client or client_context()).wrap_socket(a, server_hostname=name)
        assert False, "accepted"
    except kind as e:
        assert text in str(e), e
    return t.join()


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


def test_a_server_is_verified():
    refused(ValueError, "not correctly signed", client=client_context("client.pem"))
    refused(ValueError, "does not match", name="other.example")
    said = refused(ValueError, "has expired", server=server_context("expired"))
    assert said == (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"), said
    a, b = pair()
    raises_type(ValueError, client_context().wrap_socket, a)


def test_another_certificates_key_is_refused_by_the_peer():
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(load("server.pem"), load("client.key"))
    client = client_context(None)
    client.verify_mode = tls.CERT_NONE
    for client in client, client_context():
        said = refused(ValueError, "not correctly signed", server, client)
        assert said == (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"), said


def test_the_system_is_trusted_by_default():
    # (The system does not trust our CA.)
    refused(ValueError, "not correctly signed", client=client_context(None))
    # Stock does this only on request: the error says how to turn it off.
    refused(ValueError, "context.verify_mode = ssl.CERT_NONE", client=client_context(None))
    client = client_context(None)
    client.verify_mode = tls.CERT_REQUIRED
    try:
        refused(ValueError, "CERT_NONE", client=client)
        assert False
    except AssertionError as e:
        assert "not correctly signed by the trusted CA\n" in str(e), e


def test_cert_none_takes_anybody():
    client = client_context(None)
    client.verify_mode = tls.CERT_NONE
    a, b = wrapped(client=client, name=None)
    a.write(b"x")
    assert b.read(1) == b"x"


def test_wrap_socket_as_documented():
    a, b = pair()
    t = Thread(lambda: ssl.wrap_socket(b, server_side=True, key=load("server.key"), cert=load("server.pem")))
    s = ssl.wrap_socket(a)
    b = t.join()
    s.write(b"x")
    assert b.read(1) == b"x"
    a, b = pair()
    t = Thread(lambda: ssl.wrap_socket(b, server_side=True, key=load("server.key"), cert=load("server.pem")))
    s = ssl.wrap_socket(a, cert_reqs=ssl.CERT_REQUIRED, cadata=load("ca.pem"), server_hostname="localhost")
    b = t.join()
    s.write(b"x")
    assert b.read(1) == b"x"


def test_a_sec_socket_is_wrapped():
    l, port = listener()
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SEC)
    s.connect(("127.0.0.1", port))
    b = l.accept()[0]
    t = Thread(lambda: server_context().wrap_socket(b, server_side=True))
    s = ssl.wrap_socket(s)
    s.write(b"x")
    assert t.join().read(1) == b"x"


def test_client_certificates():
    server = server_context(verify_mode=tls.CERT_REQUIRED)
    server.load_verify_locations(load("ca.pem"))
    client = client_context()
    client.load_cert_chain(load("client.pem"), load("client.key"))
    a, b = wrapped(server, client)
    assert len(b.getpeercert(True)) > 200 and b.version() == a.version() == "TLSv1.3"
    server.maximum_version = tls.TLSv1_2
    said = refused(OSError, "FATAL_ALERT", server=server)
    assert said == (-29824, "MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE"), said


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


def test_a_context_may_be_changed_after_use():
    server = server_context()
    client = client_context("client.pem")
    refused(ValueError, "not correctly signed", server, client)
    client.load_verify_locations(load("ca.pem"))
    wrapped(server, client)
    client.verify_callback = lambda cert, depth: 1
    refused(OSError, "GENERIC_ERROR", server, client)
    client.verify_callback = None
    wrapped(server, client)


def test_verify_callback_sees_the_chain():
    seen = []
    client = client_context()
    client.verify_callback = lambda cert, depth: seen.append((depth, bytes(cert))) or 0
    a, b = wrapped(client=client)
    assert [depth for depth, _ in seen] == [1, 0], [depth for depth, _ in seen]
    assert seen[1][1] == a.getpeercert(True)


def test_verify_callback_that_raises():
    client = client_context()

    def callback(cert, depth):
        raise RuntimeError("no")

    client.verify_callback = callback
    refused(RuntimeError, "no", client=client)


def test_errors_of_loading():
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    raises_type(ValueError, context.load_cert_chain, b"!", load("server.key"))
    raises_type(ValueError, context.load_cert_chain, load("server.pem"), b"!")
    raises_type(ValueError, context.load_verify_locations, b"!")
    context.load_cert_chain(load("server.pem"), load("server.key"))
    wrapped(context)


def test_pem_der_and_files():
    for cert, key in ((load("server.der"), load("server.key.der")), (CERTS + "server.der", CERTS + "server.key.der"),
                      (CERTS + "server.pem", CERTS + "server.key"), (load("server.pem").decode(), load("server.key").decode())):
        server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(cert, keyfile=key)
        client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(cafile=CERTS + "ca.pem")
        wrapped(server, client)


def test_alpn():
    server, client = server_context(), client_context()
    server.set_alpn_protocols(["http/1.1", "h2"])
    client.set_alpn_protocols(["h2", "http/1.1"])
    a, b = wrapped(server, client)
    assert a.selected_alpn_protocol() == b.selected_alpn_protocol() == "http/1.1"


def test_ciphers_and_versions():
    client = client_context()
    names = client.get_ciphers()
    assert "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256" in names, names
    client.set_ciphers(["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"])
    a, b = wrapped(client=client)
    assert a.cipher() == ("TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "TLSv1.2")
    try:
        client.set_ciphers(["BAR"])
        assert False
    except OSError as e:
        assert e.args == (-24192, "MBEDTLS_ERR_SSL_BAD_CONFIG"), e.args
    raises_type(TypeError, client.set_ciphers, "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256")


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


def test_a_server_without_certificate_says_so_when_used():
    a, b = pair()
    s = tls.SSLContext(tls.PROTOCOL_TLS_SERVER).wrap_socket(a, server_side=True, do_handshake_on_connect=False)
    b.write(b"anything")
    raises_type(OSError, s.read, 1)
    s.close()


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


def test_a_subclass_of_socket_is_wrapped_as_a_socket():
    class Sub(socket.socket):
        pass

    l, port = listener()
    a = Sub()
    a.connect(("127.0.0.1", port))
    b = l.accept()[0]
    t = Thread(lambda: server_context().wrap_socket(b, server_side=True))
    s = client_context().wrap_socket(a, server_hostname="localhost")
    s.write(b"x")
    assert t.join().read(1) == b"x" and s.getpeername()[1] == port and s.fileno() >= 0
    s.close()
    assert a.fileno() == -1


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


def test_wipys_lines():
    """The handshake of a socket that is wrapped first waits for the connection."""
    for proto in (socket.IPPROTO_SEC, 0):
        l, port = listener()
        t = Thread(lambda: server_context().wrap_socket(l.accept()[0], server_side=True))
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, proto)
        ss = ssl.wrap_socket(s)
        ss.connect(("127.0.0.1", port))
        assert ss.version() == "TLSv1.3"
        b = t.join()
        ss.write(b"x")
        assert b.read(1) == b"x"


def test_wrapped_then_connected():
    # Refused: an error of the connection.
    taken, port = taken_port()
    s = client_context().wrap_socket(socket.socket(), server_hostname="localhost")
    raises(errno.ECONNREFUSED, s.connect, ("127.0.0.1", port))
    # With a certificate that will not do: one of TLS, and the connection ends.
    l, port = listener()
    t = Thread(lambda: raises_type(OSError, server_context().wrap_socket, l.accept()[0], server_side=True))
    s = client_context("client.pem").wrap_socket(socket.socket(), server_hostname="localhost")
    raises_type(ValueError, s.connect, ("127.0.0.1", port))
    t.join()
    assert s.fileno() == -1


def test_wrap_socket_with_the_names_of_wipy_and_cpython():
    for version in (None, ssl.TLSv1_2, ssl.TLSv1_3, ssl.PROTOCOL_TLS_CLIENT):
        a, b = pair()
        t = Thread(lambda: ssl.wrap_socket(b, server_side=True, keyfile=CERTS + "server.key", certfile=CERTS + "server.pem"))
        s = ssl.wrap_socket(a, ca_certs=CERTS + "ca.pem", cert_reqs=ssl.CERT_REQUIRED, ssl_version=version, server_hostname="localhost")
        b = t.join()
        s.write(b"x")
        assert b.read(1) == b"x" and s.version() == ("TLSv1.2" if version == ssl.TLSv1_2 else "TLSv1.3")
    raises_type(ValueError, ssl.wrap_socket, socket.socket(), ssl_version=0x301)
    raises_type(TypeError, ssl.wrap_socket, socket.socket(), ca_certs=CERTS + "ca.pem", cadata=load("ca.pem"))


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


def test_the_systems_store_is_added():
    client = client_context()
    client.load_default_certs()
    a, b = wrapped(client=client)
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.load_default_certs()
    refused(ValueError, "not correctly signed", client=client)


class Context(tls.SSLContext):
    """Subclasses made by programs."""

    def __init__(self, protocol, name="mine"):
        super().__init__(protocol)
        self.name = name
        self.wraps = 0

    def wrap_socket(self, sock, **kw):
        self.wraps += 1
        return super().wrap_socket(sock, **kw)


class ContextOnContext(Context):
    def wrap_socket(self, sock, **kw):
        return tls.SSLContext.wrap_socket(self, sock, **kw)


def test_what_a_subclass_of_a_context_is_told_is_done():
    for kind in (Context, ContextOnContext):
        server = kind(tls.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(load("server.pem"), load("server.key"))
        server.load_verify_locations(load("ca.pem"))
        server.verify_mode = tls.CERT_REQUIRED
        server.maximum_version = tls.TLSv1_2
        assert (server.name, server.verify_mode, server.minimum_version) == ("mine", tls.CERT_REQUIRED, 0)
        assert isinstance(server, tls.SSLContext) and kind is not tls.SSLContext
        said = refused(OSError, "FATAL_ALERT", server=server)
        assert said == (-29824, "MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE"), said
        assert server.wraps == (1 if kind is Context else 0)
        client = kind(tls.PROTOCOL_TLS_CLIENT, name="client")
        assert client.check_hostname is True and client.name == "client"
        client.verify_mode = tls.CERT_NONE
        seen = []
        client.verify_callback = lambda cert, depth: seen.append(depth) or 0
        client.load_cert_chain(load("client.pem"), load("client.key"))
        a, b = wrapped(server, client)
        assert b.version() == "TLSv1.2" and len(b.getpeercert(True)) > 200


def test_a_context_has_no_other_attributes():
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    raises_type(AttributeError, setattr, context, "name", 1)
    raises_type(AttributeError, lambda: context.name)
    raises_type(ValueError, setattr, Context(tls.PROTOCOL_TLS_CLIENT), "verify_mode", 7)
    raises_type(TypeError, tls.SSLContext)
    raises_type(TypeError, tls.SSLContext.get_ciphers, 5)

    class Late(tls.SSLContext):
        def __init__(self):
            raises_type((AttributeError, TypeError), lambda: self.verify_mode)
            super().__init__(tls.PROTOCOL_TLS_CLIENT)

    assert Late().verify_mode == tls.CERT_REQUIRED
