# TLS contexts: certificates, trust, verification, settings.
import tls
from support import pair, raises_type
from tls_support import CERTS, client_context, load, refused, server_context, wrapped

STOCK_IS_WRONG = [
    "test_pem_der_and_files",
    "test_the_system_is_trusted_by_default",
    "test_verify_callback_that_raises",
]


def test_a_server_is_verified():
    refused(ValueError, "not correctly signed", client=client_context("client.pem"))
    refused(ValueError, "does not match", name="other.example")
    said = refused(ValueError, "has expired", server=server_context("expired"))
    assert said == (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"), said
    a, b = pair()
    raises_type(ValueError, client_context().wrap_socket, a)


def test_another_certificates_key_is_refused_by_the_peer():
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(load("server.pem"), load("client.key"))
    client = client_context(None)
    client.verify_mode = tls.CERT_NONE
    for client in client, client_context():
        said = refused(ValueError, "not correctly signed", server, client)
        assert said == (-30592, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE"), said


def test_the_system_is_trusted_by_default():
    # (The system does not trust our CA.)
    refused(ValueError, "not correctly signed", client=client_context(None))
    # Stock does this only on request: the error says how to turn it off.
    refused(ValueError, "context.verify_mode = ssl.CERT_NONE", client=client_context(None))
    client = client_context(None)
    client.verify_mode = tls.CERT_REQUIRED
    try:
        refused(ValueError, "CERT_NONE", client=client)
        assert False
    except AssertionError as e:
        assert "not correctly signed by the trusted CA\n" in str(e), e


def test_cert_none_takes_anybody():
    client = client_context(None)
    client.verify_mode = tls.CERT_NONE
    a, b = wrapped(client=client, name=None)
    a.write(b"x")
    assert b.read(1) == b"x"


def test_client_certificates():
    server = server_context(verify_mode=tls.CERT_REQUIRED)
    server.load_verify_locations(load("ca.pem"))
    client = client_context()
    client.load_cert_chain(load("client.pem"), load("client.key"))
    a, b = wrapped(server, client)
    assert len(b.getpeercert(True)) > 200 and b.version() == a.version() == "TLSv1.3"
    server.maximum_version = tls.TLSv1_2
    said = refused(OSError, "FATAL_ALERT", server=server)
    assert said == (-29824, "MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE"), said


def test_a_context_may_be_changed_after_use():
    server = server_context()
    client = client_context("client.pem")
    refused(ValueError, "not correctly signed", server, client)
    client.load_verify_locations(load("ca.pem"))
    wrapped(server, client)
    client.verify_callback = lambda cert, depth: 1
    refused(OSError, "GENERIC_ERROR", server, client)
    client.verify_callback = None
    wrapped(server, client)


def test_verify_callback_sees_the_chain():
    seen = []
    client = client_context()
    client.verify_callback = lambda cert, depth: seen.append((depth, bytes(cert))) or 0
    a, b = wrapped(client=client)
    assert [depth for depth, _ in seen] == [1, 0], [depth for depth, _ in seen]
    assert seen[1][1] == a.getpeercert(True)


def test_verify_callback_that_raises():
    client = client_context()

    def callback(cert, depth):
        raise RuntimeError("no")

    client.verify_callback = callback
    refused(RuntimeError, "no", client=client)


def test_errors_of_loading():
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    raises_type(ValueError, context.load_cert_chain, b"!", load("server.key"))
    raises_type(ValueError, context.load_cert_chain, load("server.pem"), b"!")
    raises_type(ValueError, context.load_verify_locations, b"!")
    context.load_cert_chain(load("server.pem"), load("server.key"))
    wrapped(context)


def test_what_to_trust_has_to_be_given():
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    raises_type(TypeError, context.load_verify_locations)
    context.load_verify_locations(cadata=load("ca.pem"))
    a, b = wrapped(client=context)
    b.write(b"x")
    assert a.read(1) == b"x"


def test_pem_der_and_files():
    for cert, key in ((load("server.der"), load("server.key.der")), (CERTS + "server.der", CERTS + "server.key.der"),
                      (CERTS + "server.pem", CERTS + "server.key"), (load("server.pem").decode(), load("server.key").decode())):
        server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(cert, keyfile=key)
        client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        client.load_verify_locations(cafile=CERTS + "ca.pem")
        wrapped(server, client)


def test_alpn():
    server, client = server_context(), client_context()
    server.set_alpn_protocols(["http/1.1", "h2"])
    client.set_alpn_protocols(["h2", "http/1.1"])
    a, b = wrapped(server, client)
    assert a.selected_alpn_protocol() == b.selected_alpn_protocol() == "http/1.1"


def test_ciphers_and_versions():
    client = client_context()
    names = client.get_ciphers()
    assert "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256" in names, names
    client.set_ciphers(["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256"])
    a, b = wrapped(client=client)
    assert a.cipher() == ("TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "TLSv1.2")
    try:
        client.set_ciphers(["BAR"])
        assert False
    except OSError as e:
        assert e.args == (-24192, "MBEDTLS_ERR_SSL_BAD_CONFIG"), e.args
    raises_type(TypeError, client.set_ciphers, "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256")


def test_a_server_without_certificate_says_so_when_used():
    a, b = pair()
    s = tls.SSLContext(tls.PROTOCOL_TLS_SERVER).wrap_socket(a, server_side=True, do_handshake_on_connect=False)
    b.write(b"anything")
    raises_type(OSError, s.read, 1)
    s.close()


def test_the_systems_store_is_added():
    client = client_context()
    client.load_default_certs()
    a, b = wrapped(client=client)
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.load_default_certs()
    refused(ValueError, "not correctly signed", client=client)


class Context(tls.SSLContext):
    """Subclasses made by programs."""

    def __init__(self, protocol, name="mine"):
        super().__init__(protocol)
        self.name = name
        self.wraps = 0

    def wrap_socket(self, sock, **kw):
        self.wraps += 1
        return super().wrap_socket(sock, **kw)


class ContextOnContext(Context):
    def wrap_socket(self, sock, **kw):
        return tls.SSLContext.wrap_socket(self, sock, **kw)


def test_what_a_subclass_of_a_context_is_told_is_done():
    for kind in (Context, ContextOnContext):
        server = kind(tls.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(load("server.pem"), load("server.key"))
        server.load_verify_locations(load("ca.pem"))
        server.verify_mode = tls.CERT_REQUIRED
        server.maximum_version = tls.TLSv1_2
        assert (server.name, server.verify_mode, server.minimum_version) == ("mine", tls.CERT_REQUIRED, 0)
        assert isinstance(server, tls.SSLContext) and kind is not tls.SSLContext
        said = refused(OSError, "FATAL_ALERT", server=server)
        assert said == (-29824, "MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE"), said
        assert server.wraps == (1 if kind is Context else 0)
        client = kind(tls.PROTOCOL_TLS_CLIENT, name="client")
        assert client.check_hostname is True and client.name == "client"
        client.verify_mode = tls.CERT_NONE
        seen = []
        client.verify_callback = lambda cert, depth: seen.append(depth) or 0
        client.load_cert_chain(load("client.pem"), load("client.key"))
        a, b = wrapped(server, client)
        assert b.version() == "TLSv1.2" and len(b.getpeercert(True)) > 200


def test_a_context_has_no_other_attributes():
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    raises_type(AttributeError, setattr, context, "name", 1)
    raises_type(AttributeError, lambda: context.name)
    raises_type(ValueError, setattr, Context(tls.PROTOCOL_TLS_CLIENT), "verify_mode", 7)
    raises_type(TypeError, tls.SSLContext)
    raises_type(TypeError, tls.SSLContext.get_ciphers, 5)

    class Late(tls.SSLContext):
        def __init__(self):
            raises_type((AttributeError, TypeError), lambda: self.verify_mode)
            super().__init__(tls.PROTOCOL_TLS_CLIENT)

    assert Late().verify_mode == tls.CERT_REQUIRED
