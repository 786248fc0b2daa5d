"""fork: both sides go on."""

import os
import traceback

import pytest
import uselect
import usocket


@pytest.fixture
def child():
    """`child(f)` runs `f` in a forked process, and asserts after the test that it went well."""
    pids = []

    def start(f):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                f()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        pids.append(pid)

    yield start
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0


def test_a_connection_works_on_both_sides(pair, child):
    a, b = pair

    def in_the_child():
        assert b.readline() == b"from the parent\n"
        b.write(b"from the child\n")

    child(in_the_child)
    a.write(b"from the parent\n")
    assert a.readline() == b"from the child\n"


def test_closing_on_one_side_leaves_the_other_open(pair, child):
    a, b = pair
    child(b.close)
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    a.write(b"still here")
    assert b.read(10) == b"still here"


def test_the_forking_server(make, listener, child):
    clients = [make() for _ in range(3)]
    for client in clients:
        client.connect(listener.getsockname())
        conn, _ = listener.accept()

        def serve():
            listener.close()
            conn.write(b"pid %d: " % os.getpid() + conn.readline())

        child(serve)
        conn.close()
    for client in clients:
        client.write(b"hello\n")
    answers = [client.readall() for client in clients]
    assert all(a.endswith(b": hello\n") for a in answers) and len(set(answers)) == 3


def test_new_sockets_in_the_child(listener, child):
    def in_the_child():
        s = usocket.socket()
        s.connect(listener.getsockname())
        s.sendall(b"new")
        s.close()

    child(in_the_child)
    conn, _ = listener.accept()
    assert conn.readall() == b"new"
    conn.close()


def test_poll_on_both_sides(pair, child):
    a, b = pair
    poller = uselect.poll()
    poller.register(b, uselect.POLLIN)

    def in_the_child():
        assert poller.poll() == [(b, uselect.POLLIN)]

    child(in_the_child)
    a.send(b"x")
    assert poller.poll() == [(b, uselect.POLLIN)]


def test_names_in_the_child(child):
    expected = usocket.getaddrinfo("localhost", 80)

    def in_the_child():
        assert usocket.getaddrinfo("localhost", 80, timeout=60) == expected

    child(in_the_child)
