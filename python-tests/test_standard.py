"""`usocket.install()` and `python -m usocket run`: the standard modules over libusocket."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import usocket

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 100


def run(*arguments, status=0):
    """The output of `python -m usocket run`."""
    command = [sys.executable, "-W", "error", "-m", "usocket", "run", *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.fixture
def program(tmp_path):
    """`program(source, ...)` runs it under `python -m usocket run`."""

    def start(source, *arguments, **how):
        path = tmp_path / "program.py"
        path.write_text(source)
        return run(path, *arguments, **how)

    return start


def test_a_program_runs_as_python_runs_it(program):
    text = program(
        "import sys, socket, pickle\n"
        "class C: pass\n"
        "assert type(pickle.loads(pickle.dumps(C()))) is C\n"
        "print(__name__, sys.argv[1:], __file__ == sys.argv[0], sys.path[0] in __file__)\n"
        "print(socket.socket.__mro__[2].__module__)\n"
        "sys.exit(3)\n",
        "a", "-b", status=3,
    )  # fmt: skip
    assert text == ""
    text = program("import sys; print(__name__, sys.argv[1:], sys.path[0] in __file__)", "a", "-b")
    assert text == "__main__ ['a', '-b'] True\n"


def test_modules_and_what_is_no_program():
    assert "usage" in run("-m", "http.server", "--help")
    assert "can't open file" in run("/no such file", status=1)
    assert "usage" in run(status=1)


def test_the_standard_modules_are_on_the_library(program):
    text = program(
        "import socket, ssl, _socket, asyncio\n"
        "print(_socket.socket.__mro__[1].__module__, socket.socket.__mro__[1] is _socket.socket)\n"
        "import usocket; usocket.install()\n"
        "print(socket.socket.__mro__[1] is _socket.socket)\n"
    )
    assert text.split() == ["usocket._bsd", "True", "True"]


def test_there_cpythons_rules_hold(program):
    program(
        "import socket\n"
        "server = socket.create_server(('localhost', 0))\n"
        "client = socket.socket()\n"
        "client.connect(('localhost', server.getsockname()[1]))\n"  # A name in an address.
        "conn, _ = server.accept()\n"
        "assert type(conn) is socket.socket and client.proto == 0\n"
        "try: client.send('text')\n"
        "except TypeError as e: assert 'bytes-like' in str(e), e\n"
        "else: raise SystemExit('sent a str')\n"
        "file = client.makefile('rw')\n"  # A file of its own, which keeps the connection.
        "client.close()\n"
        "file.write('line\\n'); file.flush()\n"
        "assert conn.makefile().readline() == 'line\\n'\n"
        "conn.settimeout(0.01)\n"
        "try: conn.recv(1)\n"
        "except socket.timeout as e: assert str(e) == 'timed out'\n"
        "else: raise SystemExit('no timeout')\n"
        "file.close(); conn.close(); server.close()\n"
        "assert not hasattr(socket.socket, 'readline')\n"
    )


TLS = """
import socket, ssl, sys, threading
certs = sys.argv[1] + "/"
there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
there.set_alpn_protocols(["h2"])
names = []
there.sni_callback = lambda sock, name, context: names.append(name)
here = ssl.create_default_context(cafile=certs + "ca.pem")
here.set_alpn_protocols(["http/1.1"])
server = socket.create_server(("127.0.0.1", 0))

def serve():
    for _ in range(2):
        conn, _ = server.accept()
        try:
            conn = there.wrap_socket(conn, server_side=True)
            # All at once, as OpenSSL sends it, though more than the library takes at once.
            assert conn.send(conn.recv(5) * 200000) == 1000000
            conn = conn.unwrap()
            # TCP's sending half is still open, and what comes next is plain.
            conn.sendall(b"plain " + conn.recv(5))
        except ssl.SSLError as e:
            names.append(e.reason)
        conn.close()

thread = threading.Thread(target=serve)
thread.start()
conn = here.wrap_socket(socket.create_connection(server.getsockname()), server_hostname="localhost")
conn.sendall(b"12345")
got = b""
while len(got) < 1000000:
    got += conn.recv(30000)
assert got == b"12345" * 200000
print(conn.version(), conn.selected_alpn_protocol(), conn.getpeercert()["subjectAltName"][0][0])
conn = conn.unwrap()
conn.sendall(b"after")
print(conn.recv(20))
conn.close()
try:
    here.wrap_socket(socket.create_connection(server.getsockname()), server_hostname="example.org")
except ssl.SSLCertVerificationError as e:
    print(e.verify_code, e.verify_message)
thread.join()
server.close()
print(names)
"""


def test_tls(program, certs):
    assert program(TLS, certs.directory).splitlines() == [
        "TLSv1.3 None DNS",
        "b'plain after'",
        "62 Hostname mismatch, certificate is not valid for 'example.org'.",
        "['localhost', 'example.org', 'SSLV3_ALERT_BAD_CERTIFICATE']",
    ]


SESSIONS = """
import socket, ssl, sys, threading
certs = sys.argv[1]
listener = socket.create_server(("127.0.0.1", 0))
there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
there.load_cert_chain(certs + "/server.pem", certs + "/server-key.pem")

def serve():
    for _ in range(8):
        with there.wrap_socket(listener.accept()[0], server_side=True) as conn:
            conn.sendall(b"x")
            conn.recv(1)

threading.Thread(target=serve, daemon=True).start()
for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
    here, session = ssl.create_default_context(cafile=certs + "/ca.pem"), None
    here.maximum_version = version
    for given in False, False, True, False:
        with socket.create_connection(listener.getsockname()) as s:
            how = {"session": session} if given else {}
            with here.wrap_socket(s, server_hostname="localhost", **how) as conn:
                conn.recv(1)
                session = conn.session
                print(conn.session_reused, end=" ")
"""


def test_a_client_resumes_the_session_that_it_is_given_and_no_other(program, certs):
    assert program(SESSIONS, certs.directory).split() == ["False", "False", "True", "False"] * 2


AGREED = """
import socket, ssl, sys, threading, warnings
certs = sys.argv[1] + "/"
there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
here = ssl.create_default_context(cafile=certs + "ca.pem")
opened = []

def connected(session=None):
    a, b = socket.socketpair()
    made = []

    def serve():
        made.append(there.wrap_socket(b, server_side=True))
        made[0].sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    client = here.wrap_socket(a, server_hostname="localhost", session=session)
    thread.join()
    opened.extend((client, made[0]))
    assert client.recv(1) == b"x"
    return client, made[0]

client, server = connected()
print(client.shared_ciphers(), server.shared_ciphers() == [server.cipher()])
try:
    server.verify_client_post_handshake()
except ssl.SSLError as e:
    print(e.reason)
print(connected(client.session)[0].session_reused)
there.options |= ssl.OP_NO_TICKET
print(connected(connected()[0].session)[0].session_reused)
warnings.simplefilter("ignore", DeprecationWarning)
here.options |= ssl.OP_NO_TLSv1_3
print(connected()[1].version())
for connection in opened:
    connection.close()
"""


def test_what_was_agreed(program, certs):
    assert program(AGREED, certs.directory).splitlines() == [
        "None True",
        "EXTENSION_NOT_RECEIVED",
        "True",
        "False",
        "TLSv1.2",
    ]


INTO = """
import array, socket, ssl, sys, threading
certs = sys.argv[1] + "/"
there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
here = ssl.create_default_context(cafile=certs + "ca.pem")
a, b = socket.socketpair()
made = []
thread = threading.Thread(target=lambda: made.append(there.wrap_socket(b, server_side=True)))
thread.start()
client = here.wrap_socket(a, server_hostname="localhost")
thread.join()
server, = made
server.sendall(bytes(range(100)))

def into(buffer, *size, call=client.recv_into):
    try:
        got = call(buffer, *size)
    except Exception as e:
        got = type(e).__name__
    print(got, bytes(buffer) if buffer is not None else "")

into(bytearray(4))
into(array.array("i", [0, 0]))
into(memoryview(bytearray(12)).cast("B", (3, 4)))
into(bytearray(5), 3)
into(bytearray(5), 0)
into(bytearray(3), 10)
into(bytearray(0))
into(bytearray(0), 5)
into(b"read-only")
into(None, 5)
for size in -1, 0, 2, 100:
    print(client.read(size, room := bytearray(4)), room)
client.settimeout(0.05)
client.recv(1000)
room = bytearray(9)
try:
    client.recv_into(room)
except TimeoutError as e:
    room.clear()  # It is not locked.
    print(e, room)
thread = threading.Thread(target=server.unwrap)
thread.start()
client.settimeout(None)
client.unwrap().close()
thread.join()
server.close()
into(bytearray(5))
"""


def test_receiving_into_a_buffer_is_cpythons(program, certs, tmp_path):
    ours = program(INTO, certs.directory)
    command = [sys.executable, tmp_path / "program.py", certs.directory]
    theirs = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
    assert ours == theirs.stdout and ours.count("\n") == 16


TRUST_NOBODY = """
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
made = context._library(False, [])
print(made.verify_mode.name, made.check_hostname, made.verify_callback(b"", 0))
"""


def test_a_context_that_was_told_to_trust_nobody_trusts_nobody(program):
    # ussl's context trusts the system's certificates; CPython's does not.
    assert program(TRUST_NOBODY) == "CERT_REQUIRED True 1\n"


ASYNC = """
import asyncio, ssl, sys
certs = sys.argv[1] + "/"
there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
here = ssl.create_default_context(cafile=certs + "ca.pem")

async def echo(reader, writer):
    data = b""
    while not data.endswith(b"end\\n"):
        data += await reader.read(1 << 20)
    writer.write(data)
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(echo, "localhost", 0, ssl=there)
    port = server.sockets[0].getsockname()[1]
    host = server.sockets[0].getsockname()[0]
    reader, writer = await asyncio.open_connection(host, port, ssl=here, server_hostname="localhost")
    sent = bytes(range(256)) * 1000
    # More at once than the library takes at once.
    writer.write(sent * 20)
    writer.write(b"end\\n")
    assert await reader.readexactly(len(sent) * 20) == sent * 20
    assert await reader.readline() == b"end\\n"
    print(writer.get_extra_info("cipher")[1], writer.get_extra_info("ssl_object").version())
    writer.close()
    server.close()

asyncio.run(main())
"""


def test_asyncio_over_tls(program, certs):
    assert program(ASYNC, certs.directory) == "TLSv1.3 TLSv1.3\n"


HTTP = """
import http.server, threading, urllib.request, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
    protocol_version = "HTTP/1.1"
with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for _ in range(3):
        with urllib.request.urlopen(f"http://localhost:{server.server_port}/program.py") as answer:
            assert answer.read() == open("program.py", "rb").read()
    server.shutdown()
print("served")
"""


def test_http(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert program(HTTP) == "served\n"


def test_install_by_hand(tmp_path):
    code = (
        "import usocket; usocket.install(); import socket, ssl; "
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'; "
        "a.close(); b.close(); print(socket.socket.__mro__[2].__module__)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    command = [sys.executable, "-W", "error", "-c", code]
    assert subprocess.check_output(command, env=env, text=True).strip() == "usocket._bsd"
    assert usocket.install.__doc__


BOTH_HAVE_SAID_GOODBYE = """
import ssl, sys
certs = sys.argv[1] + "/"
there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
here = ssl.create_default_context(cafile=certs + "ca.pem")
to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
client = here.wrap_bio(to_client, to_server, server_hostname="localhost")
server = there.wrap_bio(to_server, to_client, server_side=True)
done = 0
while done < 2:
    done = 0
    for end in (client, server):
        try:
            end.do_handshake()
            done += 1
        except ssl.SSLWantReadError:
            pass
try: server.unwrap()
except ssl.SSLWantReadError: pass
client.write(b"x" * 100000)
assert client.read(1) == b""  # One side has said so: that is the end.
client.unwrap()
got = 0
while True:
    try: got += len(server.read(16384))
    except ssl.SSLZeroReturnError: break  # Both have.
print(got)
server.unwrap()
"""


def test_after_both_goodbyes_there_is_no_end_to_be_read_again_and_again(program, certs):
    assert program(BOTH_HAVE_SAID_GOODBYE, certs.directory) == "100000\n"


RESET = """
import os, socket, ssl, struct, sys, threading
certs = sys.argv[1] + "/"
there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
here = ssl.create_default_context(cafile=certs + "ca.pem")
for ragged in (True, False):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        a = socket.create_connection(listener.getsockname())
        b, _ = listener.accept()
    made = []
    wrap = lambda: made.append(there.wrap_socket(b, server_side=True, suppress_ragged_eofs=ragged))
    thread = threading.Thread(target=wrap)
    thread.start()
    client = here.wrap_socket(a, server_hostname="localhost")
    client.sendall(b"hello")
    thread.join()
    with made[0] as server:
        print(server.recv(10))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(client.detach())  # A reset, without close_notify.
        try:
            print(server.recv(10))
        except ssl.SSLEOFError as e:
            print(e.args[0] == ssl.SSL_ERROR_EOF)
"""


def test_a_reset_is_a_ragged_end(program, certs):
    # As of OpenSSL, whose clients reset the connection when they close it before they have read its tickets.
    assert program(RESET, certs.directory).split() == ["b'hello'", "b''", "b'hello'", "True"]


def test_certificates_are_read_when_they_are_loaded(program, certs):
    text = program(
        """if True:
        import os, shutil, socket, ssl, sys, tempfile, threading
        certs, place = sys.argv[1], tempfile.mkdtemp()

        def put(name):
            shutil.copy(f"{certs}/{name}.pem", f"{place}/cert.pem")
            shutil.copy(f"{certs}/{name}-key.pem", f"{place}/key.pem")

        def take(*names):
            for name in names:
                os.unlink(f"{place}/{name}.pem")

        def presented():
            def serve():
                with server.wrap_socket(b, server_side=True) as s:
                    s.recv(1)
            a, b = socket.socketpair()
            a.settimeout(60)
            b.settimeout(60)
            thread = threading.Thread(target=serve)
            thread.start()
            with client.wrap_socket(a, server_hostname="localhost") as s:
                der = s.getpeercert(True)
            thread.join()
            for name in "server", "second", "server-rsa":
                with open(f"{certs}/{name}.pem") as file:
                    if der == ssl.PEM_cert_to_DER_cert(file.read()):
                        return name

        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        shutil.copy(f"{certs}/ca.pem", f"{place}/ca.pem")
        client.load_verify_locations(f"{place}/ca.pem")
        put("server")
        server.load_cert_chain(f"{place}/cert.pem", f"{place}/key.pem")
        take("ca", "cert", "key")
        print(presented())
        # Under the same names another certificate: a renewal.
        put("second")
        server.load_cert_chain(f"{place}/cert.pem", f"{place}/key.pem")
        take("cert", "key")
        print(presented())
        # Under another name: as in OpenSSL the last of each kind of key.
        server.load_cert_chain(f"{certs}/server.pem", f"{certs}/server-key.pem")
        print(presented())
        shutil.rmtree(place)
        """,
        certs.directory,
    )
    assert text.split() == ["server", "second", "server"]


def test_arguments_are_refused_as_in_cpython(program):
    source = """if True:
        import socket, sys

        class Number:
            def __index__(self):
                return 1

        def kind(f, *args):
            try:
                return f(*args)
            except Exception as e:
                return type(e).__name__

        with socket.socket() as s:
            tried = [
                kind(s.bind, ("a\\0b", 1)), kind(s.bind, (None, 1)), kind(s.settimeout, Number()), s.gettimeout(),
                kind(s.settimeout, "1"), kind(socket.CMSG_LEN, 1.0), kind(socket.CMSG_SPACE, Number()),
                kind(socket.inet_ntop, 2**40, b"1234"), kind(socket.inet_ntop, 2, None), kind(socket.inet_pton, "2", "::"),
                kind(socket.getaddrinfo, "127.0.0.1", 1, "2"), kind(socket.getaddrinfo, None, None),
                # Names that are not ASCII: full-width characters, a label that is too long.
                kind(socket.getaddrinfo, "\uff11\uff12\uff17.0.0.1", 1, 2, 1), kind(s.bind, ("\uff11\uff12\uff17.0.0.1", 0)),
                s.getsockname()[0], kind(s.connect, ("\u00fc" * 64, 1)), kind(socket.getaddrinfo, "\u00fc" * 64, 1),
            ]
        print(tried)
    """
    theirs = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=LIMIT)
    assert program(source) == theirs.stdout


def test_values_at_the_edge_are_as_in_cpython(program, certs, tmp_path):
    text = program(
        """if True:
        import socket, ssl, sys, threading
        certs, place = sys.argv[1] + "/", sys.argv[2]

        def kind(f, *args):
            try:
                return f(*args)
            except Exception as e:
                return getattr(e, "reason", None) or type(e).__name__

        with socket.socket(socket.AF_UNIX) as s:
            s.bind(place)
            print(s.getsockname() == place)
        with socket.socket() as s:
            s.settimeout(5)
            print(s.timeout, kind(s.bind, ("127.0.0.1", 65536)))
        with socket.socket(socket.AF_INET6) as s:
            print(kind(s.bind, ("::1", 0, 1 << 20)))

        there, here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=certs + "ca.pem")
        there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")

        def connected():
            def serve():
                with there.wrap_socket(b, server_side=True) as server:
                    server.sendall(b"hello")
                    server.recv(1)
            a, b = socket.socketpair()
            a.settimeout(60)
            b.settimeout(60)
            thread = threading.Thread(target=serve)
            thread.start()
            client = here.wrap_socket(a, server_hostname="localhost", do_handshake_on_connect=False)
            print(kind(client.unwrap))
            client.do_handshake()
            # No size: all of the buffer.
            room = bytearray(5)
            print(client.recv_into(room, 0), bytes(room))
            session = client.session
            client.close()
            thread.join()
            return session

        one, other = connected(), connected()
        print(one == one, one == other, one == 1)
        """,
        certs.directory,
        tmp_path / "socket",
    )
    assert text.splitlines() == [
        "True",
        "5.0 OverflowError",
        "OverflowError",
        *["SHUTDOWN_WHILE_IN_INIT", "5 b'hello'"] * 2,
        "True False False",
    ]
