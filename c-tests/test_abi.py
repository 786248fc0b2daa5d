"""The ABI: it matches c-tests/abi.txt, and nothing else is exported."""

import platform
import re
import subprocess
import sys

import pytest

sys.path.insert(0, "scripts")
import abi  # noqa: E402
import header  # noqa: E402

LIBRARY = "target/release/libusocket.so"


def test_it_is_what_was_accepted():
    with open("c-tests/abi.txt") as f:
        accepted = f.read().splitlines()
    assert list(abi.describe()) == accepted, "if the change is meant: make abi, and commit abi.txt"


def test_only_usocket_symbols_are_exported():
    assert [name for name in abi.exported(LIBRARY) if not name.startswith("usocket_")] == []
    assert sorted(name for name, _, _ in header.functions()) == abi.exported(LIBRARY)


def test_the_soname():
    assert abi.soname(LIBRARY) == "libusocket.so.0"


def test_every_structure_of_the_header_is_described():
    with open(header.HEADER) as f:
        structures = re.findall(r"^typedef struct (\w+) \{(.*?)^\}", f.read(), re.M | re.S)
    described = "\n".join(abi.describe())
    assert structures
    for name, body in structures:
        members = re.findall(r"^\s+[^/\n]*?(\w+)(?:\[\d+\])?;", body, re.M)
        part = re.search(rf"struct {name} size.*\n((?:  .*\n?)*)", described)
        assert part, name
        assert re.findall(r"^  (\w+) at", part[1], re.M) == members, name


# (On x86 gcc can align as the other processors of 32 bits do.)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the compiler's switches are those for x86")
@pytest.mark.parametrize("machine, switches", [
    ("64", []), ("i386", ["-m32"]), ("32", ["-m32", "-malign-double"]),
])
def test_layouts_on_machines_of(machine, switches, tmp_path):
    source = tmp_path / "asserts.c"
    source.write_text("\n".join(abi.asserts(abi.LAYOUTS[machine])) + "\n")
    assert "_Static_assert(sizeof(usocket_event)" in source.read_text()
    cc = ["cc", *switches, "-std=c11", "-ffreestanding", "-Iinclude", "-fsyntax-only", source]
    ended = subprocess.run(cc, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
