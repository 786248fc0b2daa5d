"""The wheel and the sdist: built here, installed in an environment without the checkout."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import usocket

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 110
LIBRARY = str(Path(usocket.library).resolve())

TRY = """
import sys, usocket, ussl, uselect
assert usocket.library.startswith(sys.prefix), usocket.library
a, b = usocket.socketpair()
a.sendall(b"line\\n")
print(b.readline(), type(usocket.socket.recv).__name__, sys.prefix in ussl.__file__)
ussl.create_default_context()
a.close()
b.close()
"""


def call(*command, **how):
    done = subprocess.run(command, text=True, capture_output=True, timeout=LIMIT, **how)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The directory with both; the library is the one that is tested here."""
    folder = tmp_path_factory.mktemp("dist")
    before = call("git", "status", "--porcelain", "--ignored", "python", cwd=ROOT) if (ROOT / ".git").exists() else ""
    code = f"import backend; backend.build_wheel({str(folder)!r}); backend.build_sdist({str(folder)!r})"
    env = {**os.environ, "USOCKET_LIBRARY": LIBRARY}
    call(sys.executable, "-B", "-c", code, cwd=ROOT / "python", env=env)
    if before:
        assert call("git", "status", "--porcelain", "--ignored", "python", cwd=ROOT) == before
    return folder


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_what_was_built_is_installed_and_works(built, tmp_path, kind):
    [file] = built.glob(kind)
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "USOCKET_LIBRARY", "USOCKET_PURE")}
    try:
        call(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", env=env)
        call(sys.executable, "-m", "pip", "--python", sys.executable, "--version", env=env)
    except AssertionError as e:
        pytest.skip(f"no venv here, or no pip of 22.3 or later: {e}")
    python = tmp_path / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", file]
    call(*pip, cwd=tmp_path, env={**env, "USOCKET_LIBRARY": LIBRARY})
    line, recv, inside = call(python, "-W", "error", "-c", TRY, cwd=tmp_path, env=env).split()
    assert (line, inside) == ("b'line\\n'", "True")
    headers = call(python, "-c", "import sysconfig; print(sysconfig.get_path('include'))").strip()
    in_c = sys.version_info >= (3, 11) and os.path.exists(headers + "/Python.h")
    assert recv == ("method_descriptor" if in_c else "function")
    assert ("cp39-abi3" if in_c else "py3-none") in next(built.glob("*.whl")).name


def test_the_wheel_says_what_it_needs(built):
    # As the loader sees it: no glibc newer than its name says.
    [file] = built.glob("*.whl")
    with zipfile.ZipFile(file) as wheel:
        compiled = [wheel.read(n) for n in wheel.namelist() if n.endswith(".so")]
        assert any(n.endswith(".dist-info/licenses/LICENSE") for n in wheel.namelist())
    newest = max(int(n) for data in compiled for n in re.findall(rb"GLIBC_2\.(\d+)", data))
    said = re.search(r"manylinux_2_(\d+)_", file.name)
    assert said and int(said.group(1)) == max(newest, 17)
