"""Under memcheck: the walk with hostile arguments, and everything that makes and copies data."""

import os
import subprocess

import pytest

MEMCHECK = [
    "valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite",
]


@pytest.mark.parametrize(
    "program", ["test_hostile", "test_hostile_tls", "test_address", "test_library", "test_option", "test_finish"]
)
def test_memcheck_finds_nothing(program):
    command = MEMCHECK + ["target/c-tests/" + program]
    env = dict(os.environ, USOCKET_TEST_MEMCHECK="1")
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
    assert run.returncode == 0, run.stdout + run.stderr
