"""make cross, make cross-test: they name everything missing before they begin."""

import os
import shutil
import subprocess

import pytest


@pytest.fixture
def bare(tmp_path):
    """A PATH with the tools of scripts, but no compilers."""
    for tool in "sh dirname sed mkdir id cat awk grep df head".split():
        os.symlink(shutil.which(tool), tmp_path / tool)
    return {"PATH": str(tmp_path)}


def run(command, env=None):
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


def test_a_target_that_nobody_knows():
    code, said = run(["scripts/cross", "pdp11"])
    assert (code, said) == (77, "cross: pdp11 is neither a triple of Rust's nor one of Debian's names that are known here\n")


def test_what_building_misses(bare):
    code, said = run(["scripts/cross", "arm64"], bare)
    assert code == 77 and said.count("\n") == 1
    for what in ["rustc", "cargo", "python3", "apt", "dpkg"]:
        assert what in said


def test_what_testing_misses(bare):
    code, said = run(["scripts/cross-root", "arm64"], bare)
    assert code == 77 and said.count("\n") == 1
    assert "superuser" in said if os.geteuid() else "mmdebstrap" in said and "util-linux" in said


def test_a_machine_that_nobody_knows():
    code, said = run(["scripts/cross-test", "pdp11"])
    assert code == 1 and said.startswith("pdp11: not one of i386, arm64")
