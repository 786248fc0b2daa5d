"""The package's type annotations: mypy accepts the package and a program that uses it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MYPY = ROOT / "target" / "programs" / "bin" / "mypy"
LIMIT = 110

PROGRAM = """
from typing import Optional

import ussl
import usocket

s = usocket.socket()
flag: int = s.getsockopt(usocket.SOL_SOCKET, usocket.SO_REUSEADDR)
raw: bytes = s.getsockopt(usocket.SOL_SOCKET, usocket.SO_LINGER, 8)
line: Optional[bytes] = s.readline()
n: int = s.send(b"x")
port: int = usocket.AF_INET6
with usocket.create_connection(("localhost", 80), 1.5) as c:
    tls = ussl.create_default_context().wrap_socket(c, server_hostname="localhost")
def told(t: ussl.SSLSocket) -> Optional[bytes]:
    facts = t.getpeercert()
    if facts is not None:
        print(facts["subject"])
    return t.getpeercert(True)
"""


def mypy(*arguments, **how):
    if not MYPY.exists():
        pytest.skip("there is no mypy in target/programs: scripts/tools could not install it")
    command = [MYPY, "--strict", "--cache-dir", ROOT / "target" / "mypy", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, **how)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_strict_finds_nothing_in_the_package():
    mypy("usocket", "ussl", "uselect", cwd=ROOT / "python")


def test_a_program_gets_the_types_that_its_arguments_ask_for(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    mypy("program.py", cwd=tmp_path, env={"MYPYPATH": str(ROOT / "python"), "PATH": "/usr/bin:/bin"})
