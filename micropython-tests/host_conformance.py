"""docs/conformance.md, its column of the firmware: complete, and nothing in it that is not there."""

import ast
import functools
import os
import re
import subprocess

from run import HERE, OURS, TOP

DOCUMENTS = ("WiPy", "MaixPy", "Pycopy", "CPython 2.5", "MicroPython")


def rows():
    """(section, row, names, tests in the firmware) for each row of the table."""
    with open(f"{TOP}/docs/conformance.md", encoding="utf-8") as f:
        sections = f.read().split("\n## ")[1:]
    for section in sections:
        title, *lines = section.splitlines()
        for line in lines:
            cells = [c.strip() for c in line.strip("|").split(" | ")]
            if line.startswith("| ") and len(cells) == 4 and cells[0] != "row":
                yield title.split(":")[0], cells[0], re.findall(r"`([^`]+)`", cells[1]), cells[3].split("<br>")


ROWS = list(rows())
NOT_THERE = ["not there"]


def test_every_row_of_a_document_has_tests():
    assert {title for title, *_ in ROWS} > set(DOCUMENTS)
    for title, row, _, tests in ROWS:
        assert title not in DOCUMENTS or tests != NOT_THERE or row == "wifi, uart, lcd, image", f"{title}: {row}"


@functools.cache
def functions(file):
    with open(os.path.join(HERE, file)) as f:
        return {n.name for n in ast.parse(f.read()).body if isinstance(n, ast.FunctionDef)}


def test_every_test_exists():
    named = 0
    for _, row, _, tests in ROWS:
        for test in tests if tests != NOT_THERE else ():
            file, name = re.fullmatch(r"`micropython-tests/(\w+\.py)::(test_\w+)`", test).groups()
            assert name in functions(file), f"{row}: {file}: {name}"
            named += 1
    assert named > 300, named


# The names in the firmware: of the modules, of a socket, of a poll object and of a context.
HAS = """
import usocket, uselect, ussl
a, b = usocket.socketpair()
for prefix, thing in (("usocket", usocket), ("uselect", uselect), ("ussl", ussl), ("usocket.socket", usocket.socket),
                      ("uselect.poll", uselect.poll()), ("ussl.SSLContext", ussl.SSLContext)):
    for name in dir(thing):
        print(prefix + "." + name)
for name in ("family", "type", "proto"):
    getattr(a, name)
    print("usocket.socket." + name)
for name in ("verify_mode", "verify_callback", "check_hostname", "minimum_version", "maximum_version"):
    getattr(ussl.SSLContext(0), name)
    print("ussl.SSLContext." + name)
s = ussl.SSLContext(1).wrap_socket(a, server_side=True, do_handshake_on_connect=False)
for name in ("cipher", "version", "getpeercert", "selected_alpn_protocol", "do_handshake"):
    getattr(s, name)
    print("ussl.SSLSocket." + name)
print("ussl.SSLSocket")
"""


def test_what_the_firmware_has_is_named_and_what_a_document_names_it_has():
    r = subprocess.run([OURS, "-c", HAS], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    has = {n for n in r.stdout.split() if not n.split(".")[-1].startswith("__")}
    tested = {name for _, _, names, tests in ROWS if tests != NOT_THERE for name in names}
    constant = re.compile(r"usocket\.[A-Z][A-Z0-9]*(_\w+)?$")
    for name in has - tested:
        assert constant.match(name), f"{name} has no row"
    for title, row, names, _ in ROWS:
        for name in names if title in DOCUMENTS else ():
            there = any(n.startswith(name[:-1]) for n in has) if name.endswith("_*") else name in has
            assert there, f"{title}: {row}: {name} is not there"
