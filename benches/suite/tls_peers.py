"""Support for the TLS rows: certificates, and the same program over every TLS library."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from .build import CC, OUT, ROOT, library, need, program, run
from .measure import Missing

CERTS = OUT / "certs"
ENV = {"BENCH_CERTS": str(CERTS)}

# The newest mbedTLS of the package archives: crates.io carries its source in this crate.
MBEDTLS_CRATE = ("mbedtls-rs-sys", "0.3.1")


@functools.cache
def certificates():
    """A CA and a server certificate for "localhost", both ECDSA P-256."""
    need("openssl")
    CERTS.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments):
        run(["openssl", *arguments], cwd=CERTS)

    if not (CERTS / "server.pem").exists():
        for who in ("ca", "server"):
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-out", f"{who}.key")
        openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=bench CA", "-days", "3650",
                "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign")
        openssl("req", "-new", "-key", "server.key", "-subj", "/CN=localhost", "-out", "server.csr")
        (CERTS / "ext").write_text("subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "3650", "-extfile", "ext", "-out", "server.pem")
        for name in ("ca", "server"):
            openssl("x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.der")
        openssl("ec", "-in", "server.key", "-outform", "DER", "-out", "server.key.der")


def backend(file):
    return f'-DTLS_BACKEND="{file}"'


def usocket():
    certificates()
    exported = run(["nm", "-D", "--defined-only", library() / "libusocket.so.0"])
    if "usocket_tls_wrap" not in exported:
        raise Missing("TLS in the library")
    return program("tls", "usocket", backend("usocket.h"))


def openssl(*flags):
    certificates()
    if not Path("/usr/include/openssl/ssl.h").exists():
        raise Missing("OpenSSL's headers (package libssl-dev)")
    name = " ".join(["openssl", *(f.removeprefix("-D").lower() for f in flags)])
    return program("tls", name, backend("openssl.h"), *flags, "-lssl", "-lcrypto")


def mbedtls(name="mbedtls", *flags):
    """mbedTLS compiled here from its source, for this processor, in its default configuration
    changed by `flags`."""
    certificates()
    source = mbedtls_source()
    archive = OUT / f"lib{name}.a"
    includes = [f"-I{source / d}" for d in (
        "include", "library", "3rdparty/everest/include", "3rdparty/everest/include/everest",
        "3rdparty/everest/include/everest/kremlib", "3rdparty/p256-m/p256-m/include/p256-m")]
    if not archive.exists():
        objects = OUT / f"{name}-objects"
        objects.mkdir(parents=True, exist_ok=True)
        files = [*source.glob("library/*.c"), *source.glob("3rdparty/p256-m/**/*.c")]
        files += [source / "3rdparty/everest/library" / f"{f}.c"
                  for f in ("everest", "x25519", "Hacl_Curve25519_joined")]
        run([CC, "-O3", "-march=native", "-w", "-c", *includes, *flags, *files], cwd=objects)
        run(["ar", "rcs", archive, *objects.glob("*.o")])
    return program("tls", name, backend("mbedtls.h"), *includes[:1], *flags, str(archive))


@functools.cache
def mbedtls_source():
    name, version = MBEDTLS_CRATE
    if "MBEDTLS_SOURCE" in os.environ:
        return Path(os.environ["MBEDTLS_SOURCE"])
    target = OUT / f"{name}-{version}"
    if not target.exists():
        # Asking cargo about a crate brings it, and nothing it depends on.
        subprocess.run(["cargo", "info", f"{name}@{version}"], capture_output=True)
        home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
        found = list(home.glob(f"registry/cache/*/{name}-{version}.crate"))
        if not found:
            raise Missing(f"mbedTLS's source (crate {name} {version}, or set MBEDTLS_SOURCE)")
        shutil.unpack_archive(found[0], OUT, "gztar")
    return target / "mbedtls"


def micropython_mbedtls():
    """The buffers as MicroPython configures them: 16 KiB in, 4 KiB out."""
    return mbedtls("mbedtls-micropython", "-DMBEDTLS_SSL_OUT_CONTENT_LEN=4096")


@functools.cache
def rustls():
    certificates()
    target = OUT / "cargo-rustls"
    run(["cargo", "build", "--release", "--target-dir", target], cwd=ROOT / "benches" / "rustls")
    return target / "release" / "bench-rustls"
