"""docs/conformance.md, its table of the firmware: complete, and nothing in it that is not there."""

import ast
import os
import re
import subprocess

from run import HERE, OURS, TOP

with open(f"{TOP}/docs/conformance.md", encoding="utf-8") as _f:
    SECTIONS = _f.read().split("\n## ")[1:]
DOCUMENTS = ("WiPy", "MaixPy", "Pycopy", "CPython 2.5", "MicroPython")


def names_of(title):
    """The names of one table: the column before the tests."""
    for section in SECTIONS:
        if section.startswith(title):
            for line in section.splitlines():
                cells = [c.strip() for c in line.strip("|").split(" | ")]
                if line.startswith("| ") and cells[-1].startswith("`"):
                    yield from re.findall(r"`([^`]+)`", cells[-2])


def here():
    names = set(names_of("In the firmware"))
    assert len(names) > 80, len(names)
    return names


def test_every_name_of_a_document_has_tests():
    for document in DOCUMENTS:
        names = {n for n in names_of(document) if re.fullmatch(r"u\w+(\.\w+\*?)+|u\w+\.\w+_\*", n)}
        assert names, document
        assert not names - here(), f"{document}: {names - here()}"


def test_every_test_exists():
    section = next(s for s in SECTIONS if s.startswith("In the firmware"))
    tests = re.findall(r"`micropython-tests/(test_\w+\.py)::(test_\w+)`", section)
    assert len(tests) > 100
    for file, name in tests:
        with open(os.path.join(HERE, file)) as f:
            functions = {n.name for n in ast.parse(f.read()).body if isinstance(n, ast.FunctionDef)}
        assert name in functions, f"{file}: {name}"


# What the firmware says it has: names of the modules, of a socket, of a poll object and of a context.
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


def test_what_the_firmware_has_is_named_and_what_is_named_it_has():
    r = subprocess.run([OURS, "-c", HAS], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    has = {n for n in r.stdout.split() if not n.split(".")[-1].startswith("__")}
    groups = {n for n in here() if n.endswith("_*")}
    for name in here() - has:
        assert name in groups and any(n.startswith(name[:-1]) for n in has), f"{name} is not there"
    constant = re.compile(r"usocket\.[A-Z][A-Z0-9]*(_\w+)?$")
    for name in has - here():
        assert constant.match(name), f"{name} has no row"
