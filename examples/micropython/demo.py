# MicroPython over libusocket: one echo server for TCP, UDP and Unix sockets in a thread of this program, all
# of it in one select.poll, and clients that send it real data and compare what comes back.
#
#     target/micropython/micropython examples/micropython/demo.py
#
# Exits with 0 only if every byte came back as sent.

import _thread
import hashlib
import os
import select
import socket
import sys
import time

STREAM = os.urandom(64 * 1024) * 2  # with all its copies in the port's own 2 MB of heap
DATAGRAM = os.urandom(1200)
DATAGRAMS = 500
TIMEOUT = 10  # seconds, for each operation


def show(address):
    """An address as readable text."""
    if isinstance(address, tuple):
        return ("%s:%d" if len(address) == 2 else "[%s]:%d") % address[:2]
    if isinstance(address, bytes):
        return "@" + address[1:].decode()
    return address or "a client without a name"


def checksum(data):
    return "".join("%02x" % b for b in hashlib.sha256(data).digest()[:8])


class Server:
    """Echoes the data of all clients at once."""

    def __init__(self):
        self.poll = select.poll()
        self.streams = []
        self.datagrams = []

    def listen(self, family, kind, address):
        s = socket.socket(family, kind)
        s.bind(address)
        if kind == socket.SOCK_STREAM:
            s.listen()
            self.streams.append(s)
        else:
            self.datagrams.append(s)
        self.poll.register(s, select.POLLIN)
        return s.getsockname()

    def run(self):
        waiting = {}  # bytes to echo that the client has not read yet
        room = bytearray(64 * 1024)
        while True:
            for s, events in self.poll.ipoll():
                if s in self.streams:
                    conn, _ = s.accept()
                    conn.setblocking(False)
                    self.poll.register(conn, select.POLLIN)
                    waiting[conn.fileno()] = b""
                elif s in self.datagrams:
                    n, sender = s.recvfrom_into(room)
                    s.sendto(memoryview(room)[:n], sender)
                else:
                    self.echo(s, waiting, room)

    def echo(self, s, waiting, room):
        fd = s.fileno()
        data = waiting[fd]
        if not data:
            n = s.recv_into(room)
            if n == 0:
                del waiting[fd]
                self.poll.unregister(s)
                s.close()
                return
            data = memoryview(room)[:n]
        sent = s.write(data) or 0
        waiting[fd] = bytes(data[sent:])
        self.poll.modify(s, select.POLLOUT if waiting[fd] else select.POLLIN)


def report(what, size, back, expected, us):
    same = back == expected
    print("      %d bytes back in %.1f ms%s" % (size, us / 1000, what))
    print("      sha256 %s... %s\n" % (checksum(back), "matches" if same else "DOES NOT MATCH what was sent"))
    return same


def stream_client(name, family, address):
    with socket.socket(family) as s:
        s.settimeout(TIMEOUT)
        s.connect(address)
        print("%s\n   %s -> %s" % (name, show(s.getsockname()), show(address)))
        for i in range(1, 4):
            s.write("line %d of 3\n" % i)
            print("      " + s.readline().decode(), end="")
        begun = time.ticks_us()

        def send():
            s.sendall(STREAM)
            s.shutdown(socket.SHUT_WR)

        _thread.start_new_thread(send, ())
        back = s.read(len(STREAM))
        us = time.ticks_diff(time.ticks_us(), begun)
    return report(", %.0f MB/s each way" % (len(back) / us), len(back), back, STREAM, us)


def datagram_client(name, family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(TIMEOUT)
        s.connect(address)
        print("%s\n   %s -> %s" % (name, show(s.getsockname()), show(address)))
        back = b""
        begun = time.ticks_us()
        for _ in range(DATAGRAMS):
            s.send(DATAGRAM)
            back = s.recv(2048)
            if back != DATAGRAM:
                break
        us = time.ticks_diff(time.ticks_us(), begun)
    return report(", %.0f us a round trip" % (us / DATAGRAMS), DATAGRAMS * len(back), back, DATAGRAM, us)


def main():
    print("%s, with libusocket's modules\n" % sys.version)
    server = Server()
    tcp = server.listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
    udp = server.listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
    unix = server.listen(socket.AF_UNIX, socket.SOCK_STREAM, b"\0usocket-demo-%d" % time.ticks_us())
    print("an echo server on %s (TCP), %s (UDP), %s (Unix)\n" % (show(tcp), show(udp), show(unix)))
    _thread.start_new_thread(server.run, ())
    good = stream_client("TCP", socket.AF_INET, tcp)
    good &= datagram_client("UDP", socket.AF_INET, udp)
    good &= stream_client("Unix stream, with an abstract name", socket.AF_UNIX, unix)
    return 0 if good else 1


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit(130)
