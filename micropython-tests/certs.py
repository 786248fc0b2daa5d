"""Certificates for the TLS tests, made anew with openssl: an authority, and what it has issued."""

import os
import subprocess


def run(directory, *words, data=None):
    r = subprocess.run(["openssl", *words], cwd=directory, capture_output=True, text=True, input=data)
    assert r.returncode == 0, f"openssl {' '.join(words)}: {r.stderr}"


CA = """
[ca]
default_ca = this
[this]
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def issue(directory, name, extensions, start="20200101000000Z", end="20991231235959Z"):
    run(directory, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    with open(f"{directory}/{name}.ext", "w") as f:
        f.write(extensions)
    # (`openssl x509` takes no dates.)
    run(directory, "ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", f"{name}.csr",
        "-out", f"{name}.pem", "-startdate", start, "-enddate", end, "-extfile", f"{name}.ext")


def make(directory):
    """ca, server (localhost, 127.0.0.1), client, expired: NAME.pem and NAME.key; server also in DER."""
    os.makedirs(directory, exist_ok=True)
    run(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
        "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "30")
    for file, text in (("ca.cnf", CA), ("index", ""), ("serial", "01\n")):
        with open(f"{directory}/{file}", "w") as f:
            f.write(text)
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
    issue(directory, "server", names)
    issue(directory, "client", "extendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n")
    issue(directory, "expired", names, end="20210101000000Z")
    run(directory, "x509", "-in", "server.pem", "-outform", "DER", "-out", "server.der")
    run(directory, "pkcs8", "-topk8", "-nocrypt", "-in", "server.key", "-outform", "DER", "-out", "server.key.der")
