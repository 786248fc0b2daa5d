"""An echo server: TCP, UDP and a Unix socket at once, with one uselect.poll.

    python3 examples/python/echo_server.py [TCP_PORT [UDP_PORT [UNIX_PATH]]]

Ports of 0 (the default) are of the system's choice; the path defaults to an abstract name. It prints its
addresses, one per line, then the amount of data of each client, and ends with Ctrl-C or on SIGTERM.
"""

import os
import signal

import command
import uselect
import usocket


def show(address):
    """An address as readable text."""
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    if isinstance(address, bytes):
        return "@" + address[1:].decode()
    return address or "a client without a name"


def listen_tcp(port):
    s = usocket.socket()
    s.setsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen()
    return s


def listen_udp(port):
    s = usocket.socket(usocket.AF_INET, usocket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    return s


def listen_unix(path):
    s = usocket.socket(usocket.AF_UNIX)
    s.bind(path)
    s.listen()
    return s


def serve(tcp, udp, unix):
    poller = uselect.poll()
    for s in (tcp, udp, unix):
        poller.register(s, uselect.POLLIN)
    streams = {}
    while True:
        for s, _ in poller.ipoll():
            if s is udp:
                data, sender = udp.recvfrom(65536)
                udp.sendto(data, sender)
                print(f"  server: UDP  {show(sender)} sent {len(data)} bytes", flush=True)
            elif s in (tcp, unix):
                conn, peer = s.accept()
                streams[conn] = ["TCP " if s is tcp else "Unix", show(peer), 0]
                poller.register(conn, uselect.POLLIN)
            else:
                data = s.recv(65536)
                if data:
                    s.sendall(data)
                    streams[s][2] += len(data)
                    continue
                kind, peer, total = streams.pop(s)
                print(f"  server: {kind} {peer} sent {total} bytes", flush=True)
                poller.unregister(s)
                s.close()


def main(tcp_port, udp_port, path):
    # Also if the parent process ignores SIGINT.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    path = "\0" + path[1:] if path.startswith("@") else path
    tcp, udp, unix = listen_tcp(tcp_port), listen_udp(udp_port), listen_unix(path)
    with tcp, udp, unix:
        try:
            print("tcp", tcp.getsockname()[1])
            print("udp", udp.getsockname()[1])
            print("unix", show(unix.getsockname()), flush=True)
            serve(tcp, udp, unix)
        except KeyboardInterrupt:
            pass
        finally:
            if not path.startswith("\0"):
                os.unlink(path)


def arguments():
    parser = command.parser(__doc__)
    parser.add_argument("tcp_port", type=command.port, nargs="?", default=0)
    parser.add_argument("udp_port", type=command.port, nargs="?", default=0)
    name = f"@usocket-echo-{os.getpid()}"
    parser.add_argument("path", nargs="?", default=name, help="@ begins an abstract name")
    return parser.parse_args()


if __name__ == "__main__":
    command.run(main, arguments())
