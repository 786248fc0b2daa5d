#!/usr/bin/env python3
"""MicroPython's well-known programs, unmodified, on a stock interpreter and on ours: the table in docs/conformance.md.

Those that a package archive has come from there (scripts/micropython-programs fetches what it can); of the others a checkout is
looked for in $PROGRAMS/<owner>+<repository>. Modules that only boards have (network, machine) are replaced
by stubs. The last line counts: a program that runs on stock and not on ours failed. Names on the command
line choose.
"""

import ftplib
import os
import re
import shutil
import subprocess
import sys
import tempfile

import run
import programs_scripts as scripts
from programs_peers import Program, alone, brokered, fetched, ftp, mailed, redis, two_ends, web

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

# name: (packages of ARCHIVES or "owner+repository[/folder]", function)
PROGRAMS = {
    "microdot": (["microdot"], lambda p: web(p, scripts.MICRODOT)),
    "umqtt.simple": (["umqtt"], lambda p: brokered(p, scripts.UMQTT)),
    "mqtt_as (`micropython-mqtt`)": (["mqtt_async"], lambda p: brokered(p, scripts.MQTT_ASYNC)),
    "mqtt_as (Hinch)": (["peterhinch+micropython-mqtt"], lambda p: brokered(p, scripts.MQTT_AS)),
    "picoweb": (["picoweb"], lambda p: web(p, scripts.PICOWEB)),
    "tinyweb": (["belyalov+tinyweb", "micropython+micropython-lib/python-stdlib/logging"], lambda p: web(p, scripts.TINYWEB)),
    "phew": (["phew"], lambda p: web(p, scripts.PHEW)),
    "uredis (`micropython-redis`)": (["uredis"], lambda p: redis(p, scripts.REDIS)),
    "umodbus": (["umodbus"], lambda p: two_ends(p, scripts.MODBUS_SERVER, scripts.MODBUS_CLIENT)),
    "uMail": (["shawwwn+uMail"], lambda p: mailed(p, scripts.UMAIL)),
    "FTP server": (["robert-hh+FTP-Server-for-ESP8266-ESP32-and-PYBD"], lambda p: ftp(p, scripts.FTP)),
    "aiohttp": (["micropython+micropython-lib/python-ecosys/aiohttp"], lambda p: fetched(p, scripts.AIOHTTP)),
    "aiohttp, self-signed": (["micropython+micropython-lib/python-ecosys/aiohttp"], lambda p: fetched(p, scripts.AIOHTTP, tls=True)),
    "urequests": (["urequests"], lambda p: fetched(p, scripts.UREQUESTS)),
    "urequests, self-signed": (["urequests"], lambda p: fetched(p, scripts.UREQUESTS, tls=True)),
    "uaiohttpclient": (["uaiohttpclient"], lambda p: fetched(p, scripts.UAIOHTTP, port=80)),
    "micropython-websockets": (["websockets"], lambda p: two_ends(p, scripts.WS_SERVER, scripts.WS_CLIENT)),
    "uwebsockets": (["danni+uwebsockets", "websockets", "micropython+micropython-lib/python-stdlib/logging"], lambda p: two_ends(p, scripts.WS_SERVER, scripts.UWEBSOCKETS)),
    "MicroWebSrv": (["jczic+MicroWebSrv"], lambda p: web(p, scripts.MICROWEBSRV)),
    "microCoAPy": (["insighio+microCoAPy"], lambda p: alone(p, scripts.COAP)),
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
