"""Signals: Ctrl-C ends what blocks, other signals neither end nor lengthen it."""

import os
import signal
import threading
import time

import pytest
import uselect
import usocket
from conftest import fill

# How much longer than its timeout an operation may take on a busy machine. Signals that stretched it
# would do so for as long as they come.
SLACK = 20.0
# How many signals of a storm there are at least in half a second: those that come while the process is not run are one.
MANY = 3


@pytest.fixture
def interrupt():
    """Raises KeyboardInterrupt in the main thread soon, as Ctrl-C does, again and again.

    Again, because a signal may come before the operation has begun to wait.
    """
    done = threading.Event()

    def soon():
        while not done.wait(0.05):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=soon)

    def raise_once(*_):
        if not done.is_set():  # One more may be on its way when the first has come.
            done.set()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, raise_once)
    thread.start()
    yield
    done.set()
    thread.join()
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def storm():
    """A signal every millisecond, with a handler in Python; gives the list of those handled."""
    handled = []
    before = signal.signal(signal.SIGALRM, lambda *_: handled.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    yield handled
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


BLOCKING = {
    "recv": lambda s: s.recv(1),
    "recvfrom": lambda s: s.recvfrom(1),
    "recv_into": lambda s: s.recv_into(bytearray(1)),
    "recvfrom_into": lambda s: s.recvfrom_into(bytearray(1)),
    "read": lambda s: s.read(1),
    "readall": lambda s: s.readall(),
    "readinto": lambda s: s.readinto(bytearray(1)),
    "readline": lambda s: s.readline(),
    "send": lambda s: s.send(b"x" * 100_000),
    "sendall": lambda s: s.sendall(b"x" * 100_000),
    "sendall with flags": lambda s: s.sendall(b"x" * 100_000, usocket.MSG_NOSIGNAL),
    "write": lambda s: s.write(b"x" * 100_000),
}


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("operation", BLOCKING)
def test_ctrl_c_ends_a_blocked_operation(pair, interrupt, operation, timeout):
    a, _ = pair
    fill(a)
    a.settimeout(timeout)
    with pytest.raises(KeyboardInterrupt):
        BLOCKING[operation](a)


@pytest.mark.parametrize("timeout", [None, 60])
def test_ctrl_c_ends_a_blocked_accept(listener, interrupt, timeout):
    listener.settimeout(timeout)
    with pytest.raises(KeyboardInterrupt):
        listener.accept()


@pytest.mark.parametrize("timeout", [None, 60])
def test_ctrl_c_ends_a_blocked_connect(make, full, interrupt, timeout):
    s = make()
    s.settimeout(timeout)
    with pytest.raises(KeyboardInterrupt):
        s.connect(full)


def test_ctrl_c_ends_a_blocked_connect_to_a_unix_socket(make, interrupt):
    server = make(usocket.AF_UNIX)
    server.bind("")
    server.listen(0)
    with pytest.raises(KeyboardInterrupt):
        while True:
            make(usocket.AF_UNIX).connect(server.getsockname())


def test_ctrl_c_ends_a_poll(pair, interrupt):
    poller = uselect.poll()
    poller.register(pair[0], uselect.POLLIN)
    with pytest.raises(KeyboardInterrupt):
        poller.poll()


def test_the_sockets_are_whole_after_ctrl_c(pair, interrupt):
    a, b = pair
    with pytest.raises(KeyboardInterrupt):
        b.recv(1)
    a.send(b"x")
    assert b.recv(1) == b"x"


def test_any_exception_of_a_handler_comes_through(pair):
    class Mine(Exception):
        pass

    def handler(*_):
        signal.setitimer(signal.ITIMER_REAL, 0)  # The next would come where nobody expects it.
        raise Mine

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        with pytest.raises(Mine):
            pair[0].recv(1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def timed(use):
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        use()
    return time.monotonic() - begun


@pytest.mark.parametrize("operation", BLOCKING)
def test_500_ms_stay_500_ms_in_a_storm_of_signals(pair, storm, operation):
    a, _ = pair
    fill(a)
    a.settimeout(0.5)
    assert 0.5 <= timed(lambda: BLOCKING[operation](a)) < 0.5 + SLACK
    assert len(storm) > MANY


def test_500_ms_stay_500_ms_for_accept(listener, storm):
    listener.settimeout(0.5)
    assert 0.5 <= timed(listener.accept) < 0.5 + SLACK
    assert len(storm) > MANY


def test_500_ms_stay_500_ms_for_connect(make, full, storm):
    s = make()
    s.settimeout(0.5)
    assert 0.5 <= timed(lambda: s.connect(full)) < 0.5 + SLACK
    assert s.gettimeout() == 0.5 and len(storm) > MANY


def test_500_ms_stay_500_ms_for_connect_to_a_unix_socket(make, storm):
    server = make(usocket.AF_UNIX)
    server.bind("")
    server.listen(0)

    def connect_until_it_is_full():
        nonlocal begun
        while True:
            s = make(usocket.AF_UNIX)
            s.settimeout(0.5)
            begun = time.monotonic()
            s.connect(server.getsockname())

    begun = 0.0
    with pytest.raises(TimeoutError):
        connect_until_it_is_full()
    assert 0.5 <= time.monotonic() - begun < 0.5 + SLACK


def test_2_s_stay_2_s_for_a_unix_datagram_peer_that_is_full(make, storm):
    a, b = make(usocket.AF_UNIX, usocket.SOCK_DGRAM), make(usocket.AF_UNIX, usocket.SOCK_DGRAM)
    b.bind("")
    peer = b.getsockname()
    a.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            a.sendto(b"x", peer)
    a.settimeout(2)
    busy = time.thread_time()
    assert 2 <= timed(lambda: a.sendto(b"x", peer)) < 2 + SLACK
    assert time.thread_time() - busy < 1.5  # It waits, although "ready" is all it hears.


def test_a_connect_that_one_signal_interrupts_does_not_begin_its_timeout_again(make, full):
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        s = make()
        s.settimeout(3.5)
        signal.setitimer(signal.ITIMER_REAL, 3.3)
        assert 3.5 <= timed(lambda: s.connect(full)) < 6.5  # Once more it would be 6.8.
    finally:
        signal.signal(signal.SIGALRM, before)


def test_after_a_connect_in_a_storm_the_timeout_is_what_it_was(make, full, storm):
    s = make()
    s.settimeout(0.3)
    timed(lambda: s.connect(full))
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert 0.3 <= timed(lambda: s.connect(full)) < 0.3 + SLACK


def test_500_ms_stay_500_ms_for_poll(pair, storm):
    poller = uselect.poll()
    poller.register(pair[0], uselect.POLLIN)
    begun = time.monotonic()
    assert poller.poll(500) == []
    assert 0.5 <= time.monotonic() - begun < 0.5 + SLACK
    assert len(storm) > MANY


def test_a_timeout_is_one_for_all_pieces_in_a_storm(pair, storm, run):
    a, b = pair
    b.settimeout(0.5)
    stop = threading.Event()

    def drip():
        while not stop.wait(0.02):
            a.send(b".")

    run(drip)
    begun = time.monotonic()
    got = b.read(1_000_000)
    took = time.monotonic() - begun
    stop.set()
    assert 0.5 <= took < 0.5 + SLACK and 0 < len(got) < 1000
    a.send(b"!")
    with pytest.raises(TimeoutError):
        b.read(1)
    assert b.read(1)


@pytest.mark.parametrize("timeout", [None, 60])
def test_no_byte_is_lost_or_doubled_in_a_storm(tcp, storm, run, timeout):
    client, server = tcp
    client.settimeout(timeout)
    server.settimeout(timeout)
    data = os.urandom(8_000_000)

    def echo():
        server.sendall(server.read(len(data)))

    # The main thread, whom the signals interrupt, does each of the directions once.
    run(echo)
    client.sendall(data)
    assert client.read(len(data)) == data
    assert storm


@pytest.mark.parametrize("timeout", [None, 60])
def test_lines_are_whole_in_a_storm(pair, storm, run, timeout):
    a, b = pair
    b.settimeout(timeout)

    def slow_lines():
        for n in range(200):
            a.send(b"line %d, first " % n)
            time.sleep(0.0005)  # The reader is to wait, and be interrupted, in mid-line.
            a.send(b"and second half\nline")
            a.send(b" between\n")

    run(slow_lines)
    for n in range(200):
        assert b.readline() == b"line %d, first and second half\n" % n
        assert b.readline() == b"line between\n"


def test_write_counts_right_in_a_storm(pair, storm):
    a, b = pair
    a.settimeout(0.2)
    sent = a.write(bytes(20_000_000))
    with pytest.raises(TimeoutError):
        a.write(b"x")
    b.setblocking(False)
    assert len(b.readall()) == sent


def test_a_name_in_a_storm(storm):
    while not storm:
        assert usocket.getaddrinfo("localhost", 80, timeout=60)
    assert usocket.getaddrinfo("localhost", 80)


def test_signals_while_another_thread_waits(pair, storm, run):
    a, b = pair
    received = []
    thread = run(lambda: received.append(b.recv(1)))
    while len(storm) < 20:
        time.sleep(0.001)  # Time is the subject: the storm has to blow for a while.
    a.send(b"x")
    thread.join()
    assert received == [b"x"]


@pytest.mark.parametrize("timeout", [None, 60])
def test_ctrl_c_ends_a_transfer_that_has_done_a_part(pair, interrupt, timeout):
    """In blocking mode the kernel ends a call with the part that is done, and without EINTR."""
    a, b = pair
    a.settimeout(timeout)
    with pytest.raises(KeyboardInterrupt):
        a.sendall(bytes(1 << 26))


@pytest.mark.parametrize("timeout", [None, 60])
def test_ctrl_c_ends_a_read_that_has_a_part(pair, interrupt, timeout):
    a, b = pair
    a.settimeout(timeout)
    b.write(b"part")
    with pytest.raises(KeyboardInterrupt):
        a.read(100)
