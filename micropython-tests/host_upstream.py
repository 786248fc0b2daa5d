"""MicroPython's own network tests (upstream.py): one test here for each of theirs."""

import functools
import os

import upstream
from run import Skip


# What the library would have to change for: these are skipped while they fail.
LIBRARY_GAPS = {
    "multi_net/sslcontext_verify_callback.py": "the callback is called twice for a certificate that is trusted itself",
    "multi_net/sslcontext_verify_time_error.py": "a certificate with another's key is refused when it is loaded",
}


@functools.lru_cache(maxsize=None)
def results():
    return upstream.compare(list(upstream.tests()))


def check(name):
    stock, ours = result = results()[name]
    if ours != "pass" and name in LIBRARY_GAPS:
        raise Skip(f"known gap of the library: {LIBRARY_GAPS[name]}")
    assert not upstream.lost(name, result), f"stock {stock}, ours {ours}"
    if ours != "pass":
        raise Skip(f"stock {stock}, ours {ours}")


if os.path.isdir(upstream.TESTS):
    for _name in upstream.tests():
        globals()["test_" + _name[:-3].replace("/", "_")] = functools.partial(check, _name)
