"""The examples, as `make demo` shows them."""

import shutil
import subprocess
import tempfile

import certs
from run import CERTS, OURS, TOP


def example(name, *arguments):
    r = subprocess.run([OURS, f"{TOP}/examples/micropython/{name}.py", *arguments],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


def test_demo():
    out = example("demo")
    assert out.count(" matches") == 3, out


def test_mutual_tls_without_certificates():
    for arguments, sentence in (("/nowhere",), "no ca.pem in /nowhere"), (("a", "b"), "one argument at most"):
        r = subprocess.run([OURS, f"{TOP}/examples/micropython/mutual_tls.py", *arguments], capture_output=True, text=True)
        assert r.returncode == 2 and sentence in r.stderr and "Traceback" not in r.stderr, r.stderr


def test_mutual_tls():
    with tempfile.TemporaryDirectory() as to:
        shutil.copy(f"{CERTS}/ca.pem", to)
        certs.make(f"{to}/stranger")
        for source, name in ((f"{CERTS}/server", "server"), (f"{CERTS}/expired", "expired"), (f"{CERTS}/client", "client"),
                             (f"{to}/stranger/client", "client-other")):
            shutil.copy(f"{source}.pem", f"{to}/{name}.pem")
            shutil.copy(f"{source}.key", f"{to}/{name}-key.pem")
        out = example("mutual_tls", to)
    assert "good day, client" in out and out.count("client: refused: ") == 3, out
