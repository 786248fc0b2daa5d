"""scripts/no-backtraces: a panic in the library is still reported and still becomes a code."""

import os
import subprocess

import pytest

LIBRARY = """\
#[no_mangle]
pub extern "C" fn at(n: usize) -> i32 {
    std::panic::catch_unwind(|| vec![1, 2, 3][n]).unwrap_or(-131)
}
"""
PROGRAM = """\
#include <stdio.h>
int at(unsigned long n);
int main(void) { printf("%d %d\\n", at(1), at(9)); return 0; }
"""


@pytest.fixture(params=["-Clto=no", "-Clto=fat"])
def archive(request, tmp_path):
    (tmp_path / "at.rs").write_text(LIBRARY)
    (tmp_path / "at.c").write_text(PROGRAM)
    rustc = ["rustc", "-O", "--crate-type=staticlib", request.param, "-o", "libat.a", "at.rs"]
    subprocess.run(rustc, cwd=tmp_path, check=True)
    return tmp_path / "libat.a"


def take_out(archive):
    script = ["scripts/no-backtraces", str(archive)]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout


def run(archive):
    """(size, standard output, standard error) of the program, asked for backtraces."""
    link = ["cc", "at.c", "libat.a", "-o", "at", "-s", "-Wl,--gc-sections", "-lpthread", "-ldl", "-lm"]
    subprocess.run(link, cwd=archive.parent, check=True)
    program, env = archive.parent / "at", dict(os.environ, RUST_BACKTRACE="full")
    done = subprocess.run([program], env=env, capture_output=True, text=True, check=True)
    return program.stat().st_size, done.stdout, done.stderr


def test_all_but_the_backtrace_stays(archive):
    before, _, told = run(archive)
    assert "stack backtrace" in told
    assert take_out(archive) == ""
    after, answers, told = run(archive)
    assert answers == "2 -131\n"
    assert "index out of bounds: the len is 3 but the index is 9" in told
    assert "unknown" not in told
    assert after < before / 2


def test_what_it_does_not_know_stays_as_it_is(archive):
    changed = archive.read_bytes().replace(b"DisplayBacktrace", b"DisplayBackTrace")
    archive.write_bytes(changed)
    assert "backtraces stay" in take_out(archive)
    assert archive.read_bytes() == changed


def test_the_installed_archive_is_without(tmp_path):
    install = ["make", "install", f"DESTDIR={tmp_path}"]
    done = subprocess.run(install, capture_output=True, text=True, check=True)
    assert "backtraces stay" not in done.stdout
