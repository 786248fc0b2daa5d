"""Stapled certificate status (OCSP): made by `openssl ocsp`, with OpenSSL at the other end."""

import shutil
import subprocess

import pytest
import ussl
from test_tls_tools import OPENSSL, once, program, s_client, s_server  # noqa: F401
from usocket._lib import lib

BAD_STAPLE = -10037
IF_STAPLED, REQUIRED, IGNORED = 0, 1, 2

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here")


@pytest.fixture(scope="module")
def response(certs, tmp_path_factory):
    """`response(status)`: the path of a response about server.pem, by its issuer."""
    directory = tmp_path_factory.mktemp("ocsp")

    def make(status):
        out = directory / f"{status}.der"
        shown = ["openssl", "x509", "-in", certs("server.pem"), "-noout", "-serial", "-subject"]
        serial, subject = subprocess.check_output(shown, text=True).splitlines()
        serial, revoked = serial.split("=")[1], "250101000000Z" if status == "revoked" else ""
        line = [status[0].upper(), "480101000000Z", revoked, serial, "unknown", subject[9:]]
        index = directory / f"{status}.txt"
        index.write_text("\t".join(line) + "\n")
        (directory / f"{status}.txt.attr").write_text("unique_subject = no\n")
        issuer, key = certs.chain("ca")
        command = ["openssl", "ocsp", "-index", index, "-rsigner", issuer, "-rkey", key, "-CA"]
        command += [issuer, "-issuer", issuer, "-cert", certs("server.pem"), "-respout", out]
        command += ["-ndays", "2"] if status != "vague" else []
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return out

    return make


@pytest.fixture
def against(s_server, dial, client_context):  # noqa: F811
    """`against(status_file, mode)`: the result of our client with s_server."""

    def connect(status_file, mode):
        options = ["-status_file", status_file] if status_file else []
        address, _ = s_server("server", *options)
        context = client_context()
        assert lib.usocket_tls_context_set_ocsp_mode(context._handle, mode) == 0
        try:
            with dial(context, address) as s:
                s.write(b"good\n")
                return s.readline().decode()
        except ussl.SSLError as e:
            return str(e)

    return connect


def test_what_openssl_staples_is_verified(against, response):
    good, revoked = response("valid"), response("revoked")
    assert against(good, REQUIRED) == against(good, IF_STAPLED) == "doog\n"
    assert "revoked, according to its stapled status" in against(revoked, IF_STAPLED)
    assert against(revoked, IGNORED) == against(None, IF_STAPLED) == "doog\n"
    assert "one is required" in against(None, REQUIRED)
    assert "no expiry date" in against(response("vague"), REQUIRED)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_openssl_takes_what_we_staple(serve, s_client, server_context, response, version):  # noqa: F811
    context, der = server_context(), response("valid").read_bytes()
    assert lib.usocket_tls_context_add_ocsp(context._handle, der, len(der)) == 1
    assert lib.usocket_tls_context_add_ocsp(context._handle, b"x", 1) == BAD_STAPLE
    p = s_client(serve(context, once), OPENSSL[version], "-status")
    p.say(b"there and back\n")
    p.until(rb"kcab dna ereht\n")
    assert "Cert Status: good" in p.end()
