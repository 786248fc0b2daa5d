"""Certificates as dicts, in the form CPython has them; from one form to the other."""

import ssl
import subprocess

import pytest
import ussl
from ussl._cert import as_dict

# Everything that shows in the dict, in one certificate.
EVERYTHING = """
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
string_mask = utf8only
utf8 = yes
[name]
C = DE
ST = Baden-Württemberg
L = Köln
O = Beispiel, "AG" + Söhne
0.OU = one
1.OU = two
CN = *.example
emailAddress = post@example
DC = example
UID = me
serialNumber = 4711
street = Weg 5
postalCode = 12345
title = Dr
GN = Given
SN = Sur
1.2.3.4 = an attribute without a name
[extensions]
basicConstraints = CA:FALSE
subjectAltName = @names
authorityInfoAccess = OCSP;URI:http://ocsp.example/, caIssuers;URI:http://ca.example/ca.der
crlDistributionPoints = URI:http://ca.example/one.crl, URI:http://ca.example/two.crl
[names]
DNS.1 = *.example
DNS.2 = example
IP.1 = 192.0.2.1
IP.2 = 2001:db8::ff:1
IP.3 = ::1
email.1 = post@example
URI.1 = https://example/path?query
RID.1 = 1.2.3.4.5
dirName.1 = directory
otherName.1 = 1.2.3.4;UTF8:other
[directory]
C = DE
CN = a directory name
"""


def theirs(path):
    return ssl._ssl._test_decode_cert(str(path))


@pytest.mark.parametrize(
    "name", ["server", "ca", "chain", "client", "expired", "future", "self-signed", "server-rsa"]
)
def test_the_test_certificates(certs, name):
    assert as_dict(certs.read(name + ".der")) == theirs(certs(name + ".pem"))


@pytest.mark.parametrize("serial", ["0x1", "0xabc", "0xff00000000000000000000000000000000000001"])
def test_a_certificate_with_everything(tmp_path, serial):
    (tmp_path / "config").write_text(EVERYTHING)
    subprocess.run(
        ["openssl", "req", "-x509", "-config", tmp_path / "config", "-newkey", "ed25519", "-nodes",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-set_serial", serial,
         "-days", "20000"], check=True, capture_output=True,
    )  # fmt: skip
    der = ussl.PEM_cert_to_DER_cert((tmp_path / "cert.pem").read_text())
    ours = as_dict(der)
    assert ours == theirs(tmp_path / "cert.pem")
    assert len(ours["subjectAltName"]) == 10 and len(ours["subject"]) > 15
    assert set(ours) == {
        "subject", "issuer", "version", "serialNumber", "notBefore", "notAfter", "subjectAltName",
        "OCSP", "caIssuers", "crlDistributionPoints",
    }  # fmt: skip


def test_the_roots_of_the_system():
    context = ssl.create_default_context()
    roots = context.get_ca_certs(binary_form=True)
    for der, expected in zip(roots, context.get_ca_certs()):  # noqa: B905
        assert as_dict(der) == expected
    assert len(roots) > 50 or not ssl.get_default_verify_paths().cafile


def test_what_is_no_certificate(certs):
    der = certs.read("server.der")
    short = b"", b"\x30", b"\x30\x80", b"\x30\x03\x30\x01\x00"
    for wrong in (*short, der[:-1], der[:100], b"x" * 99):
        with pytest.raises(ValueError):
            as_dict(wrong)
    for at in range(len(der)):
        damaged = der[:at] + bytes([der[at] ^ 0xFF]) + der[at + 1 :]
        try:
            as_dict(damaged)
        except ValueError:
            pass


def test_pem_and_der(certs):
    pem, der = certs.read("server.pem").decode(), certs.read("server.der")
    assert ussl.PEM_cert_to_DER_cert(pem) == der
    assert ussl.DER_cert_to_PEM_cert(der) == ssl.DER_cert_to_PEM_cert(der)
    for wrong in ("", pem[:100], pem.replace("MII", "!!!")):
        with pytest.raises(ValueError):
            ussl.PEM_cert_to_DER_cert(wrong)
