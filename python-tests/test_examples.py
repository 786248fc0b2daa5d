"""The example programs run by themselves, and say what they should."""

import os
import signal
import subprocess
import sys
import time
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


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["echo_client.py", "foo", "1", "@x"], "'foo' is not a port"),
        (["echo_client.py", "65536", "1", "@x"], "'65536' is not a port"),
        (["echo_client.py", "1"], "none of them"),
        (["echo_client.py", "1", "1", "@nobody"], "refused"),
        (["echo_server.py", "-1"], "is not a port"),
        (["echo_server.py", "0", "0", "/no/such/directory/s"], "No such file"),
        (["https_get.py", "http://localhost/"], "is not https://"),
        (["https_get.py", "https://"], "is not https://"),
        (["https_get.py", "https://[::1]:port/"], "https_get.py: "),
        (["https_get.py", "foo"], "is not https://"),
        (["https_get.py", "https://127.0.0.1:1/"], "refused"),
        (["https_get.py", "https://127.0.0.1:1/", "/no such file"], "/no such file: No such file"),
        (["https_server.py", "/no such file", "/nor this"], "/no such file: No such file"),
        (["https_server.py", "alone"], "needs its KEY"),
        (["mutual_tls.py", "too much"], "unrecognized arguments"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(arguments, sentence):
    name, *rest = arguments
    env = dict(os.environ, PYTHONPATH=str(ROOT / "python"))
    program = [sys.executable, str(ROOT / "examples" / "python" / name), *rest]
    done = subprocess.run(program, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode in (1, 2) and sentence in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def until_it_polls(pid):
    """Waits until the process sleeps in poll(2) or epoll_wait(2). A signal that comes just before it does
    is seen when that ends, in CPython's own as well."""
    until = time.monotonic() + 100
    while "poll" not in Path(f"/proc/{pid}/wchan").read_text():
        assert time.monotonic() < until, "it does not poll"
        time.sleep(0.001)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_server_ends_with_ctrl_c_whoever_started_it(how):
    env = dict(os.environ, PYTHONPATH=str(ROOT / "python"))
    program = [sys.executable, str(ROOT / "examples" / "python" / "echo_server.py")]
    quiet = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731
    with subprocess.Popen(program, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=quiet) as server:  # fmt: skip
        lines = [server.stdout.readline() for _ in range(3)]
        assert lines[2].startswith("unix")
        until_it_polls(server.pid)
        server.send_signal(how)
        _, err = server.communicate(timeout=100)
        assert (server.returncode, err) == (0, "")
