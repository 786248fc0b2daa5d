"""A runtime's own end: a Python interpreter that finalises while its threads are inside the library.

Each program is run many times: which thread is where when the interpreter goes is the clock's choice.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from cases import case, holds, main  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROUNDS = 20 if int(os.environ.get("STRESS_SHARE", 100)) == 100 else 3

# Daemon threads in every call that can block while the main thread exits.
THREADS = """
import signal, socket, ssl, sys, threading, time, os
import usocket, uselect, ussl

def tls_pair():
    a, b = usocket.socketpair()
    server = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTS + "/server.pem", CERTS + "/server-key.pem")
    client = ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(CERTS + "/ca.pem")
    side = []
    t = threading.Thread(target=lambda: side.append(server.wrap_socket(b, server_side=True)))
    t.start()
    s = client.wrap_socket(a, server_hostname="localhost")
    t.join()
    return s, side[0]

def inside(call, *arguments):
    def body():
        started.release()
        while True:
            try:
                call(*arguments)
            except OSError:
                time.sleep(0)
    threading.Thread(target=body, daemon=True).start()

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it is ignored
started = threading.Semaphore(0)
keep = [usocket.socketpair() for _ in range(4)]
inside(keep[0][0].recv, 10)
inside(keep[1][0].recv_into, bytearray(10))
inside(keep[2][0].makefile("rb").readline)
listener = usocket.create_server(("127.0.0.1", 0))
inside(listener.accept)
poller = uselect.poll()
poller.register(keep[3][0], uselect.POLLIN)
inside(poller.poll)
inside(usocket.getaddrinfo, "localhost", 80)
tls = tls_pair()
inside(tls[0].recv, 10)
inside(tls[1].send, b"x" * 65536)
inside(lambda: usocket.create_connection(listener.getsockname()).close())
for _ in range(9):
    started.acquire()
"""

ENDS = {
    "it returns": ("pass", 0),
    "sys.exit(3)": ("sys.exit(3)", 3),
    "an exception": ("raise ValueError('the end')", 1),
    "a hook of atexit closes what they are in": (
        "import atexit\n"
        "atexit.register(lambda: [s.close() for s in (listener, *tls, *(s for p in keep for s in p))])", 0),
    "SIGINT": ("os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)", -2),
}


def ends(how):
    last, expected = ENDS[how]
    program = f"CERTS = {os.path.join(ROOT, 'target/certs')!r}\n{THREADS}\n{last}\n"
    environment = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "python"))
    for n in range(ROUNDS):
        done = subprocess.run([sys.executable, "-X", "dev", "-W", "ignore::ResourceWarning", "-c", program],
                              env=environment, capture_output=True, text=True, timeout=60)
        holds(done.returncode == expected, f"round {n}: ended with {done.returncode}: {done.stderr[-600:]}")
        quiet = expected in (0, 3)
        holds(not quiet or not done.stderr, f"round {n}: said {done.stderr[-600:]}")


for how in ENDS:
    case(f"life: Python ends with threads inside: {how}", seconds=600, how=how)(ends)

main(__file__)
