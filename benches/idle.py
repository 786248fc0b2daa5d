# idle.py - an asyncio server of MicroPython that has nothing to do: 5 plain connections, 1 of TLS.
#
#   idle.py PORT        plain on PORT, TLS on PORT + 1; says "ready" once all six are there

import asyncio
import os
import sys
import tls

PORT = int(sys.argv[1])
there = 0


def content(name):
    with open((os.getenv("BENCH_CERTS") or ".") + "/" + name, "rb") as f:
        return f.read()


async def serve(reader, writer):
    global there
    writer.write(b"x")
    await writer.drain()
    there += 1
    if there == 6:
        print("ready")
    await reader.read(1)


async def main():
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(content("server.der"), content("server.key.der"))
    await asyncio.start_server(serve, "127.0.0.1", PORT)
    await asyncio.start_server(serve, "127.0.0.1", PORT + 1, ssl=context)
    print("listening")
    while True:
        await asyncio.sleep(3600)


asyncio.run(main())
