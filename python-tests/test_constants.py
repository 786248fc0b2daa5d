"""Constants and exceptions of the module."""

import errno
import re
import socket
from pathlib import Path

import pytest
import uselect
import usocket

HEADER = Path(__file__).resolve().parent.parent / "include" / "usocket.h"
PREFIXES = ["AF", "AI", "EAI", "IP", "IPPROTO", "IPV6", "MSG", "SHUT", "SO", "SOCK", "SOL", "TCP"]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_constant_of_the_platform(prefix):
    theirs = {n: v for n, v in vars(socket).items() if n.startswith(prefix + "_") and n.isupper()}
    assert len(theirs) >= 3
    for name, value in theirs.items():
        assert getattr(usocket, name) == value and type(getattr(usocket, name)) is int
        assert name in usocket.__all__


def test_somaxconn():
    assert usocket.SOMAXCONN == socket.SOMAXCONN


@pytest.mark.parametrize(
    "name",
    ["AF_INET", "AF_INET6", "AF_UNIX", "SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW"]
    + ["IPPROTO_TCP", "IPPROTO_UDP", "SHUT_RD", "SHUT_WR", "SHUT_RDWR"],
)
def test_the_documented_constants(name):
    assert getattr(usocket, name) == getattr(socket, name)


def header_number(name):
    return int(re.search(rf"^#define {name} (-?\d+)$", HEADER.read_text(), re.MULTILINE)[1])


def test_ipproto_sec_is_the_librarys():
    assert usocket.IPPROTO_SEC == header_number("USOCKET_IPPROTO_SEC")


def test_the_default_backlog_is_the_librarys():
    from usocket._numbers import BACKLOG_DEFAULT

    assert BACKLOG_DEFAULT == header_number("USOCKET_BACKLOG_DEFAULT")


@pytest.mark.parametrize("name", ["POLLIN", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL", "POLLPRI"])
def test_the_constants_of_uselect(name):
    import select

    assert getattr(uselect, name) == getattr(select, name)


def test_there_is_no_unknown_constant():
    with pytest.raises(AttributeError):
        usocket.AF_NONSENSE


# Exceptions


def test_error_is_oserror():
    assert usocket.error is OSError


def test_timeout_is_timeouterror_an_oserror():
    assert usocket.timeout is TimeoutError and issubclass(usocket.timeout, OSError)


def test_gaierror_is_an_oserror():
    assert issubclass(usocket.gaierror, OSError)


@pytest.mark.parametrize(
    "number, kind",
    [
        (errno.ECONNREFUSED, ConnectionRefusedError),
        (errno.ECONNRESET, ConnectionResetError),
        (errno.ECONNABORTED, ConnectionAbortedError),
        (errno.EPIPE, BrokenPipeError),
        (errno.EAGAIN, BlockingIOError),
        (errno.EINPROGRESS, BlockingIOError),
        (errno.ETIMEDOUT, TimeoutError),
        (errno.EACCES, PermissionError),
        (errno.EINTR, InterruptedError),
        (errno.ENOENT, FileNotFoundError),
    ],
)
def test_errors_are_the_subclasses_cpython_has(number, kind):
    from usocket._errors import error

    e = error(-number)
    assert type(e) is kind and e.errno == number == e.args[0] and e.strerror


def test_tls_errors_carry_the_librarys_code():
    from usocket._errors import error

    e = error(header_number("USOCKET_ETLS_NOT_WRAPPED"))
    assert type(e) is usocket.SSLError and e.code == e.args[0] == -10001


def test_resolver_errors_carry_the_platforms_number():
    from usocket._errors import error

    for name in ("NONAME", "AGAIN", "FAIL", "FAMILY", "SERVICE"):
        e = error(header_number(f"USOCKET_EAI_{name}"))
        assert type(e) is usocket.gaierror
        assert e.args[0] == getattr(socket, f"EAI_{name}") < 0
