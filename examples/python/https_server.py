"""An HTTPS server: its page shows the client, the request and the TLS parameters.

    python3 examples/python/https_server.py [CERTIFICATE KEY [PORT]]

The files are PEM or DER. Without any it makes certificates for localhost and prints the CA to trust.
Port 0 (the default) is of the system's choice. It ends with Ctrl-C or on SIGTERM.
"""

import signal
import threading

import certificates
import command
import usocket
import ussl

PATIENCE = 10  # seconds that a client may be silent


def answer(conn):
    """Serves one request after the other, until the client closes."""
    while request := conn.readline():
        while conn.readline().strip():
            pass
        name, version, _ = conn.cipher()
        text = (
            f"you asked {conn.server_hostname} for {request.split()[1].decode()}\n"
            f"over {version}, {name}, {conn.group()}\n"
        )
        conn.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}")


def serve(conn, peer, context):
    """One connection, on a thread of its own: the handshake is part of it."""
    conn.settimeout(PATIENCE)
    with conn:
        try:
            with context.wrap_socket(conn, server_side=True) as wrapped:
                answer(wrapped)
        except OSError as e:
            print(f"  server: {peer[0]}:{peer[1]}: {e}", flush=True)


def main(certificate, key, port):
    # Also if the parent process ignores SIGINT.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    if certificate is None:
        directory = certificates.make()
        certificate, key = directory / "server.pem", directory / "server-key.pem"
        print("trust", directory / "ca.pem")
    context = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    with usocket.create_server(("127.0.0.1", port)) as listener:
        print(f"url https://localhost:{listener.getsockname()[1]}/", flush=True)
        try:
            while True:
                arguments = (*listener.accept(), context)
                threading.Thread(target=serve, args=arguments, daemon=True).start()
        except KeyboardInterrupt:
            pass


def arguments():
    parser = command.parser(__doc__)
    parser.add_argument("certificate", nargs="?", help="a file, PEM or DER")
    parser.add_argument("key", nargs="?", help="its private key")
    parser.add_argument("port", type=command.port, nargs="?", default=0)
    found = parser.parse_args()
    if found.certificate is not None and found.key is None:
        parser.error("a certificate needs its KEY")
    return found


if __name__ == "__main__":
    command.run(main, arguments())
