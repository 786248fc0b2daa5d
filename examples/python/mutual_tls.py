"""Mutual TLS: the server knows its clients by their certificates, and turns strangers away.

    python3 examples/python/mutual_tls.py

Both ends are in this program. Three clients come: one with a certificate, one with somebody else's
and one with none.
"""

import threading

import certificates
import command
import usocket
import ussl

TIMEOUT = 30  # seconds, for each operation


def server_context(directory):
    context = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server-key.pem")
    context.load_verify_locations(directory / "ca.pem")
    context.verify_mode = ussl.CERT_REQUIRED
    return context


def client_context(directory, name):
    context = ussl.create_default_context(cafile=directory / "ca.pem")
    if name:
        context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}-key.pem")
    return context


def serve(listener, context, count):
    """Greets each client by the name in its certificate."""
    for _ in range(count):
        conn, _ = listener.accept()
        conn.settimeout(TIMEOUT)
        with conn:
            try:
                with context.wrap_socket(conn, server_side=True) as s:
                    name = dict(pair for (pair,) in s.getpeercert()["subject"])["commonName"]
                    s.write(f"good day, {name}\n")
                    s.readall()
            except ussl.SSLError as e:
                print(f"  server: {e}")


def visit(address, context):
    """The server's greeting to a client with a context."""
    plain = usocket.create_connection(address, TIMEOUT)
    # In TLS 1.3 a client completes the handshake before the server checks its certificate: a refusal
    # comes with the first response.
    with plain, context.wrap_socket(plain, server_hostname="localhost") as s:
        line = s.readline().decode().strip()
        print(f"  client: {s.version()}, {s.cipher()[0]}, {s.group()}: {line}")
        return line


def main():
    print(f"usocket {usocket.version}: mutual TLS")
    directory, outcome = certificates.make(), []
    clients = {"client": "with a certificate", "client-other": "with a stranger's", None: "without"}
    with usocket.create_server(("127.0.0.1", 0)) as listener:
        arguments = listener, server_context(directory), len(clients)
        thread = threading.Thread(target=serve, args=arguments)
        thread.start()
        for name, words in clients.items():
            try:
                outcome.append(visit(listener.getsockname(), client_context(directory, name)))
            except ussl.SSLError as e:
                print(f"  client {words}: {e}")
                outcome.append(e.alert)
        thread.join()
    return outcome == ["good day, a client", 48, 116]  # unknown_ca, certificate_required


if __name__ == "__main__":
    command.run(main, command.parser(__doc__).parse_args())
