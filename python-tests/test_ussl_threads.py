"""A session of TLS in several threads, and in several processes."""

import hashlib
import os
import threading
from errno import EBADF

import pytest
import uselect
from asleep import until_asleep
from uselect import POLLIN

SIZE = 4 << 20


def wait_for(s, events, limit=20000):
    poller = uselect.poll()
    poller.register(s, events)
    assert poller.poll(limit), "nothing came"


# --- threads


def test_both_ways_at_once(tls, run):
    client, server = tls
    data = {s: os.urandom(SIZE) for s in tls}
    got = {}

    def receive(s):
        got[s] = hashlib.sha256(s.read(SIZE)).digest()

    threads = [run(s.sendall, data[s]) for s in tls] + [run(receive, s) for s in tls]
    for thread in threads:
        thread.join()
    assert got[server] == hashlib.sha256(data[client]).digest()
    assert got[client] == hashlib.sha256(data[server]).digest()


@pytest.mark.parametrize("use", ["recv", "sendall"])
def test_close_from_another_thread_ends_it(use, tls, run):
    client, server = tls
    begun, raised, ids = threading.Event(), [], []

    def operate():
        ids.append(threading.get_native_id())
        begun.set()
        with pytest.raises(OSError) as e:
            while True:
                client.recv(1) if use == "recv" else client.sendall(b"x" * 65536)
        raised.append(e.value.errno)

    thread = run(operate)
    begun.wait()
    until_asleep(ids[0])
    client.close()
    thread.join()
    assert raised == [EBADF]


def test_close_ends_a_handshake(wrapped, run):
    client, _ = wrapped
    raised = []

    def operate():
        with pytest.raises(OSError) as e:
            client.do_handshake()
        raised.append(e.value.errno)

    thread = run(operate)
    wait_for(wrapped[1], POLLIN)  # The ClientHello is there: it is inside.
    client.close()
    thread.join()
    assert raised == [EBADF]


# --- fork


def child(f):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            f()
            status = 0
        finally:
            os._exit(status)
    return pid


def test_the_forking_server(listener, server_context, client_context, dial):
    """Each connection is a process of its own, from the handshake on."""
    context, answers = server_context(), []
    client = client_context()
    for _ in range(2):

        def serve():
            conn, _ = listener.accept()
            with context.wrap_socket(conn, server_side=True) as s:
                s.write(b"%d: " % os.getpid() + s.readline())

        pid = child(serve)
        with dial(client, listener.getsockname()) as s:
            s.write(b"hello\n")
            answers.append((pid, s.readall(), s.session_reused))
        assert os.waitpid(pid, 0)[1] == 0
    assert [a for _, a, _ in answers] == [b"%d: hello\n" % pid for pid, *_ in answers]


def test_a_session_goes_on_in_a_forked_child(tls):
    client, server = tls

    def in_the_child():
        client.write(b"from the child\n")
        assert client.readline() == b"for the child\n"

    pid = child(in_the_child)
    assert server.readline() == b"from the child\n"
    server.write(b"for the child\n")
    assert os.waitpid(pid, 0)[1] == 0


def test_closing_after_a_fork_says_no_goodbye_for_the_other_side(tls):
    """Neither the child that only closes what it inherited, nor the parent that leaves a connection
    to its child, ends it."""
    client, server = tls

    def only_close():
        client.close()
        server.close()

    assert os.waitpid(child(only_close), 0)[1] == 0
    client.write(b"still here\n")
    assert server.readline() == b"still here\n"

    def answer():
        server.write(server.readline())
        server.close()  # The one that used it sends close_notify.

    pid = child(answer)
    server.close()
    client.write(b"served by the child\n")
    assert client.readall() == b"served by the child\n"
    assert os.waitpid(pid, 0)[1] == 0


def test_a_child_that_closes_says_nothing_for_its_parent(tls):
    client, server = tls

    def in_the_child():
        client.close()
        server.close()

    assert os.waitpid(child(in_the_child), 0)[1] == 0
    client.write(b"still\n")
    assert server.readline() == b"still\n"
    server.write(b"here\n")
    assert client.readline() == b"here\n"


def test_a_parent_that_closes_leaves_the_connection_to_its_child(tls):
    client, server = tls

    def in_the_child():
        server.write(server.readline())
        server.close()

    pid = child(in_the_child)
    server.close()
    client.write(b"hello\n")
    assert client.readall() == b"hello\n"
    assert os.waitpid(pid, 0)[1] == 0
