"""Name servers that answer late, never, with garbage: the resolver keeps its deadline."""

import subprocess
import sys
from pathlib import Path

import pytest

WORLD = Path(__file__).with_name("dns_world.py")


# What is about the threads that wait for the C library.
LIBRARY_ALONE = {"bound"}


@pytest.mark.parametrize("way", ["servers", "library"])
@pytest.mark.parametrize(
    "case",
    """good late never garbage truncated interrupted pollable abandoned idle many namespace fork
    across_fork forks half_an_answer reverse dead bound search servers alike""".split(),
)
def test_dns(case, way):
    if way == "servers" and case in LIBRARY_ALONE:
        pytest.skip("no thread waits for the servers")
    ran = subprocess.run(
        [sys.executable, WORLD, case, way], timeout=120, capture_output=True, text=True, check=False
    )
    if ran.returncode == 77:
        pytest.skip("needs network and mount namespaces, which this user may not make")
    assert ran.returncode == 0, ran.stderr
