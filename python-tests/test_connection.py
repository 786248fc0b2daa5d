"""Connections and servers by name, in one call."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import usocket
from conftest import needs_ipv6

GENEROUS = 60.0


@pytest.fixture
def server():
    with usocket.create_server(("127.0.0.1", 0)) as s:
        yield s


def port_of(s):
    return s.getsockname()[1]


def test_by_number_and_by_name(server):
    for host in ("127.0.0.1", "localhost", b"127.0.0.1"):
        for port in (port_of(server), str(port_of(server))):
            with usocket.create_connection((host, port), GENEROUS) as c:
                peer, address = server.accept()
                with peer:
                    assert c.getsockname() == address
                    assert c.gettimeout() == GENEROUS
                    peer.write(b"hello")
                    assert c.read(5) == b"hello"


def test_without_a_timeout_the_socket_blocks(server):
    with usocket.create_connection(("127.0.0.1", port_of(server))) as c:
        assert c.gettimeout() is None


def test_source_address(server):
    with usocket.create_connection(
        ("127.0.0.1", port_of(server)), GENEROUS, source_address=("127.0.0.2", 0)
    ) as c:
        assert c.getsockname()[0] == "127.0.0.2"


def test_from_another_thread(server):
    got = []
    where = ("127.0.0.1", port_of(server))
    thread = threading.Thread(target=lambda: got.append(usocket.create_connection(where, GENEROUS)))
    thread.start()
    thread.join(GENEROUS)
    assert got[0].getpeername() == where
    got[0].close()


LINK = """
import errno, subprocess, time, usocket
for command in ("link set lo up", "-6 addr add fe80::1/64 dev lo nodad"):
    subprocess.run(["ip", *command.split()], check=True)
with usocket.create_server(("fe80::1", 0, 0, 1), family=usocket.AF_INET6) as server:
    address = server.getsockname()
    assert address[3] == 1, address
    while True:
        try:
            c = usocket.create_connection(address, 20)
            break
        except OSError as e:  # The address's route comes a little later than the address.
            assert e.errno == errno.ENETUNREACH, e
            time.sleep(0.1)
    with c:
        assert c.getpeername() == address, c
"""


def test_the_scope_of_an_ipv6_address_counts():
    if subprocess.run(["unshare", "-rn", "ip", "link"], capture_output=True).returncode:
        pytest.skip("no network namespaces here")
    command = ["unshare", "-rn", sys.executable, "-c", LINK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GENEROUS)
    assert done.returncode == 0, done.stderr


def test_failures(refusing):
    where = refusing
    with pytest.raises(ConnectionRefusedError):
        usocket.create_connection(where, GENEROUS)
    with pytest.raises(usocket.gaierror) as e:
        usocket.create_connection(("127.0.0.1", "no-such-service"), GENEROUS)
    assert e.value.args[0] < 0
    with pytest.raises(ValueError):
        usocket.create_connection(("127.0.0.1", 65536), GENEROUS)
    for timeout in (0, -1, float("nan")):
        with pytest.raises(ValueError):
            usocket.create_connection(where, timeout)
    with pytest.raises(TypeError):
        usocket.create_connection(where, "soon")
    with pytest.raises(TypeError):
        usocket.create_connection(7)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there are no groups of exceptions")
def test_the_errors_of_all_attempts(refusing):
    where = refusing
    with pytest.raises(ExceptionGroup) as e:  # noqa: F821
        usocket.create_connection(where, GENEROUS, all_errors=True)
    assert [type(f) for f in e.value.exceptions] == [ConnectionRefusedError]
    with pytest.raises(ExceptionGroup) as e:  # noqa: F821
        usocket.create_connection(("localhost", where[1]), GENEROUS, all_errors=True)
    assert e.value.exceptions and {type(f) for f in e.value.exceptions} == {ConnectionRefusedError}
    with pytest.raises(usocket.gaierror):
        usocket.create_connection(("127.0.0.1", "no-such-service"), GENEROUS, all_errors=True)


@pytest.fixture
def black_hole():
    """A listener whose backlog is full: connecting to it neither succeeds nor fails."""
    with usocket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        clients = []
        while True:
            c = usocket.socket()
            clients.append(c)
            c.settimeout(0.2)
            try:
                c.connect(s.getsockname())
            except TimeoutError:
                break
        yield s.getsockname()
        for c in clients:
            c.close()


def test_one_deadline(black_hole):
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        usocket.create_connection(black_hole, 0.3)
    assert 0.3 <= time.monotonic() - begun < 20


def test_signals_neither_end_nor_stretch_it(black_hole):
    ran = []
    old = signal.signal(signal.SIGALRM, lambda *_: ran.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            usocket.create_connection(black_hole, 0.5)
        took = time.monotonic() - begun
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert 0.5 <= took < 20 and len(ran) > 3


def test_ctrl_c(black_hole):
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        usocket.create_connection(black_hole, GENEROUS)
    assert time.monotonic() - begun < GENEROUS / 2
    timer.join()


@needs_ipv6
def test_servers():
    with usocket.create_server(("::", 0), family=usocket.AF_INET6) as s:
        with pytest.raises(ConnectionRefusedError):
            usocket.create_connection(("127.0.0.1", port_of(s)), GENEROUS)
        assert s.getsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR) != 0
    assert usocket.has_dualstack_ipv6()
    with usocket.create_server(
        ("::", 0), family=usocket.AF_INET6, dualstack_ipv6=True, backlog=5
    ) as s:
        for host in ("127.0.0.1", "::1"):
            usocket.create_connection((host, port_of(s)), GENEROUS).close()
    with usocket.create_server(("127.0.0.1", 0), reuse_port=True) as s:
        usocket.create_server(s.getsockname(), reuse_port=True).close()
        with pytest.raises(OSError, match="in use"):
            usocket.create_server(s.getsockname())
    with pytest.raises(ValueError):
        usocket.create_server(("127.0.0.1", 0), dualstack_ipv6=True)
    with usocket.create_server(b"\0usocket-create-server-%d" % os.getpid(), family=usocket.AF_UNIX) as s:
        assert s.family == usocket.AF_UNIX


def test_ctrl_c_leaves_nothing_behind(black_hole):
    # It left a thread and a descriptor, for as long as the attempt went on.
    def interrupted(timer):
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            usocket.create_connection(black_hole, GENEROUS)

    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        before = None
        for _ in range(4):
            timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
            interrupted(timer)
            timer.join()
            assert "usocket-connect" not in {t.name for t in threading.enumerate()}
            # The library's own thread ends its part when it hears of it.
            end = time.monotonic() + GENEROUS
            while True:
                count = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
                if before is None or count <= before or time.monotonic() > end:
                    break
                time.sleep(0.05)
            before = before or count
            assert count <= before
    finally:
        signal.signal(signal.SIGINT, old)


def test_no_thread_is_started_for_each_call(server):
    usocket.create_connection(("127.0.0.1", port_of(server)), GENEROUS).close()
    before = threading.active_count()
    for _ in range(5):
        usocket.create_connection(("127.0.0.1", port_of(server)), GENEROUS).close()
    assert threading.active_count() == before
