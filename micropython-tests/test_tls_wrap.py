# Wrapping a socket in TLS: by each name and with each argument, before and after connecting.
import errno
import socket
from support import Thread, listener, pair, raises, raises_type, taken_port
from tls_support import CERTS, client_context, load, server_context

try:
    import ssl
except ImportError:
    pass  # stock without micropython-lib


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
