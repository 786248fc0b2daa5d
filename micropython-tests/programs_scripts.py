"""The scripts in MicroPython with which programs.py uses each program; PORT, URL and the like are filled in."""

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
