"""Programs of others, as they are, under `python -m usocket run`: scripts/tools installs them, and a
server where Debian has it. Tests of missing programs are skipped."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "target" / "programs" / "bin" / "python"
UNPACKED = ROOT / "target" / "debian"
LIMIT = 100

# Every program shows first that it is on the library, and warns of nothing that it leaves open.
BEGIN = """
import socket, sys
if __name__ == "__main__":  # What multiprocessing starts anew is on CPython's own modules.
    assert socket.socket.__mro__[2].__module__ == "usocket._bsd"
"""


def environment():
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {**env, "PYTHONPATH": str(ROOT / "python")}


@pytest.fixture
def program(tmp_path):
    """`program(source, *arguments, needs=module)` runs it on the library; returns its output."""

    def start(source, *arguments, needs=None):
        python = sys.executable
        if needs:
            python = str(PROGRAMS)
            there = PROGRAMS.exists() and subprocess.run([python, "-c", f"import {needs}"], capture_output=True)
            if not there or there.returncode:
                pytest.skip(f"{needs} is not in target/programs: scripts/tools could not install it")
        path = tmp_path / "program.py"
        path.write_text(BEGIN + source)
        command = [python, "-m", "usocket", "run", str(path), *map(str, arguments)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return start


def found(name):
    """A program of the system's, or of a package that scripts/unpack unpacked: (path, environment)."""
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if path:
        return path, {}
    for path in UNPACKED.glob(f"*/usr/*bin/{name}"):
        places = [str(p) for p in path.parents[2].glob("usr/lib/*-linux-*")]
        return str(path), {"LD_LIBRARY_PATH": os.pathsep.join(places)}
    pytest.skip(f"there is no {name} here, and Debian's could not be had")


@pytest.fixture
def server(tmp_path):
    """`server(make, ready)`: starts `make(port)`, a command and an environment, on ports of the system's
    choice until one is still free; the port. It is there when it has printed `ready`."""
    with contextlib.ExitStack() as stack:

        def start(make, ready, **how):
            for _ in range(5):
                with socket.create_server(("127.0.0.1", 0)) as s:
                    port = s.getsockname()[1]
                command, env = make(port)
                process = subprocess.Popen(
                    command, env={**environment(), **env}, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **{"cwd": tmp_path, **how},
                )  # fmt: skip
                said = []
                for line in process.stdout:
                    said.append(line)
                    if ready in line:
                        stack.callback(process.wait)
                        stack.callback(process.stdout.close)
                        stack.callback(process.terminate)
                        return port
                process.wait()
                process.stdout.close()
            pytest.skip(f"{command[0]} does not start here: {''.join(said)[-500:]}")

        yield start


REQUESTS = """
import http.server, ssl, threading, requests, urllib3
certs = sys.argv[1] + "/"

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def do_GET(self):
        if self.path == "/there":
            self.send_response(302)
            self.send_header("Location", "/here")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        body = b"x" * 300000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (body[:100], body[100:]):
            self.wfile.write(b"%x\\r\\n%s\\r\\n" % (len(piece), piece))
        self.wfile.write(b"0\\r\\n\\r\\n")

def serve(context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
plain, secret = serve(), serve(context)
for url in (f"http://localhost:{plain.server_port}", f"https://localhost:{secret.server_port}"):
    with requests.Session() as s:
        s.trust_env, s.verify = False, certs + "ca.pem"
        for _ in range(3):
            assert len(s.get(url + "/there", timeout=60).content) == 300000
        data = bytes(range(256)) * 4000
        assert s.post(url, data=data, timeout=60).content == data
        with s.get(url, stream=True, timeout=60) as r:
            assert sum(map(len, r.iter_content(1000))) == 300000
    with urllib3.PoolManager(ca_certs=certs + "ca.pem") as pool:
        for _ in range(3):
            assert len(pool.request("GET", url).data) == 300000
try:
    requests.get(f"https://localhost:{secret.server_port}", timeout=60)
except requests.exceptions.SSLError as e:
    print("CERTIFICATE_VERIFY_FAILED" in str(e))
with socket.create_server(("127.0.0.1", 0)) as mute:
    try:
        requests.get("http://127.0.0.1:%d" % mute.getsockname()[1], timeout=0.2)
    except requests.exceptions.ReadTimeout:
        print("timed out")
for server in (plain, secret):
    server.shutdown()
    server.server_close()
"""


def test_requests_and_urllib3(program, certs):
    assert program(REQUESTS, certs.directory, needs="requests").split() == ["True", "timed", "out"]


REDIS = """
import asyncio, threading, redis, redis.asyncio
port, path = int(sys.argv[1]), sys.argv[2]
for r in (redis.Redis("localhost", port, socket_timeout=60), redis.Redis(unix_socket_path=path, socket_timeout=60)):
    with r:
        value = bytes(range(256)) * 4000
        assert r.set("k", value) and r.get("k") == value
        with r.pipeline() as p:
            for n in range(1000):
                p.incr("n")
            assert p.execute()[-1] % 1000 == 0
        with r.pubsub() as sub:
            sub.subscribe("news")
            assert sub.get_message(timeout=60)["type"] == "subscribe"
            assert sub.get_message(timeout=0.05) is None
            r.publish("news", "first")
            assert sub.get_message(timeout=60)["data"] == b"first"

async def main():
    async with redis.asyncio.Redis(host="localhost", port=port) as r:
        await asyncio.gather(*[r.set(f"a{n}", n) for n in range(100)])
        assert await r.get("a99") == b"99"
        async with r.pubsub() as sub:
            await sub.subscribe("news")
            await sub.get_message(timeout=60)
            await r.publish("news", "second")
            print((await sub.get_message(timeout=60))["data"])

asyncio.run(main())
"""


def test_redis(program, server, tmp_path):
    command, env = found("redis-server")
    path = str(tmp_path / "redis.sock")
    port = server(
        lambda port: ([command, "--port", str(port), "--unixsocket", path, "--save", "", "--dir", str(tmp_path)], env),
        "now ready to accept connections at",
    )
    assert program(REDIS, port, path, needs="redis") == "b'second'\n"


POSTGRES = """
import pg8000.dbapi
for how in ({"host": "localhost", "port": int(sys.argv[1])}, {"unix_sock": sys.argv[2] + "/.s.PGSQL." + sys.argv[1]}):
    c = pg8000.dbapi.connect(user="tester", database="postgres", timeout=60, **how)
    cursor = c.cursor()
    cursor.execute("create temporary table t (n int, text text)")
    cursor.executemany("insert into t values (%s, %s)", [(n, "x" * n) for n in range(300)])
    cursor.execute("select sum(n), max(length(text)) from t")
    print(cursor.fetchone())
    c.close()
"""


@pytest.fixture
def not_root(tmp_path):
    """A folder, and how to start a program that refuses to be root there."""
    if os.getuid():
        yield tmp_path, {}
        return
    # pytest keeps the folders above tmp_path to itself, and each new run of it sees to that again.
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        yield Path(folder), {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": folder}


def test_postgres(not_root, program, server):
    command, _ = found("postgres")
    initdb, _ = found("initdb")
    folder, how = not_root
    data = folder / "data"
    done = subprocess.run(
        [initdb, "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        capture_output=True, text=True, timeout=LIMIT, **how,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"initdb does not work here: {done.stderr[-500:]}")
    options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-k", str(folder)]
    port = server(
        lambda port: ([command, "-D", str(data), "-p", str(port), *options], {}),
        "ready to accept connections", **how,
    )  # fmt: skip
    assert program(POSTGRES, port, folder, needs="pg8000").split("\n") == ["[44850, 299]", "[44850, 299]", ""]


MQTT = """
import ssl, threading, paho.mqtt.client as mqtt
for port, ca in ((int(sys.argv[1]), None), (int(sys.argv[2]), sys.argv[3])):
    got, here = [], threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    if ca:
        client.tls_set(ca)
    client.on_connect = lambda c, *_: c.subscribe("t/#", 1)
    client.on_subscribe = lambda c, *_: [c.publish("t/%d" % n, b"x" * n * 100, 1) for n in range(50)]

    def message(c, data, m):
        got.append(len(m.payload))
        if len(got) == 50:
            here.set()

    client.on_message = message
    client.connect("localhost", port)
    client.loop_start()
    assert here.wait(90), got
    client.disconnect()
    client.loop_stop()
    print(sum(got))
"""


def test_mqtt(program, server, certs, tmp_path):
    command, env = found("mosquitto")
    conf, secret = tmp_path / "conf", []

    def make(port):
        with socket.create_server(("127.0.0.1", 0)) as s:
            secret[:] = [s.getsockname()[1]]
        conf.write_text(
            f"user root\nallow_anonymous true\nlistener {port} 127.0.0.1\nlistener {secret[0]} 127.0.0.1\n"
            f"cafile {certs('ca.pem')}\ncertfile {certs('server.pem')}\nkeyfile {certs('server-key.pem')}\n"
        )
        return [command, "-c", str(conf)], env

    port = server(make, "running")
    assert program(MQTT, port, secret[0], certs("ca.pem"), needs="paho.mqtt.client").split() == ["122500"] * 2


def test_http_server_and_curl(tmp_path):
    curl, _ = found("curl")
    (tmp_path / "page").write_bytes(os.urandom(1 << 20))
    command = [sys.executable, "-u", "-m", "usocket", "run", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    with subprocess.Popen(
        command, env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            port = process.stdout.readline().split("port ")[1].split()[0]
            ask = [curl, "-sS", "--noproxy", "*", "--max-time", str(LIMIT), f"http://127.0.0.1:{port}/page"]
            assert subprocess.check_output([*ask, *ask[-1:]]) == (tmp_path / "page").read_bytes() * 2
        finally:
            process.terminate()


AIOHTTP = """
import asyncio, ssl, aiohttp, aiohttp.web as web
certs = sys.argv[1] + "/"
there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
here = ssl.create_default_context(cafile=certs + "ca.pem")

async def page(request):
    return web.Response(body=await request.read() or b"x" * 300000)

async def talk(request):
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        await ws.send_bytes(message.data)
    return ws

async def main():
    app = web.Application(client_max_size=1 << 24)
    app.add_routes([web.get("/", page), web.post("/", page), web.get("/ws", talk)])
    runner = web.AppRunner(app)
    await runner.setup()
    for context in (None, there):
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        url = f"http{'s' if context else ''}://localhost:{port}/"
        async with aiohttp.ClientSession() as s:
            async def get():
                async with s.get(url, ssl=here) as r:
                    return len(await r.read())
            print(sum(await asyncio.gather(*[get() for _ in range(20)])))
            data = bytes(range(256)) * 20000
            async with s.post(url, data=data, ssl=here) as r:
                assert await r.read() == data
            async with s.ws_connect(url + "ws", ssl=here) as ws:
                await ws.send_bytes(data[:500000])
                assert (await ws.receive()).data == data[:500000]
    await runner.cleanup()

asyncio.run(main())
"""


def test_aiohttp(program, certs):
    assert program(AIOHTTP, certs.directory, needs="aiohttp").split() == ["6000000"] * 2


WEBSOCKETS = """
import asyncio, ssl, threading
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
import websockets.sync.client
certs = sys.argv[1] + "/"
there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
there.load_cert_chain(certs + "server.pem", certs + "server-key.pem")
here = ssl.create_default_context(cafile=certs + "ca.pem")

async def echo(ws):
    async for message in ws:
        await ws.send(message)

def blocking(uri, context):
    with websockets.sync.client.connect(uri, ssl=context, proxy=None) as ws:
        for n in (10, 100000):
            ws.send("x" * n)
            assert ws.recv(timeout=60) == "x" * n

async def main():
    for context, ours in ((None, None), (there, here)):
        async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            uri = f"ws{'s' if context else ''}://localhost:{port}"
            async with connect(uri, ssl=ours, proxy=None) as ws:
                for n in (10, 100000):
                    await ws.send(b"x" * n)
                    assert await ws.recv() == b"x" * n
            await asyncio.to_thread(blocking, uri, ours)
            print("both")

asyncio.run(main())
"""


def test_websockets(program, certs):
    assert program(WEBSOCKETS, certs.directory, needs="websockets").split() == ["both"] * 2


MULTIPROCESSING = """
import multiprocessing as mp
from multiprocessing.connection import Client, Listener

def double(n): return 2 * n

def child(address, key):
    with Client(address, authkey=key) as c:
        c.send([socket.socket.__mro__[2].__module__, c.recv()])

if __name__ == "__main__":
    for kind in ("fork", "spawn"):
        context = mp.get_context(kind)
        with context.Pool(2) as pool:
            assert pool.map(double, range(50)) == [2 * n for n in range(50)]
    with mp.Manager() as manager:
        shared = manager.dict(a=1)
        assert shared["a"] == 1
    for address in (("localhost", 0), None):
        with Listener(address, authkey=b"secret") as listener:
            p = mp.get_context("fork").Process(target=child, args=(listener.address, b"secret"))
            p.start()
            with listener.accept() as c:
                c.send(bytes(1000000))
                where, data = c.recv()
                assert len(data) == 1000000
                print(where)
            p.join()
"""


def test_multiprocessing(program):
    assert program(MULTIPROCESSING).split() == ["usocket._bsd"] * 2
