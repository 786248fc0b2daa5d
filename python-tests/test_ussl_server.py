"""Listening with TLS; wrapping sockets, with different names; many at once."""

import http.client
import os
import socket
import threading
from errno import EBADF

import pytest
import usocket
import ussl


def test_a_listening_socket_accepts_wrapped_connections(
    make, dial, run, server_context, client_context
):
    plain = make()
    plain.bind(("127.0.0.1", 0))
    plain.listen()
    with server_context().wrap_socket(plain, server_side=True) as listener:
        assert listener.version() is None and listener.pending() == 0
        address = listener.getsockname()

        def serve():
            conn, peer = listener.accept()
            with conn:
                assert type(conn) is ussl.SSLSocket and conn.server_side
                assert peer == conn.getpeername() and conn.version()
                conn.write(conn.readline())

        run(serve)
        with dial(client_context(), address) as s:
            s.write(b"hello\n")
            assert s.readall() == b"hello\n"


def test_wrapped_first_and_then_bound_and_listening(
    make, dial, run, server_context, client_context
):
    context = server_context()
    with context.wrap_socket(make(), server_side=True) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve():
            conn, _ = listener.accept()
            with conn:
                conn.write(b"hello")

        run(serve)
        with dial(client_context(), listener.getsockname()) as s:
            assert s.readall() == b"hello"
    with context.wrap_socket(make(), server_side=True) as s:
        with pytest.raises(ValueError, match="server-side"):
            s.connect(("127.0.0.1", 1))
        with pytest.raises(ValueError, match="server-side"):
            s.connect_ex(("127.0.0.1", 1))


def test_accept_closes_what_is_no_client(make, server_context):
    with server_context().wrap_socket(make(), server_side=True) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = make()
        client.connect(listener.getsockname())
        client.write(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ussl.SSLError, match="does not speak TLS"):
            listener.accept()
        got = client.readall()
        assert got[:3] == b"\x15\x03\x03" and len(got) == 7, got  # An alert, and nothing else.


def test_connect_ex(make, serve, server_context, client_context, listener):
    context = client_context()
    with context.wrap_socket(make(), server_hostname="localhost") as s:
        assert s.connect_ex(serve(server_context())) == 0
        assert s.version() == "TLSv1.3"
        s.write(b"x")
        assert s.read(1) == b"x"
    address = listener.getsockname()
    listener.close()
    with context.wrap_socket(make(), server_hostname="localhost") as s:
        assert s.connect_ex(address) > 0


def test_a_unix_stream(pair, run, server_context, client_context):
    def serve():
        with server_context().wrap_socket(pair[1], server_side=True) as s:
            s.write(s.readline())

    run(serve)
    with client_context().wrap_socket(pair[0], server_hostname="localhost") as s:
        s.write(b"hello\n")
        assert s.readall() == b"hello\n"


def test_what_cannot_be_wrapped(tls, udp, make, server_context, client_context, tcp):
    client, server = client_context(), server_context()
    with pytest.raises(ValueError, match="already"):
        client.wrap_socket(tls[0], server_hostname="localhost")
    with pytest.raises(OSError):
        client.wrap_socket(udp, server_hostname="localhost")
    with pytest.raises(TypeError):
        client.wrap_socket(5, server_hostname="localhost")
    with pytest.raises(ValueError, match="server side"):
        client.wrap_socket(make(), server_side=True)
    with pytest.raises(ValueError, match="client side"):
        server.wrap_socket(make())
    closed = make()
    closed.close()
    for context, how in ((client, {"server_hostname": "x"}), (server, {"server_side": True})):
        with pytest.raises(OSError) as e:
            context.wrap_socket(closed, **how)
        assert e.value.errno == EBADF


def test_a_socket_of_cpythons(serve, server_context, client_context):
    address = serve(server_context())
    plain = socket.create_connection(address, 60)
    with pytest.raises(ValueError):
        client_context().wrap_socket(plain)  # Without a name; the socket stays as it is.
    assert plain.getpeername() == address
    before = len(os.listdir("/proc/self/fd"))
    with client_context().wrap_socket(plain, server_hostname="localhost") as s:
        assert plain.fileno() == -1 and s.gettimeout() == 60 and s.version()
        assert len(os.listdir("/proc/self/fd")) <= before + 1  # The server's end may be new.
        s.write(b"hello\n")
        assert s.readline() == b"hello\n"
    with pytest.raises(OSError) as e:
        client_context().wrap_socket(plain, server_hostname="localhost")
    assert e.value.errno == EBADF


def test_http_client_over_it(serve, server_context, client_context):
    def answer(conn):
        while conn.readline().strip():
            pass
        conn.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    address, context = serve(server_context(), answer), client_context()
    for _ in range(2):  # The second sets check_hostname of a context in use.
        client = http.client.HTTPSConnection("localhost", address[1], context=context, timeout=60)
        client.request("GET", "/")
        assert client.getresponse().read() == b"hello"
        client.close()


def test_names_in_other_forms(meet, server_context, client_context):
    ours, theirs = meet(server_context(), client_context(), b"server.example")
    assert ours.sock.server_hostname == theirs.sock.server_hostname == "server.example"


def test_an_address_as_the_name(meet, server_context, client_context):
    ours, theirs = meet(server_context(), client_context(), "127.0.0.1")
    assert ours.error is None and ours.sock.server_hostname == "127.0.0.1"
    assert theirs.sock.server_hostname is None  # An address is no SNI.


def test_many_threads_on_one_context(serve, server_context, client_context):
    address, context = serve(server_context()), client_context()
    failures = []

    def talk(n):
        try:
            for i in range(5):
                s = usocket.create_connection(address, 60)
                with context.wrap_socket(s, server_hostname="localhost") as s:
                    line = b"%d %d\n" % (n, i)
                    s.write(line)
                    assert s.readline() == line
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=talk, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_hundred_sockets_leave_nothing_behind(serve, dial, server_context, client_context):
    context, address = client_context(), serve(server_context())
    with dial(context, address) as s:
        s.write(b"x")
        assert s.read(1) == b"x"
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        with context.wrap_socket(
            usocket.create_connection(address, 60), server_hostname="localhost"
        ) as s:
            s.write(b"x")
            assert s.read(1) == b"x"
    # The server's ends close a moment later.
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and "connection" in thread.name:
            thread.join()
    assert len(os.listdir("/proc/self/fd")) <= before + 2
