"""An echo client: says something over TCP, UDP and a Unix socket and checks what comes back.

    python3 examples/python/echo_client.py [TCP_PORT UDP_PORT UNIX_PATH]

A path that begins with @ is an abstract name. Without arguments it starts echo_server.py and ends
it afterwards.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import command
import usocket

TIMEOUT = 30  # seconds, for each operation
STREAM = os.urandom(4 * 1024 * 1024)
DATAGRAM = os.urandom(32 * 1024)


def checksum(data):
    return hashlib.sha256(data).hexdigest()[:16]


def echo_stream(s, data):
    """Sends on one thread, reads on another: neither side's buffers have to hold it all."""
    writer = threading.Thread(target=lambda: (s.write(data), s.shutdown(usocket.SHUT_WR)))
    writer.start()
    echoed = s.readall()
    writer.join()
    return echoed


def echo_datagram(s, data):
    s.send(data)
    return s.recv(65536)


def talk(what, s, address, echo, data):
    """One conversation, with a line about it; returns whether the echo was correct."""
    with s:
        s.settimeout(TIMEOUT)
        begun = time.perf_counter()
        s.connect(address)
        echoed = echo(s, data)
        ms = (time.perf_counter() - begun) * 1000
    same = echoed == data
    mbit = 2 * 8 * len(data) / ms / 1000
    print(
        f"{what}: {len(data):>8} bytes there and back in {ms:6.1f} ms, {mbit:6.0f} Mbit/s, "
        f"sha256 {checksum(data)} {'=' if same else '≠'} {checksum(echoed)}"
    )
    return same


def run(tcp_port, udp_port, path):
    tcp = usocket.getaddrinfo("127.0.0.1", tcp_port, 0, usocket.SOCK_STREAM)[0][-1]
    udp = usocket.getaddrinfo("127.0.0.1", udp_port, 0, usocket.SOCK_DGRAM)[0][-1]
    unix = "\0" + path[1:] if path.startswith("@") else path
    conversations = [
        (f"TCP  to {tcp[0]}:{tcp[1]}", usocket.socket(), tcp, echo_stream, STREAM),
        (
            f"UDP  to {udp[0]}:{udp[1]}",
            usocket.socket(usocket.AF_INET, usocket.SOCK_DGRAM),
            udp,
            echo_datagram,
            DATAGRAM,
        ),
        (f"Unix to {path}", usocket.socket(usocket.AF_UNIX), unix, echo_stream, STREAM),
    ]
    return all([talk(*conversation) for conversation in conversations])


def main(tcp_port, udp_port, path):
    print(f"usocket {usocket.version} for Python {sys.version.split()[0]}: an echo")
    if path is not None:
        return run(tcp_port, udp_port, path)
    program = Path(__file__).with_name("echo_server.py")
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as server:
        try:
            good = run(*(server.stdout.readline().split()[1] for _ in range(3)))
        finally:
            server.terminate()
            print(server.stdout.read(), end="")
    return good and server.returncode == 0


def arguments():
    parser = command.parser(__doc__)
    parser.add_argument("tcp_port", type=command.port, nargs="?", help="of the server, with UDP's")
    parser.add_argument("udp_port", type=command.port, nargs="?", help="and the path")
    parser.add_argument("path", nargs="?", help="of its Unix socket; @ begins an abstract name")
    found = parser.parse_args()
    if found.tcp_port is not None and found.path is None:
        parser.error("give TCP_PORT, UDP_PORT and PATH, or none of them")
    return found


if __name__ == "__main__":
    command.run(main, arguments())
