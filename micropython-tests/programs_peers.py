"""What programs.py runs a program with: its interpreter, and the servers and clients at the other end."""

import ftplib
import http.server
import io
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request

import host_programs
import run
from host_programs import free_port


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
