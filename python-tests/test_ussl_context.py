"""ussl.SSLContext: its settings, queries and loading; ussl.create_default_context."""

import gc
import os
import pickle
import socket
import ssl
import threading
import weakref

import pytest
import usocket
import ussl

V12, V13 = ussl.TLSVersion.TLSv1_2, ussl.TLSVersion.TLSv1_3
Version = ussl.TLSVersion


def shake(server, theirs, client, ours):
    """The version at both ends, or OpenSSL's number of the verification error."""
    result = [None, None]

    def end(at, sock, context, **how):
        try:
            with context.wrap_socket(sock, **how) as s:
                result[at] = s.version()
                assert s.write(b"x") and s.read(1) == b"x"
        except ussl.SSLError as e:
            result[at] = e.verify_code

    thread = threading.Thread(target=end, args=(0, theirs, server), kwargs={"server_side": True})
    thread.start()
    end(1, ours, client, server_hostname="localhost")
    thread.join()
    return result


@pytest.fixture
def client():
    return ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def server():
    return ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)


def test_a_context_needs_a_protocol(client, server):
    assert (client.protocol, server.protocol) == (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(TypeError):
        ussl.SSLContext()
    for wrong in (-1, 3, 99, "client"):
        with pytest.raises(ValueError):
            ussl.SSLContext(wrong)


def test_the_defaults(client, server):
    assert client.verify_mode == ussl.CERT_REQUIRED and client.check_hostname
    assert server.verify_mode == ussl.CERT_NONE and not server.check_hostname
    for context in (client, server):
        assert context.minimum_version == Version.MINIMUM_SUPPORTED
        assert context.maximum_version == Version.MAXIMUM_SUPPORTED
        assert context.keylog_filename is context.verify_callback is None
        assert context.verify_flags == ussl.VERIFY_DEFAULT
        assert context.options & ussl.OP_NO_SSLv3 and not context.options & ussl.OP_NO_TLSv1_3


def test_unknown_attributes_are_attribute_errors(client):
    with pytest.raises(AttributeError):
        client.verify_mod = ussl.CERT_NONE
    with pytest.raises(AttributeError):
        client.sni_callbacks
    with pytest.raises(TypeError):
        pickle.dumps(client)


def test_the_constants_are_cpythons():
    for name in ussl._constants.__all__:
        value = getattr(ussl, name)
        if isinstance(value, int) and hasattr(ssl, name) and name.isupper():
            assert value == getattr(ssl, name), name
    assert [(v.name, v.value) for v in ussl.TLSVersion] == [
        (v.name, v.value) for v in ssl.TLSVersion
    ]
    assert ussl.HAS_TLSv1_3 and ussl.HAS_TLSv1_2 and ussl.HAS_ALPN and ussl.HAS_SNI
    assert "rustls" in ussl.OPENSSL_VERSION


def test_every_public_name_exists():
    assert len(set(ussl.__all__)) == len(ussl.__all__) > 50
    for name in ussl.__all__:
        assert getattr(ussl, name) is not None


def test_exceptions_have_cpythons_family():
    for name in ("SSLZeroReturnError", "SSLWantReadError", "SSLEOFError", "SSLSyscallError"):
        ours, theirs = getattr(ussl, name), getattr(ssl, name)
        assert issubclass(theirs, ssl.SSLError) and issubclass(ours, ussl.SSLError)
        assert ours.__module__ == "ussl" and issubclass(ours, OSError)
    assert issubclass(ussl.SSLCertVerificationError, ValueError)
    assert ussl.CertificateError is ussl.SSLCertVerificationError
    assert usocket.SSLError is ussl.SSLError


def test_verify_mode_and_check_hostname(client):
    client.check_hostname = False
    assert client.verify_mode == ussl.CERT_REQUIRED
    client.verify_mode = ussl.CERT_NONE
    client.check_hostname = True
    assert client.verify_mode == ussl.CERT_REQUIRED
    # Asked for: it is not dropped on the quiet.
    with pytest.raises(ValueError, match="check_hostname"):
        client.verify_mode = ussl.CERT_NONE
    assert client.verify_mode == ussl.CERT_REQUIRED and client.check_hostname
    client.check_hostname = False
    client.verify_mode = 0
    assert client.verify_mode is ussl.VerifyMode.CERT_NONE and not client.check_hostname
    for wrong, kind in ((3, ValueError), (None, TypeError), ("none", TypeError)):
        with pytest.raises(kind):
            client.verify_mode = wrong


def test_what_nobody_asked_for_goes_with_cert_none():
    # Programs of MicroPython, which has no check_hostname, set verify_mode alone.
    client = ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT)
    client.verify_mode = ussl.CERT_NONE
    assert not client.check_hostname
    with pytest.raises(ValueError, match="check_hostname"):
        ussl.create_default_context().verify_mode = ussl.CERT_NONE


def test_the_name_of_a_file_may_be_bytes(meet, server_context, certs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0 ca").write_bytes(certs.read("ca.pem"))
    for name in (certs("ca.pem").encode(), certs("ca.der").encode(), b"0 ca"):
        context = ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(name)
    ours, _ = meet(server_context(), context)
    assert ours.error is None
    # And they may be the certificates themselves, as MicroPython has it.
    for content in ("ca.der", "ca.pem"):
        ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT).load_verify_locations(certs.read(content))
    with pytest.raises(ValueError, match="invalid cert"):
        ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT).load_verify_locations(b"no such file")


@pytest.mark.parametrize("low, high", [(V12, V12), (V13, V13), (Version.TLSv1, V12), (-2, -1)])
def test_versions(meet, server_context, client_context, low, high):
    context = client_context()
    context.minimum_version = low
    context.maximum_version = high
    assert (context.minimum_version, context.maximum_version) == (low, high)
    ours, theirs = meet(server_context(), context)
    expected = "TLSv1.2" if high == V12 else "TLSv1.3"
    assert ours.sock.version() == theirs.sock.version() == expected


@pytest.mark.parametrize("option, expected", [("1_3", "TLSv1.2"), ("1_2", "TLSv1.3")])
def test_options_leave_a_version_out(meet, server_context, client_context, option, expected):
    context = client_context()
    context.options |= getattr(ussl, "OP_NO_TLSv" + option)
    ours, _ = meet(server_context(), context)
    assert ours.sock.version() == expected


def test_without_tickets_nothing_is_resumed(serve, dial, server_context, client_context):
    for option, expected in ((0, [False, True]), (ussl.OP_NO_TICKET, [False, False])):
        server, client = server_context(), client_context()
        server.options |= option
        reused = []
        address = serve(server, lambda conn: conn.write(b"x"))
        for _ in range(2):
            with dial(client, address) as s:
                assert s.readall() == b"x"
                reused.append(s.session_reused)
        assert reused == expected


def test_set_resumption(serve, dial, server_context, client_context):
    client = client_context()
    client.set_resumption(sessions=0)
    address = serve(server_context(), lambda conn: conn.write(b"x"))
    for _ in range(2):
        with dial(client, address) as s:
            assert s.readall() == b"x" and s.session is None and not s.session_reused
    with pytest.raises(OSError):
        client_context().set_resumption(-1)


def test_records_can_be_small(serve, dial, server_context, client_context):
    context = server_context()
    context.set_max_record(512)
    with dial(client_context(), serve(context, lambda conn: conn.write(b"x" * 5000))) as s:
        with socket.socket(fileno=os.dup(s.fileno())) as raw:
            raw.settimeout(10)  # its descriptor does not block
            wire = raw.recv(3000, socket.MSG_PEEK)  # tickets, and perhaps data
        while len(wire) > 5:
            length = int.from_bytes(wire[3:5], "big")
            assert length <= 512 + 24
            wire = wire[5 + length :]
        assert s.readall() == b"x" * 5000
    context.set_max_record()
    for wrong in (63, 16385, -1):
        with pytest.raises(OSError):
            context.set_max_record(wrong)


def test_servers_with_one_ticket_key(serve, dial, server_context, client_context):
    client = client_context()
    reused = []
    for key in (b"1" * 32, b"1" * 32, b"2" * 32):
        server = server_context()
        server.add_ticket_key(key)
        with dial(client, serve(server, lambda conn: conn.write(b"x"))) as s:
            assert s.readall() == b"x"
            reused.append(s.session_reused)
    assert reused == [False, True, False]
    with pytest.raises(OSError):
        server_context().add_ticket_key(b"short")


def test_ciphers_by_name(meet, server_context, client_context):
    context = client_context()
    everything = context.get_ciphers()
    assert "TLS_AES_128_GCM_SHA256" in everything and len(everything) > 5
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256")
    assert context.get_ciphers() == [
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_AES_128_GCM_SHA256",
    ]
    context.set_ciphers("DEFAULT")
    assert context.get_ciphers() == everything
    context.set_ciphers(["TLS_CHACHA20_POLY1305_SHA256"])
    ours, theirs = meet(server_context(), context)
    assert ours.sock.cipher() == ("TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3", 256)
    assert theirs.sock.cipher() == ours.sock.cipher()


def test_groups_by_name(meet, server_context, client_context):
    context = client_context()
    context.set_groups(["secp256r1"])
    ours, theirs = meet(server_context(), context)
    assert ours.sock.group() == theirs.sock.group() == "secp256r1"


def test_the_default_group_is_post_quantum(meet, server_context, client_context):
    ours, _ = meet(server_context(), client_context())
    assert ours.sock.group() == "X25519MLKEM768" or "tls=aws-lc-rs" not in usocket.features


def test_alpn(meet, server_context, client_context):
    server, client = server_context(), client_context()
    server.set_alpn_protocols(["h2", "http/1.1"])
    client.set_alpn_protocols(["http/1.1", "h2"])
    ours, theirs = meet(server, client)
    assert ours.sock.selected_alpn_protocol() == theirs.sock.selected_alpn_protocol() == "h2"
    for wrong in ([""], ["x" * 256], ["a,b"]):
        with pytest.raises(ussl.SSLError):
            server_context().set_alpn_protocols(wrong)


def test_without_alpn_there_is_none(meet, server_context, client_context):
    ours, _ = meet(server_context(), client_context())
    assert ours.sock.selected_alpn_protocol() is None


def test_several_certificates_are_chosen_by_the_name(
    serve, dial, server_context, client_context, certs
):
    server = server_context("server")
    server.load_cert_chain(*certs.chain("second"))
    address = serve(server, lambda conn: conn.write((conn.server_hostname or "-").encode()))
    for name in ("localhost", "second.example", "a.wild.example"):
        with dial(client_context(), address, name) as s:
            subject = s.getpeercert()["subject"][0][0][1]
            assert s.readall() == name.encode()
            assert subject == ("second.example" if name.startswith("second") else "server.example")


def test_trust_as_file_directory_text_and_bytes(meet, server_context, certs, tmp_path, tcp):
    (tmp_path / "one.pem").write_bytes(certs.read("ca.pem"))
    for how in (
        {"cafile": certs("ca.pem")},
        {"cafile": certs("ca.der")},
        {"capath": str(tmp_path)},
        {"cadata": certs.read("ca.pem").decode()},
        {"cadata": certs.read("ca.der")},
        {"cadata": certs.read("other-ca.der") + certs.read("ca.der")},
        {"cafile": certs("other-ca.pem"), "cadata": certs.read("ca.pem")},
    ):
        context = ussl.create_default_context(**how)
        a, b = usocket.socketpair()
        ends = shake(server_context(), b, context, a)
        assert ends == ["TLSv1.3", "TLSv1.3"], how


def test_lists_in_the_same_file_as_the_certificates(server_context, certs, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(certs.read("ca.pem") + certs.read("crl.pem"))
    for flags, expected in ((ussl.VERIFY_DEFAULT, "TLSv1.3"), (ussl.VERIFY_CRL_CHECK_LEAF, 23)):
        context = ussl.create_default_context(cafile=both)
        context.verify_flags = flags
        assert context.verify_flags == flags
        a, b = usocket.socketpair()
        assert shake(server_context("revoked"), b, context, a)[1] == expected


def test_the_systems_store(client, certs, monkeypatch):
    client.load_default_certs()
    client.set_default_verify_paths()
    with pytest.raises(ValueError):
        ussl.create_default_context(5)
    assert ussl.create_default_context(ussl.Purpose.CLIENT_AUTH).protocol == 17


def test_verify_flags_that_do_not_exist(client, certs):
    with pytest.raises(ValueError):
        client.verify_flags = 0x80
    client.verify_flags = ussl.VERIFY_CRL_CHECK_CHAIN
    client.load_crl(certs("crl.pem"))
    with pytest.raises(ValueError, match="cannot be turned off"):
        client.verify_flags = 0


def test_the_key_log(meet, server_context, client_context, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "environment"))
    log, context = tmp_path / "log", client_context()
    context.keylog_filename = None
    context.keylog_filename = log
    assert context.keylog_filename == str(log)
    meet(server_context(), context)
    assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()
    assert not os.path.exists(tmp_path / "environment")  # Only when asked.
    with pytest.raises(ValueError):
        context.keylog_filename = None
    with pytest.raises(FileNotFoundError):
        client_context().keylog_filename = tmp_path / "no" / "such"


def test_the_clock(meet, server_context, client_context):
    context = client_context()
    context.set_clock(1_700_000_000)
    ours, _ = meet(server_context(), context)
    assert ours.error is None
    with pytest.raises(OSError):
        client_context().set_clock(-1)


def test_verify_callback(client):
    def callback(cert, depth):
        return 0

    client.verify_callback = callback
    assert client.verify_callback is callback
    client.verify_callback = None
    with pytest.raises(TypeError):
        client.verify_callback = 5


def test_check_hostname_false_takes_any_name(meet, server_context, client_context):
    ours, _ = meet(server_context("second"), client_context(check_hostname=False))
    assert ours.error is None


def test_the_context_lives_as_long_as_its_connections(tcp, run, server_context, client_context):
    shown = []
    context = client_context(verify_callback=lambda cert, depth: shown.append(depth) or 0)
    s = context.wrap_socket(tcp[0], server_hostname="localhost", do_handshake_on_connect=False)
    alive = weakref.ref(context)
    del context
    gc.collect()
    with s:
        assert alive() is s.context

        def server():
            with server_context().wrap_socket(tcp[1], server_side=True) as conn:
                conn.write(b"x")

        run(server)
        assert s.read() == b"x" and shown == [1, 0]


@pytest.mark.parametrize("explicit", [True, False])
def test_session_stats(serve, dial, server_context, client_context, explicit):
    server, client = server_context(), client_context()
    address = serve(server, lambda conn: conn.write(b"x"))
    for _ in range(3):
        with dial(client, address, do_handshake_on_connect=explicit) as s:
            before = client.session_stats()
            assert s.readall() == b"x"
            assert client.session_stats()["connect_good"] == before["connect_good"] + (not explicit)
    with client.wrap_socket(usocket.socket(), server_hostname="localhost"):
        pass
    none = {"accept": 0, "accept_good": 0, "misses": 0}
    assert client.session_stats() == {"connect": 4, "connect_good": 3, "hits": 2, **none}
    stats = server.session_stats()
    assert (stats["accept"], stats["accept_good"]) == (3, 3)
    assert (stats["hits"], stats["misses"]) == (2, 1)


def test_what_a_context_trusts(certs, client_context):
    context = ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT)
    assert context.get_ca_certs() == [] and set(context.cert_store_stats().values()) == {0}
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name in ("ca.pem", "server.pem", "ca.pem", "other-ca.pem", "crl.pem"):
        for each in context, theirs:
            each.load_verify_locations(certs(name))
    assert context.cert_store_stats() == theirs.cert_store_stats() == {"x509": 3, "crl": 1, "x509_ca": 2}
    roots = context.get_ca_certs(binary_form=True)
    assert roots == [certs.read("ca.der"), certs.read("other-ca.der")]
    assert sorted(roots) == sorted(theirs.get_ca_certs(binary_form=True))
    assert {str(c) for c in context.get_ca_certs()} == {str(c) for c in theirs.get_ca_certs()}
    from_der = ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT)
    from_der.load_verify_locations(cadata=certs.read("ca.der"))
    assert from_der.get_ca_certs() == client_context().get_ca_certs()
    with pytest.raises(ValueError):
        from_der.load_verify_locations(cadata=b"no certificate")
    assert from_der.cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}


def test_a_common_name_is_no_host_name(client):
    assert client.hostname_checks_common_name is False
    client.hostname_checks_common_name = False
    with pytest.raises(ValueError, match="common name"):
        client.hostname_checks_common_name = True
