#!/usr/bin/env python3
"""MicroPython's well-known programs, unmodified, on a stock interpreter and on ours: the table in docs/conformance.md.

Those that a package archive has come from there (scripts/micropython-programs fetches what it can); of the others a checkout is
looked for in $PROGRAMS/<owner>+<repository>. Modules that only boards have (network, machine) are replaced
by stubs. The last line counts: a program that runs on stock and not on ours failed. Names on the command
line choose.
"""

import ftplib
import http.server
import io
import os
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import host_programs
import run

CHECKOUTS = os.environ.get("PROGRAMS", f"{run.HOME}/checkouts")
# Package and version on PyPI, and the files for the path.
ARCHIVES = {
    "microdot": ("microdot==2.7.0", ["microdot"]), "umqtt": ("micropython-umqtt.simple==1.3.4", ["umqtt"]),
    "phew": ("micropython-phew==0.0.3", ["phew"]), "uredis": ("micropython-redis==0.0.57", ["uredis"]),
    "umodbus": ("micropython-modbus==2.3.7", ["umodbus"]), "picoweb": ("picoweb==1.8.2", ["picoweb"]),
    "mqtt_async": ("micropython-mqtt==0.7b4", ["mqtt_async.py"]), "urequests": ("micropython-urequests==0.9.1", ["urequests"]),
    "uaiohttpclient": ("micropython-uaiohttpclient==0.5.1", ["uaiohttpclient.py"]),
    "websockets": ("micropython-websockets==0.1.0", ["micropython_websockets"]),
}
BOARD = {
    "network.py": "STA_IF = 0\nAP_IF = 1\nclass WLAN:\n    def __init__(self, *a): pass\n    def active(self, *a): return True\n"
                  "    def isconnected(self): return True\n    def ifconfig(self): return ('127.0.0.1', '255.0.0.0', '', '')\n"
                  "    def config(self, *a, **k): return b'\\0' * 6\n    def status(self, *a): return 3\n    def connect(self, *a): pass\n"
                  "    def disconnect(self): pass\n",
    "machine.py": "def unique_id(): return b'unit'\nclass RTC:\n    def datetime(self): return (2026, 1, 1, 0, 0, 0, 0, 0)\n",
    "uasyncio.py": "from asyncio import *\nfrom asyncio import core\n",
    "ulogging.py": "class L:\n    def __getattr__(self, name): return lambda *a: None\ndef getLogger(*a): return L()\n",
    "pkg_resources.py": "def resource_stream(package, name): raise OSError(2)\n",
    "typing.py": "",
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """One interpreter with the program in its path."""

    def __init__(self, interpreter, path):
        self.interpreter, self.path, self.running = interpreter, path, []

    def start(self, code):
        env = dict(os.environ, MICROPYPATH=f".frozen:{':'.join(self.path)}")
        p = subprocess.Popen([self.interpreter, "-X", "heapsize=16m", "-c", code], env=env, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, cwd=self.path[0])
        self.running.append(p)
        return p

    def says(self, code, seconds=30):
        p = self.start(code)
        try:
            out, _ = p.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            p.kill()
            raise AssertionError(f"no end: {p.communicate()[0][-200:]}") from None
        assert p.returncode == 0, out.strip().splitlines()[-1]
        return out

    def listening(self, code, port):
        """Started, and taking connections."""
        p = self.start(code)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return p
            except OSError:
                if p.poll() is not None:
                    raise AssertionError(p.stdout.read().strip().splitlines()[-1]) from None
                assert time.monotonic() < end, "it does not listen"
                time.sleep(0.05)

    def end(self):
        for p in self.running:
            p.kill()
            p.communicate()


def web(program, code):
    """A web server that answers / with "hello from it"."""
    port = free_port()
    program.listening(code.replace("PORT", str(port)), port)
    for _ in range(10):
        got = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read()
        assert b"hello from it" in got, got


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"hello from it")

    def log_message(self, *args):
        pass


def fetched(program, code, tls=False, port=0):
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer)
    except OSError as e:
        raise run.Skip(f"port {port}: {e}") from None
    with server:
        scheme = "http"
        if tls:
            scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(f"{run.CERTS}/server.pem", f"{run.CERTS}/server.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            place = "127.0.0.1" if port == 80 else f"127.0.0.1:{server.server_port}"
            out = program.says(code.replace("URL", f"{scheme}://{place}/x"))
        finally:
            server.shutdown()
    assert "hello from it" in out, out


def brokered(program, code):
    with host_programs.Broker() as broker:
        out = program.says(code.replace("PORT", str(broker.port)))
    assert out.endswith("done\n"), out[-300:]


class Smtp(socketserver.StreamRequestHandler):
    got = None

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        text = []
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                for line in self.rfile:
                    if line == b".\r\n":
                        break
                    text.append(line)
                self.server.got = b"".join(text)
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


def mailed(program, code):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp) as server:
        server.got = None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            program.says(code.replace("PORT", str(server.server_address[1])))
        finally:
            server.shutdown()
    assert server.got and b"hello from it" in server.got, server.got


def redis(program, code):
    tool = shutil.which("redis-server")
    if not tool:
        raise run.Skip("redis-server is missing (Debian: apt-get install redis-server)")
    port = free_port()
    with tempfile.TemporaryDirectory() as tmp:
        server = subprocess.Popen([tool, "--port", str(port), "--bind", "127.0.0.1", "--dir", tmp, "--save", ""],
                                  stdout=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            assert program.says(code.replace("PORT", str(port))).endswith("done\n")
        finally:
            server.kill()
            server.wait()


def ftp(program, code):
    port = free_port()
    p = program.start(code.replace("PORT", str(port)))  # and it may not be asked for nothing, which ends it
    with ftplib.FTP() as f:
        end = time.monotonic() + 20
        while True:
            try:
                f.connect("127.0.0.1", port, timeout=10)
                break
            except ConnectionRefusedError:
                assert p.poll() is None and time.monotonic() < end, p.stdout.read() if p.poll() is not None else "it does not listen"
                time.sleep(0.05)
        f.login()
        data = os.urandom(30000)
        name = f"{tempfile.gettempdir()}/usocket-ftp-{os.getpid()}"
        try:
            f.storbinary(f"STOR {name}", io.BytesIO(data))
            got = []
            f.retrbinary(f"RETR {name}", got.append)
            assert b"".join(got) == data
        finally:
            if os.path.exists(name):
                os.remove(name)


def two_ends(program, server, client):
    port = free_port()
    program.listening(server.replace("PORT", str(port)), port)
    out = program.says(client.replace("PORT", str(port)))
    assert out.endswith("done\n"), out[-300:]


def alone(program, code):
    out = program.says(code.replace("PORT", str(free_port())))
    assert out.endswith("done\n"), out[-300:]


MICRODOT = """
from microdot import Microdot
app = Microdot()
@app.get("/")
async def index(request):
    return "hello from it"
app.run(host="127.0.0.1", port=PORT)
"""
UMQTT = """
from umqtt.simple import MQTTClient
got = []
a, b = (MQTTClient(n, "127.0.0.1", PORT, keepalive=30) for n in "ab")
for c in (a, b):
    c.set_callback(lambda topic, msg: got.append(msg))
    c.connect()
b.subscribe(b"news/#")
for i in range(20):
    a.publish(b"news/x", b"message %d" % i, qos=i % 2)
while len(got) < 20:
    b.wait_msg()
a.disconnect(); b.disconnect()
print("done")
"""
# A client `c` that collects in `got`, in a coroutine.
TEN_MESSAGES = """
    await c.subscribe("news", 1)
    for i in range(10):
        await c.publish("news", "message %d" % i, qos=1)
    for _ in range(100):
        if len(got) == 10:
            break
        await asyncio.sleep(0.1)
    assert len(got) == 10, got
    print("done")
"""
MQTT_ASYNC = """
import asyncio, mqtt_async
from mqtt_async import MQTTClient, config
got = []
config.server, config.port, config.interface = "127.0.0.1", PORT, __import__("network").WLAN()
config.subs_cb = lambda *a: got.append(a[1])
async def main():
    c = MQTTClient(config)
    await c.connect()
""" + TEN_MESSAGES + "asyncio.run(main())\n"
MQTT_AS = """
import asyncio, sys
from mqtt_as import MQTTClient, config
got = []
config.update(server="127.0.0.1", port=PORT, ssid="x", wifi_pw="x", queue_len=20)
async def main():
    c = MQTTClient(config)
    async def up():
        pass
    c.wifi_connect = lambda *a, **k: up()
    await c.connect(quick=True)
    async def listen():
        async for topic, msg, retained, *_ in c.queue:
            got.append(bytes(msg))
    asyncio.create_task(listen())
""" + TEN_MESSAGES + "    sys.exit()\nasyncio.run(main())\n"
PICOWEB = """
import picoweb
def index(req, resp):
    yield from picoweb.start_response(resp)
    yield from resp.awrite("hello from it")
picoweb.WebApp(None, [("/", index)]).run(host="127.0.0.1", port=PORT, debug=-1)
"""
TINYWEB = """
import tinyweb
app = tinyweb.webserver()
@app.route("/")
async def index(request, response):
    await response.start_html()
    await response.send("hello from it")
app.run(host="127.0.0.1", port=PORT)
"""
PHEW = """
from phew import server
@server.route("/", methods=["GET"])
def index(request):
    return "hello from it"
server.run("127.0.0.1", PORT)
"""
REDIS = """
from uredis.uredis import Redis
r = Redis("127.0.0.1", PORT)
r.set("a", "b")
assert r.get("a") in (b"b", "b"), r.get("a")
print("done")
"""
MODBUS_SERVER = """
from umodbus.tcp import ModbusTCP
m = ModbusTCP()
m.bind(local_ip="127.0.0.1", local_port=PORT)
m.setup_registers(registers={"HREGS": {"one": {"register": 93, "len": 1, "val": 19}}})
while True:
    m.process()
"""
MODBUS_CLIENT = """
from umodbus.tcp import TCP
host = TCP(slave_ip="127.0.0.1", slave_port=PORT, timeout=5)
assert list(host.read_holding_registers(slave_addr=10, starting_addr=93, register_qty=1, signed=False)) == [19]
assert host.write_single_register(slave_addr=10, register_address=93, register_value=55, signed=False)
assert list(host.read_holding_registers(slave_addr=10, starting_addr=93, register_qty=1, signed=False)) == [55]
print("done")
"""
UMAIL = """
import umail
s = umail.SMTP("127.0.0.1", PORT)
s.to("somebody@localhost")
s.send("Subject: x\\r\\n\\r\\nhello from it")
s.quit()
"""
FTP = "import ftp; ftp.ftpserver(port=PORT)"
AIOHTTP = """
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get("URL") as response:
            assert response.status == 200
            print(await response.text())
asyncio.run(main())
"""
UAIOHTTP = """
import asyncio, uaiohttpclient
async def main():
    response = await uaiohttpclient.request("GET", "URL")
    print(await response.read())
asyncio.run(main())
"""
UREQUESTS = "import urequests; print(urequests.get('URL').text)"
WS_SERVER = """
import asyncio
from micropython_websockets import websockets
async def echo(ws):
    async for message in ws:
        await ws.send("echo: " + message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", PORT):
        while True:
            await asyncio.sleep(1)
asyncio.run(main())
"""
WS_CLIENT = """
import asyncio
from micropython_websockets import websockets
async def main():
    async with websockets.connect("ws://127.0.0.1:PORT/") as ws:
        for i in range(20):
            await ws.send("message %d" % i)
            assert await ws.recv() == "echo: message %d" % i
asyncio.run(main())
print("done")
"""
UWEBSOCKETS = """
import uwebsockets.client
with uwebsockets.client.connect("ws://127.0.0.1:PORT/") as ws:
    for i in range(20):
        ws.send("message %d" % i)
        assert ws.recv() == "echo: message %d" % i
print("done")
"""
MICROWEBSRV = """
from microWebSrv import MicroWebSrv
@MicroWebSrv.route("/")
def index(client, response):
    response.WriteResponseOk(contentType="text/html", contentCharset="UTF-8", content="hello from it")
MicroWebSrv(port=PORT, bindIP="127.0.0.1").Start(threaded=False)
"""
COAP = """
import _thread, time
from microcoapy import Coap
server = Coap(); server.debug = False
def hello(packet, ip, port):
    server.sendResponse(ip, port, packet.messageid, "hello from it", 69, 0, packet.token)
server.addIncomingRequestCallback("hello", hello)
server.start(PORT)
def serve():
    while True:
        server.poll(200)
_thread.start_new_thread(serve, ())
got = []
client = Coap(); client.debug = False
client.responseCallback = lambda packet, sender: got.append(bytes(packet.payload))
client.start(0)
for _ in range(10):
    client.get("127.0.0.1", PORT, "hello")
    client.poll(2000)
assert got and got[0] == b"hello from it", got
print("done")
"""

# name: (packages of ARCHIVES or "owner+repository[/folder]", function)
PROGRAMS = {
    "microdot": (["microdot"], lambda p: web(p, MICRODOT)),
    "umqtt.simple": (["umqtt"], lambda p: brokered(p, UMQTT)),
    "mqtt_as (`micropython-mqtt`)": (["mqtt_async"], lambda p: brokered(p, MQTT_ASYNC)),
    "mqtt_as (Hinch)": (["peterhinch+micropython-mqtt"], lambda p: brokered(p, MQTT_AS)),
    "picoweb": (["picoweb"], lambda p: web(p, PICOWEB)),
    "tinyweb": (["belyalov+tinyweb", "micropython+micropython-lib/python-stdlib/logging"], lambda p: web(p, TINYWEB)),
    "phew": (["phew"], lambda p: web(p, PHEW)),
    "uredis (`micropython-redis`)": (["uredis"], lambda p: redis(p, REDIS)),
    "umodbus": (["umodbus"], lambda p: two_ends(p, MODBUS_SERVER, MODBUS_CLIENT)),
    "uMail": (["shawwwn+uMail"], lambda p: mailed(p, UMAIL)),
    "FTP server": (["robert-hh+FTP-Server-for-ESP8266-ESP32-and-PYBD"], lambda p: ftp(p, FTP)),
    "aiohttp": (["micropython+micropython-lib/python-ecosys/aiohttp"], lambda p: fetched(p, AIOHTTP)),
    "aiohttp, self-signed": (["micropython+micropython-lib/python-ecosys/aiohttp"], lambda p: fetched(p, AIOHTTP, tls=True)),
    "urequests": (["urequests"], lambda p: fetched(p, UREQUESTS)),
    "urequests, self-signed": (["urequests"], lambda p: fetched(p, UREQUESTS, tls=True)),
    "uaiohttpclient": (["uaiohttpclient"], lambda p: fetched(p, UAIOHTTP, port=80)),
    "micropython-websockets": (["websockets"], lambda p: two_ends(p, WS_SERVER, WS_CLIENT)),
    "uwebsockets": (["danni+uwebsockets", "websockets", "micropython+micropython-lib/python-stdlib/logging"], lambda p: two_ends(p, WS_SERVER, UWEBSOCKETS)),
    "MicroWebSrv": (["jczic+MicroWebSrv"], lambda p: web(p, MICROWEBSRV)),
    "microCoAPy": (["insighio+microCoAPy"], lambda p: alone(p, COAP)),
}

# Programs that run on stock but not on ours, with the reasons in docs/conformance.md.
OTHERWISE = {"aiohttp, self-signed"}


def fetch(name):
    """The directory of a package's files for the path, or Skip."""
    package, wanted = ARCHIVES[name]
    to = f"{run.HOME}/programs-of/{name}"
    if not os.path.isdir(to):
        with tempfile.TemporaryDirectory() as tmp:
            # (pip fetches and checks; what it then cannot build it leaves unpacked with --no-clean.)
            r = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-clean", "-d", tmp, package],
                               env=dict(os.environ, TMPDIR=tmp), capture_output=True, text=True)
            for archive in os.listdir(tmp):
                if archive.endswith((".whl", ".zip", ".tar.gz")):
                    shutil.unpack_archive(f"{tmp}/{archive}", f"{tmp}/unpacked/x", "zip" if archive.endswith((".whl", ".zip")) else "gztar")
            found = {}
            for folder, folders, files in os.walk(tmp):
                for w in wanted:
                    if w in folders + files:
                        found.setdefault(w, f"{folder}/{w}")
            if set(found) != set(wanted):
                raise run.Skip(f"{package}: {(r.stderr.strip().splitlines() or ['nothing fetched'])[-1]}")
            os.makedirs(f"{to}.new", exist_ok=True)
            for w, path in found.items():
                (shutil.copytree if os.path.isdir(path) else shutil.copy)(path, f"{to}.new/{w}")
            os.rename(f"{to}.new", to)
    return to


def path_of(places, board):
    path = []
    for place in places:
        if place in ARCHIVES:
            path.append(fetch(place))
        elif os.path.isdir(f"{CHECKOUTS}/{place}"):
            path.append(f"{CHECKOUTS}/{place}")
        else:
            raise run.Skip("in no package archive: PROGRAMS=/checkouts tells where it is")
    return path + [board]


def try_on(interpreter, path, act):
    program = Program(interpreter, path)
    try:
        act(program)
        return "runs"
    except (AssertionError, *ftplib.all_errors) as e:
        return re.sub(r"\s+", " ", str(e))[:160] or type(e).__name__
    finally:
        program.end()


def main():
    run.prepare()
    r = subprocess.run([f"{run.TOP}/scripts/micropython-programs", "stock-tls"], capture_output=True, text=True)
    stocks = [run.STOCK] + ([r.stdout.strip()] if r.returncode == 0 else [])
    counts = [0, 0, 0]
    print("| program | stock | ours |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as board:
        for name, text in BOARD.items():
            with open(f"{board}/{name}", "w") as f:
                f.write(text)
        for name, (places, act) in PROGRAMS.items():
            if sys.argv[1:] and not any(word in name for word in sys.argv[1:]):
                continue
            try:
                path = path_of(places, board)
                stock = ""
                for interpreter in stocks if "self-signed" not in name else stocks[::-1]:
                    stock = try_on(interpreter, path, act)
                    if stock == "runs":
                        break
                ours = try_on(run.OURS, path, act)
            except run.Skip as e:
                print(f"| {name} | not tried: {e} | |", flush=True)
                counts[2] += 1
                continue
            print(f"| {name} | {stock} | {ours} |", flush=True)
            if ours == "runs":
                counts[0] += 1
            else:
                counts[1 if stock == "runs" and name not in OTHERWISE else 2] += 1
    print("{} passed, {} failed, {} skipped".format(*counts))
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.modules["run"] = run
    sys.exit(main())
