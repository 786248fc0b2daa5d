"""The fixtures of the tests: sockets that are closed at the end, and a watchdog."""

import contextlib
import faulthandler
import os
import signal
import socket
import threading

import pytest
import usocket
from tls_world import (  # noqa: F401
    certs,
    client_context,
    dial,
    meet,
    pair_of,
    serve,
    server_context,
    tls,
    wrapped,
)


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as s:
        s.bind(("::1", 0))
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="::1 cannot be had")

# Longer than any test takes on a busy machine. A test that hangs ends the run with a traceback.
HANG = 120


stderr = None  # A duplicate of the descriptor, before pytest captures it.


def pytest_configure(config):
    global stderr
    # Also under a parent that ignores Ctrl-C, as one that runs it in the background may.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        stderr = os.dup(2)
    # A forgotten socket or an exception in a thread is a failure.
    config.addinivalue_line("filterwarnings", "error")


@pytest.fixture(autouse=True)
def _watchdog():
    faulthandler.dump_traceback_later(HANG, exit=True, file=stderr)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def keep():
    """`keep(s)` gives `s` back and closes it after the test."""
    with contextlib.ExitStack() as stack:

        def keep_one(s):
            stack.callback(s.close)
            return s

        yield keep_one


@pytest.fixture
def make(keep):
    """`usocket.socket`, closed after the test."""
    return lambda *args, **kwargs: keep(usocket.socket(*args, **kwargs))


@pytest.fixture
def listener(make):
    """A TCP listener on a port of the system's choice."""
    s = make()
    s.bind(("127.0.0.1", 0))
    s.listen()
    return s


@pytest.fixture
def tcp(make, keep, listener):
    """Two ends of a TCP connection."""
    client = make()
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    return client, keep(server)


@pytest.fixture
def pair(keep):
    """Two ends of a Unix stream."""
    a, b = usocket.socketpair()
    return keep(a), keep(b)


@pytest.fixture
def udp(make):
    """A bound UDP socket."""
    s = make(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    return s


@pytest.fixture
def full(make):
    """The address of a listener with a full backlog: connecting hangs."""
    s = make()
    s.bind(("127.0.0.1", 0))
    s.listen(0)
    while True:
        filler = make()
        filler.settimeout(0.2)
        if filler.connect_ex(s.getsockname()) != 0:
            return s.getsockname()


@pytest.fixture
def refusing(make):
    """An address that refuses connections, as ("::1", the same port) does: a socket that does not listen is
    bound to it. (A released port may be another program's listener a moment later.)"""
    s = make(usocket.AF_INET6)
    try:
        s.setsockopt(usocket.IPPROTO_IPV6, usocket.IPV6_V6ONLY, 0)
        s.bind(("::", 0))
    except OSError:
        s = make()
        s.bind(("127.0.0.1", 0))
    return "127.0.0.1", s.getsockname()[1]


@pytest.fixture
def run():
    """`run(f, ...)` starts a thread; after the test it must have ended, without an exception."""
    threads, failures = [], []

    def start(f, *args):
        def body():
            try:
                f(*args)
            except BaseException as e:
                failures.append(e)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        thread.join(HANG / 2)
        assert not thread.is_alive()
    assert failures == []


def fill(s):
    """Writes to a socket until it takes no more; returns the number of bytes."""
    timeout = s.gettimeout()
    s.setblocking(False)
    total = 0
    while True:
        n = s.write(b"x" * 65536)
        if n is None:
            s.settimeout(timeout)
            return total
        total += n
