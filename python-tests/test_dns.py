"""Name servers that answer late, never, with garbage: the resolver keeps its deadline."""

import concurrent.futures
import errno
import subprocess
import sys
from pathlib import Path

import pytest

WORLD = Path(__file__).with_name("dns_world.py")


# The cases about the threads that wait for the C library.
LIBRARY_ALONE = {"bound"}


def live(case, way):
    command = [sys.executable, WORLD, case, way]
    for last in (False, False, True):
        try:
            return subprocess.run(command, timeout=120, capture_output=True, text=True, check=False)
        except OSError as e:
            # The program has not begun: one kernel (6.18) gives this now and then to an execve beside others
            # that make namespaces.
            if last or e.errno != errno.EFAULT:
                raise
    raise AssertionError


@pytest.fixture(scope="module")
def worlds(request):
    """The result of each case, four at a time, as they wait for their name servers."""
    cases = [i.callspec.params for i in request.session.items if i.path == request.path]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield {(c["case"], c["way"]): pool.submit(live, c["case"], c["way"]) for c in cases
               if c["way"] == "library" or c["case"] not in LIBRARY_ALONE}


@pytest.mark.parametrize("way", ["servers", "library"])
@pytest.mark.parametrize(
    "case",
    """good late never garbage truncated interrupted pollable abandoned idle many namespace fork
    across_fork forks half_an_answer reverse dead bound search servers alike""".split(),
)
def test_dns(worlds, case, way):
    if way == "servers" and case in LIBRARY_ALONE:
        pytest.skip("no thread waits for the servers")
    ran = worlds[case, way].result()
    if ran.returncode == 77:
        pytest.skip("needs network and mount namespaces, and descriptors, that this user may not have")
    assert ran.returncode == 0, ran.stderr
