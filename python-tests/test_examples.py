"""The example programs run by themselves, and say what they should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def example(name):
    """Runs an example; its output."""
    env = dict(os.environ, PYTHONPATH=str(ROOT / "python"))
    program = [sys.executable, "-W", "error", str(ROOT / "examples" / "python" / name)]
    done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def checksums(output):
    return [line.split("crc32 ")[1][:8] for line in output.splitlines() if "crc32 " in line]


def test_the_download_of_the_maixpy_document():
    output = example("maixpy_download.py")
    offered, saved = checksums(output)
    assert offered == saved and "320x240" in output


def test_the_sending_of_the_maixpy_document():
    sent, received = checksums(example("maixpy_send.py"))
    assert sent == received


def test_the_echo_over_tcp_udp_and_unix():
    output = example("echo_client.py")
    for kind in ("TCP", "UDP", "Unix"):
        assert f"{kind:4} to " in output and f"server: {kind:4}" in output
    assert output.count(" = ") == 3 and "≠" not in output


@pytest.mark.parametrize("name", ["maixpy_download", "maixpy_send"])
def test_a_picture_that_is_not_the_same_is_a_failure(name):
    code = (
        "import sys, picture, " + name + " as example\n"
        "made = picture.make\n"
        "class Damaged(bytes):\n"
        "    def __eq__(self, other): return False\n"
        "    __hash__ = None\n"
        "picture.make = lambda: Damaged(made(8, 8))\n"
        "sys.exit(0 if example.main() else 3)\n"
    )
    paths = [str(ROOT / "python"), str(ROOT / "examples" / "python")]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
    assert subprocess.run([sys.executable, "-c", code], env=env, timeout=100).returncode == 3
