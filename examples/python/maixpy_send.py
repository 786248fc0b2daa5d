"""Example 2 of the MaixPy document, "Sending pictures", to a server of its own.

The client is the document's, line by line; only the wifi is gone, and the address and the name of
the file are those of this machine.
"""

import os
import tempfile
import threading
import time

import command
import picture
import usocket as socket


def receive(listener, received):
    """Takes what one client sends, to the end."""
    conn, address = listener.accept()
    with conn:
        received.append(conn.readall())
    print(f"  server: {address[0]}:{address[1]} sent {len(received[0])} bytes")


def send(addr, file_name):
    sock = socket.socket()
    sock.connect(addr)
    sock.settimeout(5)

    pieces = 0
    f = open(file_name, "rb")
    while True:
        img = f.read(2048)
        if not img or (len(img) == 0):
            break
        sock.send(img)
        pieces += 1
    f.close()
    sock.close()
    print(f"  client: sent {pieces} pieces to {addr[0]}:{addr[1]}")


def main():
    print("MaixPy example 2: send a picture")
    original, received = picture.make(), []
    with socket.socket() as listener, tempfile.TemporaryDirectory() as directory:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = threading.Thread(target=receive, args=(listener, received), daemon=True)
        server.start()
        file_name = os.path.join(directory, "Alice.bmp")
        with open(file_name, "wb") as f:
            f.write(original)
        begun = time.perf_counter()
        send(listener.getsockname(), file_name)
        server.join()
        ms = (time.perf_counter() - begun) * 1000
    print(f"  sent:     {picture.describe(original)}")
    print(f"  received: {picture.describe(received[0])}, in {ms:.1f} ms")
    if received[0] == original:
        return True
    print("  the picture is not the same")
    return False


if __name__ == "__main__":
    command.run(main, command.parser(__doc__).parse_args())
