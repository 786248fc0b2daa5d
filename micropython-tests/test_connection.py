# Connections and servers by name, in one call.
import errno
import socket
from support import raises, raises_type, taken_port


def test_a_connection_to_a_server():
    with socket.create_server(("127.0.0.1", 0), backlog=3) as server:
        port = server.getsockname()[1]
        for service in (port, str(port)):
            with socket.create_connection(("localhost", service), timeout=5) as a:
                b, peer = server.accept()
                assert a.gettimeout() == 5 and a.getsockname() == peer
                b.send(b"x")
                assert a.recv(1) == b"x"
        with socket.create_connection(("127.0.0.1", port), None, ("127.0.0.2", 0)) as a:
            assert a.gettimeout() is None and server.accept()[1][0] == "127.0.0.2"
    taken, port = taken_port()
    raises(errno.ECONNREFUSED, socket.create_connection, ("127.0.0.1", port))


def test_a_server_for_both_families():
    try:
        server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True)
    except OSError as e:
        assert e.errno == errno.EAFNOSUPPORT  # no IPv6 here
        return
    port = server.getsockname()[1]
    socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True)
    with socket.create_connection(("127.0.0.1", port)) as a:
        assert a.family == socket.AF_INET


def test_bad_arguments():
    raises_type(ValueError, socket.create_connection, ("127.0.0.1", 1, 2))
    raises_type(ValueError, socket.create_connection, ("127.0.0.1", 1), -1)
    raises_type(TypeError, socket.create_server, ("127.0.0.1", 0), 5)
    raises(errno.EINVAL, socket.create_server, ("127.0.0.1", 0), dualstack_ipv6=True)
