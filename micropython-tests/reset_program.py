# A program that leaves everything open when a board is reset: sanitized.py runs it a hundred times in one
# process. It prints the number of descriptors at its start.
import asyncio
import os
import select
import socket
import sys
import tls

sys.path.append(__file__.rsplit("/", 1)[0])
from support import listener, pair

print("began with", len([1 for _ in os.ilistdir("/proc/self/fd")]))

certs = "../target/certs/"


def read(name):
    with open(certs + name, "rb") as f:
        return f.read()


plain = pair()
plain[0].send(b"not read")
server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
server.load_cert_chain(read("server.der"), read("server-key.der"))
client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
client.verify_mode = tls.CERT_NONE
a, b = pair()
s = server.wrap_socket(a, server_side=True, do_handshake_on_connect=False)
c = client.wrap_socket(b, do_handshake_on_connect=False)
s.setblocking(False)
c.setblocking(False)
c.write(b"half a handshake")
s.read(10)
poll = select.poll()
for one in plain + (s, c):
    poll.register(one, select.POLLIN)
assert poll.poll(0)
waiting, port = listener()


async def main():
    async def serve(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()

    await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"never read\n")
    await writer.drain()


asyncio.run(main())
