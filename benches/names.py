"""Runs a program in a world whose name server takes a tenth of a second for names that begin with "slow".

`python3 benches/names.py servers|library PROGRAM [ARGUMENT...]`, as root: see python-tests/dns_world.py for the
two ways. The server is one thread of its own process, so that it is not what is measured:

    make target/release/libusocket.so.0
    cc -O1 -o target/names benches/names.c -Iinclude -Ltarget/release -lusocket -Wl,-rpath,$PWD/target/release -pthread
    python3 benches/names.py servers target/names
"""

import heapq
import os
import select
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "python-tests"))
import dns_world

DELAY = 0.1


def reply(query):
    end = query.index(0, 12) + 5
    (kind,) = struct.unpack("!H", query[end - 4 : end - 2])
    record = b""
    if kind == 1:
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x7f\0\0\x07"
    header = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if record else 0, 0, 0)
    return header + query[12:end] + record


def serve(server):
    late = []
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        ready = select.select([server], [], [], wait)[0]
        while late and late[0][0] <= time.monotonic():
            _, message, client = heapq.heappop(late)
            server.sendto(message, client)
        if ready:
            query, client = server.recvfrom(4096)
            if query[13:17] == b"slow":
                heapq.heappush(late, (time.monotonic() + DELAY, reply(query), client))
            else:
                server.sendto(reply(query), client)


def main():
    way, *program = sys.argv[1:]
    sys.argv[1:] = ["", way]
    dns_world.start_server = lambda address: None
    dns_world.make_world()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    server.setsockopt(socket.SOL_SOCKET, dns_world.SO_RCVBUFFORCE, 16 << 20)
    child = os.fork()
    if child == 0:
        serve(server)
    try:
        sys.exit(subprocess.call(program))
    finally:
        os.kill(child, 15)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
