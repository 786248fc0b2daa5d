"""The errors that the header documents are those that happen: test_errors.c makes them."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import header  # noqa: E402

SECTIONS = ["address", "socket", "message", "option", "stream"]
# Documented, and not made to happen here.
NOT_MADE = {
    "EROFS": "needs a file system that is read-only",
    "ENFILE": "needs the whole system to run out, or four million handles",
    "ENOMEM": "needs the kernel to run out of memory",
    "ECONNABORTED": "accept: Linux hands the connection out instead; connect: test_modes.c",
    ("usocket_connect", "ECONNRESET"): "needs a peer that answers a SYN and then resets",
    ("usocket_connect", "EADDRINUSE"): "needs a connection in TIME_WAIT with the same four numbers",
    ("usocket_connect", "EPERM"): "needs a firewall",
    ("usocket_connect", "EOPNOTSUPP"): "no family here refuses to connect a listener with it",
    ("usocket_accept", "EPERM"): "needs a firewall",
    ("usocket_send", "EPERM"): "needs a firewall",
    ("usocket_send", "ENOBUFS"): "needs an interface whose queue is full",
    ("usocket_recv", "ENOBUFS"): "netlink: needs a flood of messages",
    ("usocket_socket", "ENOBUFS"): "needs the kernel to run out of memory",
    ("usocket_accept", "ENOBUFS"): "needs the kernel to run out of memory",
    ("usocket_setsockopt", "ENOBUFS"): "needs the kernel to run out of memory",
    ("usocket_recv", "EHOSTUNREACH"): "needs a router that says so; usocket_send has it",
    ("usocket_recv", "ENETUNREACH"): "needs a router that says so; usocket_send has it",
    ("usocket_send", "ENETUNREACH"): "made through usocket_sendto",
    ("usocket_send", "EHOSTUNREACH"): "made through usocket_sendto",
    ("usocket_send", "EACCES"): "made through usocket_sendto",
    ("usocket_setsockopt", "EBUSY"): "needs a device that is busy",
    ("usocket_setsockopt", "EACCES"): "needs an option of one protocol that asks for permission so",
    ("usocket_setsockopt", "EISCONN"): "needs an option of one protocol that asks for it",
    ("usocket_getsockopt", "EPERM"): "needs an option of one protocol that asks for it",
    ("usocket_detach", "EBUSY"): "test_close.c",
    ("usocket_dup", "EOPNOTSUPP"): "a wrapped socket: test_tls.c",
    ("usocket_sendmsg", "EOPNOTSUPP"): "a wrapped socket: test_tls.c",
}
NAME = r"(?:-(E[A-Z0-9]+)|(USOCKET_E[A-Z]+_[A-Z_]+))"


def exports(section):
    return re.findall(r"fn (usocket_\w+)\(", (ROOT / f"src/ffi/{section}.rs").read_text())


COMMENTS = {name: comment for name, comment, _ in header.functions()}
COVERED = [name for section in SECTIONS for name in exports(section)]


def errors_text(name):
    text = re.sub(r"\n// ", " ", COMMENTS[name])
    return re.search(r"Errors: (.*?) Blocks: ", text)[1]


def documented(name, seen=()):
    """The errors its comment names: its own, and with those it refers to."""
    text = errors_text(name)
    own = {a or b for a, b in re.findall(NAME, text)}
    everything = set(own)
    for other in re.findall(r"usocket_\w+", text):
        if other in COMMENTS and other not in seen and other != "usocket_error_detail":
            everything |= documented(other, (*seen, name))[1]
    return own, everything


@pytest.fixture(scope="module")
def made():
    run = subprocess.run([ROOT / "target/c-tests/test_errors"], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    codes = re.findall(r"#define (USOCKET_E\w+) (-\d+)", (ROOT / "include/usocket.h").read_text())
    names = {int(code): name for name, code in codes}
    happened = {}
    for function, code in re.findall(r"made (\w+) (-\d+)", run.stdout):
        code = int(code)
        # Two names of one number: the header has the other.
        name = {"EWOULDBLOCK": "EAGAIN", "ENOTSUP": "EOPNOTSUPP"}.get(errno.errorcode.get(-code), errno.errorcode.get(-code))
        happened.setdefault(function, set()).add(names.get(code, name))
    return happened


@pytest.mark.parametrize("name", COVERED)
def test_what_is_documented_happens(made, name):
    own, _ = documented(name)
    missing = {e for e in own - made.get(name, set()) if e not in NOT_MADE and (name, e) not in NOT_MADE}
    assert not missing, f"{name}: {sorted(missing)} is documented, and nothing makes it happen"


@pytest.mark.parametrize("name", COVERED)
def test_what_happens_is_documented(made, name):
    _, everything = documented(name)
    extra = made.get(name, set()) - everything
    assert not extra, f"{name}: {sorted(extra)} happens, and is not documented"
