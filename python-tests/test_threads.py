"""Closing a socket ends what another thread is doing on it, with EBADF, whatever that is."""

import errno
import threading

import pytest
import usocket

from conftest import fill

MUCH = b"x" * (1 << 24)


def until_it_blocks(s, call):
    """Runs `call(s)` again and again in a thread until it raises; gives the list that gets the errno."""
    raised, begun = [], threading.Event()

    def body():
        begun.set()
        while True:
            try:
                call(s)
            except OSError as e:
                raised.append(e.errno)
                return

    return raised, begun, body


CALLS = {
    "recv": lambda s: s.recv(10),
    "recv_into": lambda s: s.recv_into(bytearray(10)),
    "recvfrom": lambda s: s.recvfrom(10),
    "read": lambda s: s.read(10),
    "readall": lambda s: s.read(),
    "readinto": lambda s: s.readinto(bytearray(10)),
    "readline": lambda s: s.readline(),
    "send": lambda s: s.send(MUCH),
    "sendall": lambda s: s.sendall(MUCH),
    "write": lambda s: s.write(MUCH),
}


@pytest.mark.parametrize("timeout", [None, 100.0])
@pytest.mark.parametrize("name", CALLS)
def test_close_ends(tcp, run, name, timeout):
    client, _ = tcp
    if name in ("send", "sendall", "write"):
        fill(client)
    client.settimeout(timeout)
    raised, begun, body = until_it_blocks(client, CALLS[name])
    thread = run(body)
    begun.wait()
    client.close()
    thread.join()
    assert raised == [errno.EBADF]


@pytest.mark.parametrize("timeout", [None, 100.0])
def test_close_ends_accept(listener, run, timeout):
    listener.settimeout(timeout)
    raised, begun, body = until_it_blocks(listener, lambda s: s.accept())
    thread = run(body)
    begun.wait()
    listener.close()
    thread.join()
    assert raised == [errno.EBADF]


@pytest.mark.parametrize("timeout", [None, 100.0])
def test_close_ends_connect(make, full, run, timeout):
    s = make()
    s.settimeout(timeout)
    raised, begun, body = until_it_blocks(s, lambda s: s.connect(full))
    thread = run(body)
    begun.wait()
    s.close()
    thread.join()
    assert raised == [errno.EBADF]


def test_close_ends_recvfrom_of_a_datagram_socket(udp, run):
    raised, begun, body = until_it_blocks(udp, lambda s: s.recvfrom(10))
    thread = run(body)
    begun.wait()
    udp.close()
    thread.join()
    assert raised == [errno.EBADF]


def test_many_accept_on_one_listener(listener, run):
    """Each connection goes to one of them, and closing the listener ends them all."""
    address, accepted = listener.getsockname(), []

    def serve():
        while True:
            try:
                conn, _ = listener.accept()
            except OSError as e:
                assert e.errno == errno.EBADF
                return
            with conn:
                accepted.append(conn.readline())

    threads = [run(serve) for _ in range(4)]
    for n in range(100):
        with usocket.socket() as s:
            s.connect(address)
            s.write(b"%d\n" % n)
            s.read()
    listener.close()
    for thread in threads:
        thread.join()
    assert sorted(accepted) == sorted(b"%d\n" % n for n in range(100))
