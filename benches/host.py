# host.py - the bench program of the Python hosts; runs under CPython and under MicroPython.
#
#   host.py MODULE far|near WHAT PORT [SIZE] [MODULE OF TLS]
#
# MODULE is what is measured ("socket", "usocket"); both ends, far and near, run the same. WHAT is
#   pingpong   one operation: a message of SIZE bytes there and one back
#   timeout    the same, with a timeout that is far away
#   bulk       one operation: SIZE bytes sent, and received
#   streams    one operation: a line of SIZE bytes there and back, by asyncio's streams
#   readline   one operation: a line of SIZE bytes read, and not a byte more
#   readahead  the same, but CPython's own file on the socket may read more than the line
#   handshake  one operation: connect, full TLS handshake, a byte from the server, close
# and over TLS "tls-pingpong", "tls-bulk". The near end answers commands as bench.h does.

import os
import sys
import time

socket = __import__(sys.argv[1])
NEAR = sys.argv[2] == "near"
WHAT = sys.argv[3]
PORT = int(sys.argv[4])
SIZE = int(sys.argv[5]) if len(sys.argv) > 5 else 1
TLS = sys.argv[6] if len(sys.argv) > 6 else None
MICROPYTHON = sys.implementation.name == "micropython"
IPPROTO_TCP, TCP_NODELAY = 6, 1

clock = getattr(time, "perf_counter_ns", None) or time.time_ns


def serve(run):
    print("ready")
    while True:
        line = sys.stdin.readline()
        if not line:
            break
        n = int(line)
        start = clock()
        run(n)
        print(clock() - start)


# --- connections ------------------------------------------------------------------------------


def certificate(name):
    return (os.getenv("BENCH_CERTS") or ".") + "/" + name


def content(name):
    with open(certificate(name), "rb") as f:
        return f.read()


def context():
    tls = __import__(TLS)
    c = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT if NEAR else tls.PROTOCOL_TLS_SERVER)
    # Full handshakes on every side: no tickets, and nothing resumed.
    if hasattr(c, "set_resumption"):
        c.set_resumption(0)
    elif not NEAR and hasattr(c, "num_tickets"):
        c.num_tickets = 0
    if MICROPYTHON and NEAR:
        c.verify_mode = tls.CERT_REQUIRED
        # Here too nothing is resumed: with a callback of its own a client of ours does not.
        c.verify_callback = lambda cert, depth: 0
        c.load_verify_locations(content("ca.der"))
    elif MICROPYTHON:
        c.load_cert_chain(content("server.der"), content("server.key.der"))
    elif NEAR:
        c.load_verify_locations(certificate("ca.pem"))
    else:
        c.load_cert_chain(certificate("server.pem"), certificate("server.key"))
    return c


def listening():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(socket.getaddrinfo("127.0.0.1", PORT)[0][-1])
    s.listen(16)
    print("ready")
    return s


def wrapped(s, tls):
    s.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    if tls is None:
        return s
    if NEAR:
        return tls.wrap_socket(s, server_hostname="localhost")
    return tls.wrap_socket(s, server_side=True)


def connected(tls):
    s = socket.socket()
    s.connect(socket.getaddrinfo("127.0.0.1", PORT)[0][-1])
    return wrapped(s, tls)


# The interface of both hosts, by the host's names.
if MICROPYTHON:

    def send_all(s, data):
        s.write(data)

    def receive_into(s, view):
        return s.readinto(view)
else:

    def send_all(s, data):
        s.sendall(data)

    def receive_into(s, view):
        return s.recv_into(view)


def receive_whole(s, buffer, n):
    got = receive_into(s, buffer)
    while got < n:
        got += receive_into(s, memoryview(buffer)[got:])


# --- the near end measures, the far end serves ------------------------------------------------


def pingpong(s):
    message, room = bytes(SIZE), bytearray(SIZE)
    if not NEAR:
        while True:
            receive_whole(s, room, SIZE)
            send_all(s, message)

    def run(n):
        for _ in range(n):
            send_all(s, message)
            receive_whole(s, room, SIZE)

    serve(run)


def timeout(s):
    s.settimeout(60)
    pingpong(s)


def streams(s):
    import asyncio

    s.setblocking(False)
    line = b"x" * (SIZE - 1) + b"\n"

    async def opened():
        return await asyncio.open_connection(sock=s)

    async def far():
        reader, writer = await opened()
        while True:
            writer.write(await reader.readline())

    async def near(n):
        reader, writer = ends
        for _ in range(n):
            writer.write(line)
            await reader.readline()

    loop = asyncio.new_event_loop()
    if not NEAR:
        loop.run_until_complete(far())
    ends = loop.run_until_complete(opened())
    serve(lambda n: loop.run_until_complete(near(n)))


def bulk(s):
    message, room = bytes(SIZE), bytearray(SIZE)
    if not NEAR:
        # Its length before, a byte after: then all of it is through.
        while True:
            receive_whole(s, memoryview(room)[:8], 8)
            for _ in range(int.from_bytes(bytes(room[:8]), "big")):
                receive_whole(s, room, SIZE)
            send_all(s, b"x")

    def run(n):
        send_all(s, n.to_bytes(8, "big"))
        for _ in range(n):
            send_all(s, message)
        receive_whole(s, memoryview(room)[:1], 1)

    serve(run)


def readline(s):
    line = b"x" * (SIZE - 1) + b"\n"
    if not NEAR:
        while True:
            send_all(s, line * 500)
    # CPython's socket has no readline of its own, but makefile, which reads ahead if it may.
    ahead = -1 if WHAT == "readahead" else 0
    reader = s if hasattr(s, "readline") else s.makefile("rb", ahead)

    def run(n):
        for _ in range(n):
            reader.readline()

    serve(run)


def handshakes(tls):
    if not NEAR:
        listener = listening()
        while True:
            s = wrapped(listener.accept()[0], tls)
            send_all(s, b"x")
            # The client closes first: no TIME_WAIT on the listener's side.
            try:
                receive_into(s, bytearray(1))
            except OSError:
                pass
            s.close()
    room = bytearray(1)

    def run(n):
        for _ in range(n):
            s = connected(tls)
            receive_into(s, room)
            s.close()

    serve(run)


def main():
    tls = context() if TLS else None
    what = WHAT[4:] if WHAT.startswith("tls-") else WHAT
    if what == "handshake":
        return handshakes(tls)
    s = connected(tls) if NEAR else wrapped(listening().accept()[0], tls)
    {"pingpong": pingpong, "timeout": timeout, "bulk": bulk, "readline": readline, "readahead": readline,
     "streams": streams}[what](s)


main()
