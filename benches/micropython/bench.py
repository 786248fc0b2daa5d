# One measurement on the firmware: bench.py NAME COUNT prints microseconds. Runs on stock too.
import sys
import time
import _thread

sys.path.append("../../micropython-tests")
from support import pair


def echo(a, b, n):
    """64 bytes there and back, n times."""
    message = bytes(64)

    def serve():
        for _ in range(n):
            b.send(b.recv(64))

    _thread.start_new_thread(serve, ())
    begun = time.ticks_us()
    for _ in range(n):
        a.send(message)
        a.recv(64)
    return time.ticks_diff(time.ticks_us(), begun)


def bulk(a, b, n):
    """n pieces of 64 KiB one way, read into one buffer."""
    piece = bytes(65536)

    def serve():
        for _ in range(n):
            b.write(piece)

    room = bytearray(65536)
    begun = time.ticks_us()
    _thread.start_new_thread(serve, ())
    for _ in range(n):
        a.readinto(room)
    return time.ticks_diff(time.ticks_us(), begun)


def bulk_recv(a, b, n):
    """n pieces of 64 KiB one way, received as bytes."""
    piece = bytes(65536)

    def serve():
        for _ in range(n):
            b.write(piece)

    left = n * 65536
    begun = time.ticks_us()
    _thread.start_new_thread(serve, ())
    while left:
        left -= len(a.recv(65536))
    return time.ticks_diff(time.ticks_us(), begun)


def readline(a, b, n):
    """n lines of 80 bytes."""
    lines = (b"x" * 79 + b"\n") * 100

    def serve():
        for _ in range(n // 100):
            b.write(lines)

    _thread.start_new_thread(serve, ())
    time.sleep_ms(50)
    begun = time.ticks_us()
    for _ in range(n):
        assert len(a.readline()) == 80
    return time.ticks_diff(time.ticks_us(), begun)


a, b = pair()
print(globals()[sys.argv[1]](a, b, int(sys.argv[2])))
