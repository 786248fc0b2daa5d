"""Errors in setting up TLS, and their messages."""

import pickle
import re
import subprocess
from pathlib import Path

import pytest
import ussl

HEADER = (Path(__file__).resolve().parent.parent / "include" / "usocket.h").read_text()
CODES = {
    name: int(number) for name, number in re.findall(r"#define USOCKET_ETLS_(\w+) (-\d+)", HEADER)
}
V13 = ussl.TLSVersion.TLSv1_3
VERIFICATION = ussl.SSLCertVerificationError


def refused(code, words, call, *args, kind=ussl.SSLConfigError, first=None, **kwargs):
    with pytest.raises(OSError) as e:
        call(*args, **kwargs)
    assert type(e.value) is kind and isinstance(e.value, ussl.SSLError)
    assert e.value.code == CODES[code] and re.search(words, str(e.value)), e.value
    if first:
        assert e.value.args == (first,) and isinstance(e.value, ValueError)
        assert str(e.value).startswith(first + ": ")
        copy = pickle.loads(pickle.dumps(e.value))
        assert str(copy) == str(e.value) and copy.code == e.value.code


def test_certificates_and_keys_that_cannot_be_used(certs, tmp_path):
    load = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER).load_cert_chain
    pem, key = certs.read("server.pem"), certs.read("server-key.pem")
    cut = pem[: len(pem) // 2]
    other = certs.read("mismatch-key.pem")
    refused("KEY_MISMATCH", "match", load, pem, other, first="invalid key")
    refused("KEY_INVALID", "key", load, pem, b"\x30\x03\x02\x01\x00", first="invalid key")
    refused("CERT_INVALID", "certificate", load, b"\x30\x03\x02\x01\x00", key, first="invalid cert")
    refused("PEM_EMPTY", "", load, key, key, first="invalid cert")
    refused("PEM_EMPTY", "", load, pem, pem, first="invalid key")
    refused("PEM_EMPTY", "", load, pem, first="invalid key")
    refused("PEM_BAD", "", load, cut, key, first="invalid cert")
    refused("PEM_BAD", "", load, pem, key.replace(b"M", b"!"), first="invalid key")
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkey", "-aes128", "-passout", "pass:x", "-in", certs("server-key.pem"),
         "-out", locked], check=True,
    )  # fmt: skip
    refused("KEY_ENCRYPTED", "encrypted", load, pem, locked, first="invalid key", password="x")
    with pytest.raises(FileNotFoundError):
        load(str(tmp_path / "missing"))
    with pytest.raises(TypeError):
        load(5)


def test_trust_that_cannot_be_used(certs, tmp_path):
    context = ussl.SSLContext(ussl.PROTOCOL_TLS_CLIENT)
    load = context.load_verify_locations
    refused("CERT_INVALID", "", load, cadata=b"\x30\x03\x02\x01\x00", first="invalid cert")
    refused("PEM_EMPTY", "", load, cadata="no certificate", first="invalid cert")
    refused("PEM_EMPTY", "", load, certs("server-key.pem"), first="invalid cert")
    context.verify_flags = ussl.VERIFY_CRL_CHECK_LEAF
    bad = "-----BEGIN X509 CRL-----\nMAMCAQA=\n-----END X509 CRL-----\n"
    refused("CRL_INVALID", "revocation list", context.load_crl, bad, first="invalid crl")
    with pytest.raises(FileNotFoundError):
        load(str(tmp_path / "missing"))
    with pytest.raises(TypeError):
        load()


def test_settings_that_cannot_be(client_context):
    context = client_context()
    plain = ussl.SSLError
    refused("NO_SUCH_SUITE", "RC4", context.set_ciphers, "RC4-MD5", kind=plain)
    refused("NO_SUCH_SUITE", "brainpool", context.set_groups, "brainpoolP256r1", kind=plain)
    for value in (ussl.TLSVersion.SSLv3, ussl.TLSVersion.TLSv1_1):
        with pytest.raises(plain) as e:
            context.maximum_version = value
        assert e.value.reason == "NO_PROTOCOLS_AVAILABLE"
    with pytest.raises(plain):
        context.options |= ussl.OP_NO_TLSv1_2 | ussl.OP_NO_TLSv1_3


def test_wraps_that_cannot_be(tcp, certs, client_context, server_context):
    client, server, unlisted = client_context(), server_context(), client_context()
    empty = ussl.SSLContext(ussl.PROTOCOL_TLS_SERVER)
    wrap = {"sock": tcp[0]}
    refused(
        "NAME_REQUIRED", "", client.wrap_socket, first="CERT_REQUIRED requires server_hostname",
        **wrap,
    )  # fmt: skip
    for name in ("a name with spaces", "-x..y"):
        refused(
            "BAD_NAME", "neither a host name nor", client.wrap_socket, server_hostname=name,
            first="invalid server_hostname", **wrap,
        )  # fmt: skip
    plain = ussl.SSLError
    refused("NO_CERT", "certificate", empty.wrap_socket, server_side=True, kind=plain, **wrap)
    server.verify_mode = ussl.CERT_REQUIRED
    refused("NO_TRUST", "trusted", server.wrap_socket, server_side=True, kind=plain, **wrap)
    unlisted.verify_flags = ussl.VERIFY_CRL_CHECK_LEAF
    refused(
        "CRL_MISSING", "load_crl", unlisted.wrap_socket, server_hostname="localhost",
        kind=VERIFICATION, **wrap,
    )  # fmt: skip
    tcp[0].send(b"still a plain socket")
    assert tcp[1].recv(5) == b"still"


def test_a_context_in_use_is_changed_for_later_connections(
    serve, dial, server_context, client_context, certs
):
    server, client = server_context(), client_context()
    address = serve(server, lambda conn: conn.write(b"x"))
    with dial(client, address) as first:
        assert first.recv(1) == b"x"
        client.load_verify_locations(certs("ca.pem"))
        client.set_clock(0)
        client.minimum_version = V13
        server.set_alpn_protocols(["one"])
        client.set_alpn_protocols(["one"])
        with dial(client, address) as later:
            assert later.recv(1) == b"x"
            assert later.selected_alpn_protocol() == "one" and later.version() == "TLSv1.3"
        assert first.selected_alpn_protocol() is None


def test_what_a_context_in_use_has_already_can_be_set(meet, server_context, client_context):
    # http.client sets check_hostname to what it is with every connection.
    server, client = server_context(), client_context()
    client.set_alpn_protocols(["http/1.1"])
    client.verify_callback = callback = lambda cert, depth: 0
    meet(server, client)
    for context in (server, client):
        for name in (
            "check_hostname", "verify_mode", "verify_flags", "minimum_version", "maximum_version",
            "options", "keylog_filename", "verify_callback",
        ):  # fmt: skip
            setattr(context, name, getattr(context, name))
    client.set_alpn_protocols(["http/1.1"])
    assert client.verify_callback is callback


def test_a_cause_is_of_one_class_in_every_host():
    from usocket._causes import CAUSES
    from usocket._lib import lib
    from usocket._tls_errors import tls_error

    top = Path(__file__).resolve().parent.parent
    numbers = dict(re.findall(r"^#define USOCKET_CATEGORY_(\w+) (\d+)$", HEADER, re.M))
    firmware = (top / "micropython/usocket/causes.h").read_text()
    firmware = dict(re.findall(r"^CAUSE\(USOCKET_ETLS_(\w+), USOCKET_CATEGORY_(\w+),", firmware, re.M))
    classes = {"TLS_END": ussl.SSLEOFError, "TLS_CERTIFICATE": ussl.SSLCertVerificationError}
    assert set(CAUSES) == set(CODES.values()) - {CODES["ALERT"]}
    assert len(firmware) > 30 and set(firmware) <= set(CODES)
    for name, code in CODES.items():
        if name == "ALERT":
            continue
        category = CAUSES[code].category
        assert lib.usocket_error_category(code) == int(numbers[category]), name
        assert type(tls_error(code, "words")) is classes.get(category, ussl.SSLError), name
        assert firmware.get(name, category) == category


def test_every_code_has_a_reason_of_its_own():
    from usocket._tls_errors import tls_error

    for name, code in CODES.items():
        e = tls_error(code, "words")
        assert isinstance(e, ussl.SSLError) and e.code == code and str(e).endswith("words")
        if name not in ("OTHER", "ALERT"):
            assert e.reason != "OTHER", name
