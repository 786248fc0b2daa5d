"""Real MicroPython programs from PyPI, unmodified, on the firmware: microdot, umqtt.simple, urequests."""

import hashlib
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request

from run import CERTS, OURS, TOP, Skip


def programs():
    r = subprocess.run([f"{TOP}/scripts/micropython-programs"], capture_output=True, text=True)
    if r.returncode != 0:
        raise Skip(r.stderr.strip())
    return r.stdout.strip()


def start(script):
    env = dict(os.environ, MICROPYPATH=f".frozen:{programs()}")
    return subprocess.Popen([OURS, "-X", "heapsize=16m", "-c", script], env=env, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def output(script, seconds=20):
    p = start(script)
    try:
        out, _ = p.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        raise AssertionError(f"no end: {p.communicate()[0]}") from None
    assert p.returncode == 0, out
    return out


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


MICRODOT = """
import asyncio, microdot
app = microdot.Microdot()

@app.get("/")
async def index(request):
    return {"hello": "world", "from": request.client_addr[0]}

@app.post("/echo")
async def echo(request):
    return request.body

@app.get("/stream")
async def stream(request):
    async def lines():
        for i in range(1000):
            yield "line %%d\\n" %% i
    return lines()

@app.get("/shutdown")
async def shutdown(request):
    request.app.shutdown()
    return "bye"

app.run(host="127.0.0.1", port=%d)
print("stopped")
"""


def test_microdot_is_served_and_fetched():
    port = free_port()
    p = start(MICRODOT % port)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 10
        while True:
            try:
                answer = urllib.request.urlopen(f"{url}/", timeout=5)
                break
            except OSError as e:
                assert p.poll() is None and time.monotonic() < end, f"{e} {p.stdout.read() if p.poll() is not None else ''}"
                time.sleep(0.02)
        assert json.load(answer) == {"hello": "world", "from": "127.0.0.1"}
        body = os.urandom(12000)
        request = urllib.request.Request(f"{url}/echo", data=body, headers={"Content-Type": "application/octet-stream"})
        assert urllib.request.urlopen(request, timeout=5).read() == body
        lines = urllib.request.urlopen(f"{url}/stream", timeout=5).read()
        assert lines == b"".join(b"line %d\n" % i for i in range(1000))
        # Several at a time, and from the firmware too.
        threads = [threading.Thread(target=lambda: urllib.request.urlopen(f"{url}/stream", timeout=5).read()) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert output(f"import urequests; print(urequests.get('{url}/').json()['hello'])") == "world\n"
        try:
            urllib.request.urlopen(f"{url}/shutdown", timeout=5).read()
        except OSError:
            pass  # it may stop before it has answered
        assert p.wait(timeout=10) == 0 and p.stdout.read().endswith("stopped\n")
    finally:
        p.kill()
        p.wait()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(b"x" * 100000 if self.path == "/big" else json.dumps({"path": self.path}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_urequests_fetches():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        data = "abc" * 20000
        out = output(f"""
import urequests
url = "http://127.0.0.1:{server.server_port}"
r = urequests.get(url + "/some/path"); print(r.status_code, r.json()["path"])
r = urequests.get(url + "/big"); print(len(r.content))
r = urequests.post(url + "/", data="abc" * 20000); print(r.text)
""")
        server.shutdown()
    assert out == f"200 /some/path\n100000\n{hashlib.sha256(data.encode()).hexdigest()}\n", out


def test_urequests_fetches_over_tls():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{CERTS}/server.pem", f"{CERTS}/server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        out = output(f"""
import urequests
url = "https://127.0.0.1:{server.server_port}"
r = urequests.get(url + "/some/path"); print(r.status_code, r.json()["path"])
r = urequests.get(url + "/big"); print(len(r.content))
""")
        server.shutdown()
    assert out == "200 /some/path\n100000\n", out


class Broker:
    """Debian's mosquitto, for one test."""

    def __init__(self, lines=()):
        self.program = self.find()
        if not self.program and os.geteuid() == 0 and shutil.which("apt-get"):
            subprocess.run(["apt-get", "install", "-y", "-q", "mosquitto"], capture_output=True,
                           env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
            self.program = self.find()
        if not self.program:
            raise Skip("mosquitto is missing (Debian: apt-get install mosquitto)")
        self.lines = lines

    @staticmethod
    def find():
        return shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")

    def __enter__(self):
        self.dir = tempfile.TemporaryDirectory()
        self.port = free_port()
        with open(f"{self.dir.name}/conf", "w") as f:
            f.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n" + "".join(f"{line}\n" for line in self.lines))
        self.process = subprocess.Popen([self.program, "-c", f"{self.dir.name}/conf"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None, self.process.stderr.read()
                assert time.monotonic() < end, "mosquitto does not listen"
                time.sleep(0.02)

    def __exit__(self, *args):
        self.process.kill()
        self.process.communicate()
        self.dir.cleanup()


UMQTT = """
import time
from umqtt.simple import MQTTClient
got = []
def client(name):
    c = MQTTClient(name, "127.0.0.1", %d, keepalive=30%s)
    c.set_callback(lambda topic, msg: got.append((topic, msg)))
    c.connect()
    return c
a, b = client("a"), client("b")
b.subscribe("news/#")
for i in range(50):
    a.publish("news/%%d" %% i, "message %%d" %% i, qos=i %% 2)
while len(got) < 50:
    b.wait_msg()
assert got == [(b"news/%%d" %% i, b"message %%d" %% i) for i in range(50)], got
# check_msg() does not block: the time goes on without a message.
begun = time.time()
for _ in range(20):
    b.check_msg()
assert time.time() - begun < 2
a.ping(); a.check_msg()
a.publish("news/late", b"x" * 20000)
while len(got) < 51:
    b.wait_msg()
assert got[50] == (b"news/late", b"x" * 20000)
a.disconnect(); b.disconnect()
print("done")
"""


def test_umqtt_talks_to_mosquitto():
    with Broker() as broker:
        assert output(UMQTT % (broker.port, "")) == "done\n"


def test_umqtt_talks_to_mosquitto_over_tls():
    # mosquitto drops its rights, and cannot read what only we can.
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)
        for name in ("ca.pem", "server.pem", "server.key"):
            shutil.copy(f"{CERTS}/{name}", tmp)
            os.chmod(f"{tmp}/{name}", 0o644)
        with Broker([f"cafile {tmp}/ca.pem", f"certfile {tmp}/server.pem", f"keyfile {tmp}/server.key"]) as broker:
            params = ', ssl=True, ssl_params={"server_hostname": "localhost", "cert_reqs": 2, "cadata": open("%s/ca.pem", "rb").read()}'
            assert output(UMQTT % (broker.port, params % CERTS)) == "done\n"
