"""The errors that the header documents are those that happen.

Every C test records the errors it provokes (USOCKET_MADE, check_code in support.c). This fails for a
documented error that no test provokes, and for an undocumented one that occurs, for every function in the
header.
"""

import errno
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import header  # noqa: E402

# C tests that take long, and make no error that the others do not.
LONG = {
    "test_close", "test_connection", "test_connection_race", "test_fork", "test_fork_close", "test_fork_poller",
    "test_fork_storm", "test_message", "test_modes", "test_modes_description", "test_modes_signals", "test_name",
    "test_threads",
}
# Documented, and not made to happen here.
NOT_MADE = {
    "EROFS": "needs a file system that is read-only",
    "ENFILE": "needs the whole system to run out, or four million handles",
    "ENOMEM": "needs the kernel to run out of memory",
    "ECONNABORTED": "accept: Linux hands the connection out instead; connect: test_modes_description.c",
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
    "EIO": "needs a device that fails",
    ("usocket_take_error", "ETIMEDOUT"): "needs a peer that vanishes",
    ("usocket_take_error", "EHOSTUNREACH"): "needs a router that says so; usocket_connect has it",
    ("usocket_set_tos", "EPERM"): "needs a kernel, or a filter of system calls, that refuses it",
    ("usocket_setsockopt", "EBUSY"): "needs a device that is busy",
    ("usocket_setsockopt", "EACCES"): "needs an option of one protocol that asks for permission so",
    ("usocket_setsockopt", "EISCONN"): "needs an option of one protocol that asks for it",
    ("usocket_getsockopt", "EPERM"): "needs an option of one protocol that asks for it",
    ("usocket_detach", "EBUSY"): "test_close.c",
    "USOCKET_EAI_MEMORY": "test_memory.c",
    "USOCKET_ETLS_CPU": "needs a processor without AES or the like",
    **{(f"usocket_{name}", "ENOSPC"): "needs as many watches as the system allows one user"
       for name in ("poller_add", "poller_add_fd", "poller_wait", "fileno")},
    ("usocket_poller_arm_timer", "ENOSPC"): "needs four million timers",
    ("usocket_tls_wrap", "USOCKET_ETLS_NO_SUCH_SUITE"): "needs settings that pass one by one and not together",
}
# "-EBADF", "USOCKET_ETLS_NO_CERT", or the beginning of names: "USOCKET_EAI_", "USOCKET_ETLS_...".
NAME = r"(?:-(E[A-Z0-9]+)|(USOCKET_E[A-Z]+_[A-Z_]*))"
# Further errors of these, which the header does not list.
SYSTEM = {
    "open(2)": "EACCES EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE ENOENT ENOMEM ENOTDIR ENXIO EPERM EROFS EOVERFLOW",
    "read(2)": "EIO EISDIR EINVAL EAGAIN EINTR",
    "opendir(3)": "EACCES EMFILE ENFILE ENOENT ENOMEM ENOTDIR",
}
COMMENTS = {name: comment for name, comment, _ in header.functions()}


def errors_text(name):
    text = re.sub(r"\n// ", " ", COMMENTS[name])
    return re.search(r"Errors: (.*?) Blocks: ", text)[1]


def documented(name, seen=()):
    """The errors its comment names: its own, and with those it refers to."""
    text = errors_text(name)
    own = {a or b for a, b in re.findall(NAME, text)}
    everything = set(own)
    for call, errors in SYSTEM.items():
        everything |= set(errors.split()) if call in text else set()
    for other in re.findall(r"usocket_\w+", text):
        if other in COMMENTS and other not in seen and not re.match("usocket_error_detail|usocket_gai", other):
            everything |= documented(other, (*seen, name))[1]
    return own, everything


def is_one_of(error, names):
    return any(error == n or n.endswith("_") and error.startswith(n) for n in names)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    file = tmp_path_factory.mktemp("made") / "made"
    file.touch()
    tests = [t.stem for t in sorted((ROOT / "c-tests").glob("test_*.c")) if t.stem not in LONG]

    def run(test):
        command, env = [ROOT / "target/c-tests" / test], {**os.environ, "USOCKET_MADE": str(file)}
        return test, subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)

    with ThreadPoolExecutor(2) as pool:
        for test, done in pool.map(run, tests):
            assert done.returncode == 0, f"{test}: {done.stdout}{done.stderr}"
    codes = re.findall(r"#define (USOCKET_E\w+) (-\d+)", (ROOT / "include/usocket.h").read_text())
    names = {int(code): name for name, code in codes}
    happened = {}
    for function, code in re.findall(r"^(usocket_\w+) (-\d+)$", file.read_text(), re.M):
        happened.setdefault(function, set()).add(name_of(int(code), names))
    return happened


def name_of(code, names):
    # Two names of one number: the header has the other.
    also = {"EWOULDBLOCK": "EAGAIN", "ENOTSUP": "EOPNOTSUPP", "EDEADLOCK": "EDEADLK"}
    system = errno.errorcode.get(-code)
    if -10999 < code < -10500:
        return "USOCKET_ETLS_ALERT"
    return names.get(code, also.get(system, system)) or str(code)


@pytest.mark.parametrize("name", COMMENTS)
def test_what_is_documented_happens(made, name):
    own, _ = documented(name)
    happened = made.get(name, set())
    excused = {e for e in own if e in NOT_MADE or (name, e) in NOT_MADE}
    if name.startswith("usocket_tls_"):
        excused.add("EOPNOTSUPP")  # A build without TLS.
    missing = [e for e in sorted(own - excused) if not any(is_one_of(h, [e]) for h in happened)]
    assert not missing, f"{name}: {missing} is documented, and nothing makes it happen"


@pytest.mark.parametrize("name", COMMENTS)
def test_what_happens_is_documented(made, name):
    _, everything = documented(name)
    extra = sorted(e for e in made.get(name, set()) if not is_one_of(e, everything))
    assert not extra, f"{name}: {extra} happens, and is not documented"


def test_what_is_said_not_to_be_made_is_documented():
    everywhere = set().union(*(documented(name)[0] for name in COMMENTS))
    for entry in NOT_MADE:
        name, error = entry if isinstance(entry, tuple) else (None, entry)
        assert is_one_of(error, documented(name)[1] if name else everywhere), f"{entry} is documented nowhere"
