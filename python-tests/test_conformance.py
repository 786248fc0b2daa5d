"""docs/conformance.md: every test and every name in it exists, and no public name is left out."""

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest
import uselect
import usocket
import ussl
import ussl.compat

ROOT = Path(__file__).resolve().parent.parent
TABLE = (ROOT / "docs" / "conformance.md").read_text()
NO_TEST = ("TLS", "MicroPython firmware")

# The definitions of the documents, by their names. Methods are those of the class socket.
DEFINED = {
    "WiPy": """socket getaddrinfo error timeout AF_INET SOCK_STREAM SOCK_DGRAM IPPROTO_UDP
        IPPROTO_TCP
        IPPROTO_SEC .close .bind .listen .accept .connect .send .sendall .recv .sendto .recvfrom
        .setsockopt .settimeout .setblocking .makefile .read .readall .readinto .readline .write""",
    "MaixPy": """socket getaddrinfo inet_ntop inet_pton AF_INET AF_INET6 SOCK_STREAM SOCK_DGRAM
        IPPROTO_UDP IPPROTO_TCP SOL_* SO_* .close .bind .listen .accept .connect .send .sendall
        .recv
        .sendto .recvfrom .setsockopt .settimeout .setblocking .makefile .read .readinto .readline
        .write error""",
    "Pycopy": """socket getaddrinfo inet_ntop inet_pton AF_INET AF_INET6 SOCK_STREAM SOCK_DGRAM
        IPPROTO_UDP IPPROTO_TCP SOL_* SO_* IPPROTO_SEC .close .bind .listen .accept .connect .send
        .sendall .recv .sendto .recvfrom .setsockopt .settimeout .setblocking .makefile .read
        .readinto .readline .write error""",
    "CPython 2.5": """.accept .bind .close .connect .connect_ex .fileno .getpeername .getsockname
        .getsockopt .listen .makefile .recv .recvfrom .recvfrom_into .recv_into .send .sendall
        .sendto .setblocking .settimeout .gettimeout .setsockopt .shutdown .family .type .proto
        SHUT_RD SHUT_WR SHUT_RDWR""",
}


def rows():
    """(document, row, name, tests) for each row of the table."""
    for section in TABLE.split("\n## ")[1:]:
        title, *lines = section.splitlines()
        for line in lines:
            cells = [c.strip() for c in line.strip("|").split(" | ")]
            if line.startswith("| ") and cells[0] != "row" and cells[2] != "–":
                row, names, tests, _ = cells  # the last is micropython-tests/host_conformance.py's
                for name in re.findall(r"`([^`]+)`", names) or [names]:
                    yield title.split(":")[0], row, name, tests.split("<br>")


ROWS = list(rows())


def test_there_is_a_table_for_each_document():
    assert list(dict.fromkeys(document for document, *_ in ROWS)) == [
        "WiPy",
        "MaixPy",
        "Pycopy",
        "CPython 2.5",
        "MicroPython",
        "Beyond the documents",
    ]


@lru_cache(None)
def functions_of(path):
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_of_the_table_exists():
    named = 0
    for _, row, _, tests in ROWS:
        for test in tests:
            if test in NO_TEST:
                continue
            path, name = re.fullmatch(r"`(python-tests/\w+\.py)::(test_\w+)`", test).groups()
            assert name in functions_of(path), f"{row}: {test}"
            named += 1
    assert named > 300


def exists(name):
    module, *path = name.split(".")
    thing = {"usocket": usocket, "uselect": uselect, "ussl": ussl}[module]
    if path[0].endswith("_*"):
        return any(n.startswith(path[0][:-1]) for n in dir(thing))
    for attribute in path:
        thing = getattr(thing, attribute)
    return True


def test_every_name_of_the_table_exists():
    for _, row, name, tests in ROWS:
        assert exists(name) if name != "–" else True, row


@pytest.mark.parametrize("document", DEFINED)
def test_everything_a_document_defines_has_a_row(document):
    named = {name for where, _, name, _ in ROWS if where == document}
    for word in DEFINED[document].split():
        full = "usocket.socket" + word if word.startswith(".") else "usocket." + word
        assert full in named, full


def test_every_public_name_has_a_row():
    named = {name for *_, name, _ in ROWS}
    constants = set(usocket._constants.CONSTANTS)
    elsewhere = {"SSLError", "SocketType", "features", "library", "version"}
    for name in set(usocket.__all__) - constants - elsewhere:
        assert "usocket." + name in named, name
    for name in ussl.__all__:
        assert "ussl." + name in named, name
    for kind, names in [
        ("usocket.socket", dir(usocket.socket)),
        ("uselect.poll", dir(uselect.poll)),
        ("ussl.SSLContext", dir(ussl.SSLContext)),
        ("ussl.SSLSocket", set(dir(ussl.SSLSocket)) - set(dir(usocket.socket))),
    ]:
        for name in names:
            assert name.startswith("_") or f"{kind}.{name}" in named, name
