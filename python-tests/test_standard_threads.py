"""TLS of the standard modules on the library, in several threads."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 100

BEGIN = """
import asyncio, hashlib, os, socket, ssl, sys, threading, time
from asleep import until_asleep
assert socket.socket.__mro__[2].__module__ == "usocket._bsd"
certs = sys.argv[1] + "/"
there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
here = ssl.create_default_context(cafile=certs + "ca.pem")
failures = []

def run(f, *args):
    def body():
        try:
            f(*args)
        except BaseException as e:
            failures.append(e)
    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread

def pair(timeout=60):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        a = socket.create_connection(listener.getsockname())
        b, _ = listener.accept()
    for s in (a, b):
        s.settimeout(timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made = []
    thread = run(lambda: made.append(there.wrap_socket(b, server_side=True)))
    client = here.wrap_socket(a, server_hostname="localhost")
    thread.join()
    return client, made[0]

def receive(s, size, most=65536):
    got = bytearray()
    while len(got) < size:
        data = s.recv(min(most, size - len(got)))
        assert data, len(got)
        got += data
    return bytes(got)

def end(*threads):
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not failures, failures
"""


@pytest.fixture(params=["", "1"], ids=["fast", "pure"])
def program(tmp_path, certs, request):
    """`program(source)` runs it on the library; returns its output."""

    def start(source):
        path = tmp_path / "program.py"
        path.write_text(BEGIN + source)
        command = [sys.executable, "-W", "error", "-m", "usocket", "run", str(path), str(certs.directory)]
        env = {"PATH": "", "PYTHONPATH": f"{ROOT}/python:{ROOT}/python-tests", "USOCKET_PURE": request.param}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return start


BOTH_WAYS = """
for timeout in (None, 60):
    for rounds in range(20):
        ends = pair(timeout)
        data = [os.urandom(100000 + 7001 * rounds) for _ in ends]

        def send(s, data):
            at = 0
            while at < len(data):
                size = 1 + at * 7919 % 9000
                s.sendall(data[at : at + size])
                at += size

        def check(s, data):
            assert receive(s, len(data), 1 + rounds * 997) == data

        end(*(run(send, s, d) for s, d in zip(ends, data)), *(run(check, s, d) for s, d in zip(ends, reversed(data))))
        for s in ends:
            s.close()
print("done")
"""


def test_every_byte_arrives_while_threads_receive_and_send(program):
    assert program(BOTH_WAYS) == "done\n"


LARGE = """
# A thread is blocked in recv, and both ends send more than any buffer takes, at once.
for timeout in (None, 60):
    ends = pair(timeout)
    data = [os.urandom(6 << 20) for _ in ends]
    got = {}

    def collect(n):
        got[n] = hashlib.sha256(receive(ends[n], 6 << 20)).digest()

    threads = [run(collect, n) for n in (0, 1)]
    for thread in threads:
        until_asleep(thread.native_id)
    end(*threads, *(run(s.sendall, d) for s, d in zip(ends, data)))
    assert [got[1], got[0]] == [hashlib.sha256(d).digest() for d in data]
    for s in ends:
        s.close()
print("done")
"""


def test_a_blocked_receive_keeps_nobody_from_sending(program):
    assert program(LARGE) == "done\n"


ENDS = """
import errno

def ended(how, timeout, f, *args):
    client, server = pair(timeout)
    said = []

    def body():
        try:
            while f(client, *args):
                pass
            said.append("the end")
        except OSError as e:
            said.append(type(e).__name__ if isinstance(e, ssl.SSLError) else errno.errorcode[e.errno])

    thread = run(body)
    until_asleep(thread.native_id)
    how(client, server)
    end(thread)
    client.close()
    server.close()
    return said[0]

def close(client, server):
    client.close()

def unwrap(client, server):
    thread = run(server.unwrap)
    client.unwrap()
    end(thread)

receive_one = lambda c: c.recv(1)
send_much = lambda c: c.sendall(bytes(1 << 16)) or True
for timeout in (None, 60):
    print(ended(close, timeout, receive_one), ended(close, timeout, send_much), ended(unwrap, timeout, receive_one))
"""


def test_close_and_unwrap_in_another_thread_end_what_waits(program):
    # A thread that waits to receive while another closes gets the error that TLS has ended on both sides,
    # or, before that is complete, the end.
    for line in program(ENDS).splitlines():
        received, sent, unwrapped = line.replace("the end", "end").split()
        assert (received, sent) == ("EBADF", "EBADF")
        assert unwrapped in ("end", "SSLZeroReturnError")


TIMEOUTS = """
client, server = pair(0.3)
thread = run(receive, server, 1)  # Another thread's use of the other end changes nothing.
begun = time.monotonic()
try:
    client.recv(1)
except TimeoutError as e:
    print(e)
assert 0.29 < time.monotonic() - begun < 20
thread.join()
assert isinstance(failures.pop(), TimeoutError)
begun = time.monotonic()
try:
    client.sendall(bytes(64 << 20))
except TimeoutError as e:
    print(e)
assert 0.29 < time.monotonic() - begun < 20
client.close()
server.close()
with socket.create_server(("127.0.0.1", 0)) as mute, socket.create_connection(mute.getsockname(), 0.3) as s:
    try:
        here.wrap_socket(s, server_hostname="localhost")
    except TimeoutError as e:
        print(e)
there.sni_callback = lambda *a: None
with socket.create_server(("127.0.0.1", 0)) as listener:
    with socket.create_connection(listener.getsockname()) as s, listener.accept()[0] as c:
        c.settimeout(0.3)
        s.sendall(bytes((22, 3, 1, 0, 100, 1, 0, 0)))  # The beginning of a ClientHello.
        try:
            there.wrap_socket(c, server_side=True)
        except TimeoutError as e:
            print(e)
"""


def test_timeouts_hold(program):
    what = ["read", "write", "handshake", "handshake"]
    assert program(TIMEOUTS).splitlines() == [f"The {w} operation timed out" for w in what]


BIOS = """
# Two objects over memory, used by eight threads at once: each pair of an object and a BIO is moved by any.
a, b = ssl.MemoryBIO(), ssl.MemoryBIO()
client = here.wrap_bio(a, b, server_hostname="localhost")
server = there.wrap_bio(b, a, server_side=True)

def shake(o):
    while True:
        try:
            return o.do_handshake()
        except ssl.SSLWantReadError:
            time.sleep(0.001)

end(run(shake, client), run(shake, server))
piece, pieces = bytes(range(256)) * 20, 200
got, lock = {client: [], server: []}, threading.Lock()

def send(o):
    for _ in range(pieces):
        assert o.write(piece) == len(piece)

def take(o):
    while sum(map(len, got[o])) < 4 * pieces * len(piece):
        with lock:  # So that the order of what is kept is the order it was read in.
            try:
                got[o].append(o.read(70000))
            except ssl.SSLWantReadError:
                pass
        time.sleep(0)

end(*(run(send, o) for o in (client, server) for _ in range(4)), *(run(take, o) for o in (client, server) for _ in range(2)))
for o in (client, server):
    assert b"".join(got[o]) == piece * pieces * 4
print("done")
"""


def test_objects_over_memory_are_safe_beside_threads(program):
    assert program(BIOS) == "done\n"


PROCESSES = """
import pickle
client, server = pair()
for o in (client, client._sslobj, here):
    try:
        pickle.dumps(o)
    except TypeError as e:
        assert "cannot pickle" in str(e)
pid = os.fork()
if not pid:  # A server that leaves the connection to its child.
    try:
        client.close()
        server.sendall(b"from the child")
        server.close()
    finally:
        os._exit(0)
server.close()
os.waitpid(pid, 0)
print(client.recv(100), client.recv(100))
client.close()
"""


def test_a_connection_goes_on_in_a_child_and_not_in_a_pickle(program):
    assert program(PROCESSES) == "b'from the child' b''\n"
