"""System calls are the cost: how many each operation makes, counted by strace."""

import re
import subprocess

import pytest

PROGRAM = "target/c-tests/tool_syscalls"
MODES = ["blocking", "timeout", "non-blocking"]
STREAM = ["send", "sendall", "write", "recv", "recvfrom", "read", "accept"]
DATAGRAM = ["send", "sendto", "recv", "recvfrom"]
ABOUT_SOCKETS = {"sendto", "sendmsg", "recvfrom", "recvmsg", "poll", "ppoll", "getpeername", "getsockopt", "ioctl", "fcntl"}
READY = [
    (operation, kind, mode)
    for kinds, operations in [(["tcp", "tcp6", "unix"], STREAM), (["udp", "unix-datagram"], DATAGRAM)]
    for kind in kinds
    for operation in operations
    for mode in MODES
]


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """(operation, kind, mode) → the system calls of the first thread between its mark and the next"""
    log = tmp_path_factory.mktemp("strace") / "log"
    run = subprocess.run(["strace", "-f", "-qq", "-s", "80", "-o", log, PROGRAM], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found, first, at = {}, None, None
    for line in log.read_text().splitlines():
        thread, call = line.split(None, 1)
        first = first or thread
        # A call that another thread's interrupted in the trace is counted where it began.
        if thread != first or call.startswith(("<...", "---", "+++")):
            continue
        mark = re.match(r'write\(-1, "(\S+) (\S*) (\S*)"', call)
        if mark:
            at = found.setdefault(mark.groups(), []) if mark[1] != "end" else None
        elif at is not None:
            at.append(call)
    return found


@pytest.mark.parametrize("operation, kind, mode", READY)
def test_a_ready_operation_is_one_system_call(calls, operation, kind, mode):
    assert len(calls[operation, kind, mode]) == 1, calls[operation, kind, mode]


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix", "udp", "unix-datagram"])
def test_a_recv_that_must_wait(calls, kind):
    assert len(calls["waiting-recv", kind, "blocking"]) == 1
    assert len(calls["waiting-recv", kind, "timeout"]) <= 3, calls["waiting-recv", kind, "timeout"]


@pytest.mark.parametrize("kind", ["tls-client", "tls-server"])
@pytest.mark.parametrize("mode", ["blocking", "timeout"])
def test_tls_costs_no_more(calls, kind, mode):
    def names(operation):
        return [re.match(r"\w+", call)[0] for call in calls[operation, kind, mode]]

    assert names("send") == names("sendall") == ["sendto"]
    assert names("recv") == ["recvfrom"]
    assert names("recv-rest") == [], "it is decrypted already"
    if mode == "blocking":
        assert names("waiting-recv") == ["recvfrom"]
        flights = {"tls-client": ["sendto", "recvfrom", "sendto"], "tls-server": ["recvfrom", "sendto", "recvfrom"]}
        # The first handshake of a process also opens files and asks for memory.
        assert [n for n in names("handshake") if n in ABOUT_SOCKETS] == flights[kind]
    else:
        assert len(names("waiting-recv")) <= 3


@pytest.mark.parametrize("kind", ["tls-plain", "tls-tickets"])
def test_a_tls_server_asks_the_kernel_once_for_what_is_there(calls, kind):
    def names(operation):
        found = [re.match(r"\w+", call)[0] for call in calls[operation, kind, "non-blocking"]]
        # Asked once for each connection: how much the kernel can take.
        return [n for n in found if n in ABOUT_SOCKETS - {"getsockopt", "ioctl"}]

    # The last one finds nothing: only the kernel can say so, for the client's end may lie behind its hello.
    assert names("hello") == ["recvfrom", "sendto", "recvfrom"]
    assert names("request") == ["recvfrom"]
    assert names("answer") == ["sendto"], "the tickets leave with it"


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
@pytest.mark.parametrize("mode", MODES)
def test_a_line_is_two_system_calls_not_one_a_byte(calls, kind, mode):
    assert len(calls["readline", kind, mode]) == 2, calls["readline", kind, mode]
