"""The header: it compiles everywhere, it documents everything, and the tests know all of it."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, "scripts")
import header  # noqa: E402

STANDARDS = [
    ["gcc", "-x", "c", "-std=c99"],
    ["gcc", "-x", "c", "-std=c11"],
    ["gcc", "-x", "c", "-std=c17"],
    ["g++", "-x", "c++", "-std=c++11"],
    ["g++", "-x", "c++", "-std=c++17"],
    ["g++", "-x", "c++", "-std=c++20"],
]


@pytest.mark.parametrize("compiler", STANDARDS, ids=lambda c: c[-1])
def test_it_compiles_alone_and_without_a_warning(compiler):
    flags = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wundef", "-Iinclude", "-fsyntax-only", "-"]
    if compiler[0] == "gcc":
        flags.insert(0, "-Wstrict-prototypes")
    source = "#include <usocket.h>\n#include <usocket.h>\nint used(void); int used(void) { return 0; }\n"
    run = subprocess.run(compiler + flags, input=source, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_function_is_documented():
    assert list(header.lint()) == []


def test_the_lint_sees_every_function_and_what_is_missing(tmp_path, monkeypatch):
    exported = subprocess.run(
        ["nm", "-D", "--defined-only", "target/release/libusocket.so"],
        capture_output=True, text=True, check=True,
    ).stdout.split()[2::3]
    assert sorted(name for name, _, _ in header.functions()) == sorted(exported)
    # The lint must find a missing line.
    text = Path(header.HEADER).read_text()
    for field in header.MUST_SAY:
        broken = tmp_path / "broken.h"
        broken.write_text(text.replace(f"// {field}: ", "// ", 1))
        monkeypatch.setattr(header, "HEADER", str(broken))
        assert len(list(header.lint())) == 1
