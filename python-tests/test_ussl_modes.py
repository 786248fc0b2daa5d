"""TLS that does not block, that has a deadline, that threads share; what poll says of it."""

import asyncio
import hashlib
import os
import select
import selectors
import signal
import threading
import time
from errno import EAGAIN, EBADF, EINPROGRESS

import pytest
import uselect
import usocket
import ussl
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT

SIZE = 4 << 20


@pytest.fixture
def wrapped(tcp, keep, server_context, client_context):
    """Two ends of TLS that have not begun: (client, server)."""
    client, server = tcp
    how = {"do_handshake_on_connect": False}
    return (
        keep(client_context().wrap_socket(client, server_hostname="localhost", **how)),
        keep(server_context().wrap_socket(server, server_side=True, **how)),
    )


@pytest.fixture
def tls(wrapped, run):
    """Two ends of TLS after the handshake: (client, server)."""
    client, server = wrapped
    thread = run(server.do_handshake)
    client.do_handshake()
    thread.join()
    return wrapped


def wait_for(s, events, limit=20000):
    poller = uselect.poll()
    poller.register(s, events)
    assert poller.poll(limit), "nothing came"


def want(e):
    return POLLIN if isinstance(e, ussl.SSLWantReadError) else POLLOUT


# --- non-blocking


def test_the_handshake_as_a_state_machine(wrapped):
    client, server = wrapped
    poller = uselect.poll()
    open_ends = {client, server}
    wants = {client: [], server: []}
    for s in wrapped:
        s.setblocking(False)
        poller.register(s, POLLIN | POLLOUT)
    while open_ends:
        for s in list(open_ends):
            try:
                s.do_handshake()
                open_ends.discard(s)
                poller.unregister(s)
            except (ussl.SSLWantReadError, ussl.SSLWantWriteError) as e:
                assert isinstance(e, BlockingIOError) and e.errno == EAGAIN
                wants[s].append(want(e))
                poller.modify(s, want(e))
        if open_ends:
            assert poller.poll(20000)
    assert wants[client] and client.version() == server.version() == "TLSv1.3"
    client.write(b"done")
    wait_for(server, POLLIN)
    assert server.recv(10) == b"done"


def test_what_a_non_blocking_socket_gives_before_and_after_the_handshake(wrapped):
    client, server = wrapped
    client.setblocking(False)
    assert client.read(1) is None and client.readline() is None
    assert client.readinto(bytearray(1)) is None
    assert client.write(b"too early") is None
    for use in (
        lambda: client.recv(1),
        lambda: client.recv_into(bytearray(1)),
        lambda: client.recvfrom(1),
        client.do_handshake,
        lambda: client.send(b"too early"),
        lambda: client.sendall(b"too early"),
    ):
        with pytest.raises(ussl.SSLWantReadError, match="POLLIN") as e:
            use()
        assert e.value.args[0] == EAGAIN
    assert client.version() is None and client.cipher() is None


def test_a_full_connection_wants_to_write(tls):
    client, server = tls
    client.setblocking(False)
    sent = 0
    with pytest.raises(ussl.SSLWantWriteError):
        while True:
            sent += client.send(b"x" * 65536)
    assert client.write(b"x") is None
    poller = uselect.poll()
    poller.register(client, POLLOUT)
    assert poller.poll(0) == []
    got = 0
    server.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            got += len(server.recv(65536))
            poller.poll(0)  # It sends on what was taken and waits.
    assert got == sent


def test_wrapping_a_socket_that_is_still_connecting(make, listener, run, certs, server_context):
    context = ussl.create_default_context(cafile=certs("ca.pem"))

    def server():
        conn, _ = listener.accept()
        with server_context().wrap_socket(conn, server_side=True) as s:
            s.write(s.readline())

    run(server)
    s = make()
    s.setblocking(False)
    s = context.wrap_socket(s, server_hostname="localhost")
    with s:
        with pytest.raises(BlockingIOError) as e:
            s.connect(listener.getsockname())
        assert e.value.errno == EINPROGRESS
        wait_for(s, POLLOUT)
        while True:
            try:
                s.do_handshake()
                break
            except BlockingIOError as e:
                wait_for(s, want(e))
        s.write(b"line\n")
        line = None
        while line is None:
            wait_for(s, POLLIN)
            line = s.readline()
        assert line == b"line\n"


def test_do_handshake_can_block_all_the_same(wrapped, run):
    client, server = wrapped
    run(server.do_handshake)
    client.setblocking(False)
    client.do_handshake(block=True)
    assert client.version() and client.gettimeout() == 0.0


# --- what poll says


def test_poll_knows_of_decrypted_bytes(tls):
    client, server = tls
    poller = uselect.poll()
    poller.register(client, POLLIN)
    assert poller.poll(0) == []
    server.write(b"twice")
    assert poller.poll(20000) == [(client, POLLIN)]
    assert client.recv(2) == b"tw"
    assert client.pending() == 3
    assert not select.select([client.fileno()], [], [], 0)[0]  # The kernel has nothing.
    assert poller.poll(0) == poller.poll(None) == [(client, POLLIN)]
    assert client.recv(10) == b"ice" and client.pending() == 0
    assert poller.poll(0) == []


def test_poll_is_not_taken_in_by_tickets(tls):
    client, server = tls
    # The tickets of TLS 1.3 are in the kernel; they are no data.
    assert select.select([client.fileno()], [], [], 20)[0]
    poller = uselect.poll()
    poller.register(client, POLLIN)
    begun = time.monotonic()
    assert poller.poll(100) == []
    assert time.monotonic() - begun >= 0.1
    server.write(b"data")
    assert poller.poll(20000) == [(client, POLLIN)] and client.recv(9) == b"data"


class Relay:
    """What passes between the two ends goes through the test's hands once it `holds`."""

    def __init__(self, keep, server_context, client_context):
        self.ends = [usocket.socketpair(), usocket.socketpair()]
        (a, self.near), (self.far, b) = self.ends
        how = {"do_handshake_on_connect": False}
        self.client = keep(client_context().wrap_socket(a, server_hostname="localhost", **how))
        self.server = keep(server_context().wrap_socket(b, server_side=True, **how))
        keep(self.near), keep(self.far)
        self.client.setblocking(False)
        self.server.setblocking(False)
        done = set()
        while len(done) < 2 or self.pass_on():
            self.pass_on()
            for s in (self.client, self.server):
                try:
                    s.do_handshake()
                    done.add(s)
                except BlockingIOError:
                    pass

    def pass_on(self):
        """Everything that is on its way; how much that was."""
        moved = 0
        for source, target in ((self.near, self.far), (self.far, self.near)):
            source.setblocking(False)
            moved += target.write(source.read(1 << 20) or b"")
        return moved


def test_poll_is_not_taken_in_by_half_a_record(keep, server_context, client_context):
    relay = Relay(keep, server_context, client_context)
    poller = uselect.poll()
    poller.register(relay.client, POLLIN)
    assert poller.poll(0) == []
    relay.server.write(b"x" * 5000)
    record = relay.far.read(1 << 20)
    for at in (0, 3, 5, 1000, len(record) - 1):  # Each piece is a part of the one record.
        relay.near.write(record[at : {0: 3, 3: 5, 5: 1000, 1000: -1}.get(at)])
        complete = at == len(record) - 1
        assert poller.poll(0) == ([(relay.client, POLLIN)] if complete else [])
        if not complete:
            assert relay.client.read(1) is None
    assert relay.client.read(9999) == b"x" * 5000 and poller.poll(0) == []


def test_poll_after_the_end_and_after_an_error(tls):
    client, server = tls
    poller = uselect.poll()
    poller.register(client, POLLIN)
    server.close()
    ((_, events),) = poller.poll(20000)
    assert events & POLLIN
    assert client.recv(1) == b""


def test_poll_after_a_failure_reports_an_error(tcp, keep, client_context):
    s = client_context().wrap_socket(
        tcp[0], server_hostname="localhost", do_handshake_on_connect=False
    )
    with s:
        s.setblocking(False)
        with pytest.raises(BlockingIOError):
            s.do_handshake()
        tcp[1].write(b"220 hello, this is no TLS\r\n")
        wait_for(s, POLLIN)
        with pytest.raises(ussl.SSLError, match="does not speak TLS"):
            s.do_handshake()
        poller = uselect.poll()
        poller.register(s, POLLIN)
        ((_, events),) = poller.poll(20000)
        assert events & (POLLERR | POLLHUP)


# --- deadlines


def test_the_handshake_with_a_silent_peer_times_out(tcp, client_context):
    tcp[0].settimeout(0.2)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        client_context().wrap_socket(tcp[0], server_hostname="localhost")
    assert 0.2 <= time.monotonic() - begun < 5
    assert tcp[0].fileno() == -1


def test_the_handshake_has_one_deadline_for_the_whole(tcp, run, client_context):
    """A peer that sends a byte now and then keeps nobody waiting for ever."""
    stop = threading.Event()

    def trickle():
        record = b"\x16\x03\x03\x40\x00" + bytes(2000)
        for at in range(len(record)):
            if stop.wait(0.05):
                return
            tcp[1].send(record[at : at + 1])

    run(trickle)
    tcp[0].settimeout(0.4)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        client_context().wrap_socket(tcp[0], server_hostname="localhost")
    assert 0.4 <= time.monotonic() - begun < 5
    stop.set()


def test_a_signal_does_not_stretch_the_handshakes_time(tcp, client_context):
    hits = []
    before = signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        tcp[0].settimeout(0.3)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            client_context().wrap_socket(tcp[0], server_hostname="localhost")
        took = time.monotonic() - begun
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0.3 <= took < 5 and len(hits) > 3


def test_ctrl_c_ends_a_handshake(tcp, client_context):
    s = client_context().wrap_socket(
        tcp[0], server_hostname="localhost", do_handshake_on_connect=False
    )
    with s:
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            s.do_handshake()


def test_recv_times_out_and_goes_on(tls):
    client, server = tls
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    server.write(b"now")
    client.settimeout(20)
    assert client.read(3) == b"now"


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
    begun, raised = threading.Event(), []

    def operate():
        begun.set()
        with pytest.raises(OSError) as e:
            while True:
                client.recv(1) if use == "recv" else client.sendall(b"x" * 65536)
        raised.append(e.value.errno)

    thread = run(operate)
    begun.wait()
    time.sleep(0.1)  # Until it is inside.
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


# --- other ways to wait


def test_asyncio(tcp, keep, server_context, client_context):
    """asyncio's own calls for sockets take ours: what is not ready is a BlockingIOError."""
    how = {"do_handshake_on_connect": False}
    client = keep(client_context().wrap_socket(tcp[0], server_hostname="localhost", **how))
    server = keep(server_context().wrap_socket(tcp[1], server_side=True, **how))
    data = os.urandom(1 << 20)

    async def receive(loop, s, size):
        pieces = b""
        while len(pieces) < size:
            pieces += await loop.sock_recv(s, 65536)
        return pieces

    async def main():
        loop = asyncio.get_running_loop()
        for s in (client, server):
            s.setblocking(False)
        there = asyncio.create_task(receive(loop, server, len(data)))
        back = asyncio.create_task(receive(loop, client, len(data)))
        await loop.sock_sendall(client, data)
        await loop.sock_sendall(server, data)
        return await there == data and await back == data

    assert asyncio.run(asyncio.wait_for(main(), 60))


def test_selectors_with_pending(tls):
    client, server = tls
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ)
        server.write(b"hello")
        client.setblocking(False)
        got = b""
        while len(got) < 5:
            if not client.pending():
                assert selector.select(20)
            got += client.read(5) or b""
    assert got == b"hello"


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
        server.close()  # The one that used it says goodbye.

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
