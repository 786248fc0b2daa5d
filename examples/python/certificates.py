"""Certificates for the TLS examples, made for the occasion by examples/mkcert.rs."""

import atexit
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def make():
    """A directory with `ca.pem`, `server.pem`, `client.pem`, their `-key.pem` and more; it is gone
    when the program ends."""
    directory = Path(tempfile.mkdtemp(prefix="usocket-certificates-"))
    atexit.register(shutil.rmtree, directory)
    command = ["cargo", "run", "-q", "--example", "mkcert", "--", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True)
    return directory
