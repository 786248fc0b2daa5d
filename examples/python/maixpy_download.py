"""Example 1 of the MaixPy document, "Download the picture", against a server of its own.

The client is the document's, line by line; only the wifi and the display are gone, and the names
of the server and of the file are those of this machine.
"""

import os
import tempfile
import threading
import time

import command
import picture
import usocket as socket

PATH = "/MAIX/MaixPy/assets/Alice.bmp"


def serve(listener, image):
    """Answers one request over HTTP, and closes."""
    conn, address = listener.accept()
    with conn:
        request = conn.readline().split()
        while conn.readline().strip():
            pass
        found = request[:2] == [b"GET", PATH.encode()]
        status, body = ("200 OK", image) if found else ("404 Not Found", b"")
        conn.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n")
        conn.write(body)
    print(f"  server: {address[0]}:{address[1]} asked for {PATH}, gave it {len(body)} bytes")


def download(host, port, file_name):
    sock = socket.socket()
    addr = socket.getaddrinfo(host, port)[0][-1]
    sock.connect(addr)
    sock.send(f"""GET {PATH} HTTP/1.1
Host: {host}
cache-control: no-cache

""")

    img = b""
    sock.settimeout(5)
    pieces = 0
    while True:
        data = sock.recv(4096)
        if len(data) == 0:
            break
        pieces += 1
        img = img + data
    sock.close()

    print(f"  client: received {len(img)} bytes in {pieces} pieces from {addr[0]}:{addr[1]}")
    img = img[img.find(b"\r\n\r\n") + 4 :]
    f = open(file_name, "wb")
    f.write(img)
    f.close()


def main():
    print("MaixPy example 1: download a picture")
    original = picture.make()
    with socket.socket() as listener, tempfile.TemporaryDirectory() as directory:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = threading.Thread(target=serve, args=(listener, original), daemon=True)
        server.start()
        file_name = os.path.join(directory, "Alice.bmp")
        begun = time.perf_counter()
        download(*listener.getsockname(), file_name)
        ms = (time.perf_counter() - begun) * 1000
        server.join()
        with open(file_name, "rb") as f:
            saved = f.read()
    print(f"  offered: {picture.describe(original)}")
    print(f"  saved:   {picture.describe(saved)}, in {ms:.1f} ms")
    if saved == original:
        return True
    print("  the picture is not the same")
    return False


if __name__ == "__main__":
    command.run(main, command.parser(__doc__).parse_args())
