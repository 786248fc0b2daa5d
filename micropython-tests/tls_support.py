# Contexts and connections for the tests of TLS.
import os
import tls
from support import Thread, pair

CERTS = os.getenv("USOCKET_TEST_CERTS") + "/"


def load(name):
    with open(CERTS + name, "rb") as f:
        return f.read()


def server_context(name="server", **attributes):
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(load(name + ".pem"), load(name + ".key"))
    for key in attributes:
        setattr(context, key, attributes[key])
    return context


def client_context(trust="ca.pem"):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if trust:
        context.load_verify_locations(load(trust))
    return context


def wrapped(server=None, client=None, name="localhost"):
    """Two ends of a TLS connection."""
    a, b = pair()
    server = server or server_context()
    t = Thread(lambda: server.wrap_socket(b, server_side=True))
    try:
        a = (client or client_context()).wrap_socket(a, server_hostname=name)
    finally:
        b = t.join()
    return a, b


def refused(kind, text, server=None, client=None, name="localhost"):
    """Connecting must fail on the client with that; returns the server's error."""
    a, b = pair()
    server = server or server_context()

    def serve():
        try:
            server.wrap_socket(b, server_side=True).read(1)
        except OSError as e:
            return e.args
        except ValueError as e:
            return e.args

    t = Thread(serve)
    try:
        (client or client_context()).wrap_socket(a, server_hostname=name)
        assert False, "accepted"
    except kind as e:
        assert text in str(e), e
    return t.join()
