"""A plugin of pytest: the lines of python/ that each test that passes reaches, one JSON object a line."""

import json
import os
import sys
import threading
import time

import pytest

ROOT = os.environ["USOCKET_PLACE"]
PACKAGES = ROOT + "/python/"
seen, failed = set(), set()


def line(frame, event, arg):
    if event == "line":
        seen.add((frame.f_code.co_filename, frame.f_lineno))
    return line


def call(frame, event, arg):
    return line if frame.f_code.co_filename.startswith(PACKAGES) else None


def pytest_runtest_logreport(report):
    if report.outcome != "passed":
        failed.add(report.nodeid)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    seen.clear()
    threading.settrace(call)
    sys.settrace(call)
    began = time.monotonic()
    yield
    sys.settrace(None)
    if item.nodeid in failed:
        return
    with open(os.environ["USOCKET_REACHES"], "a") as f:
        lines = sorted([name[len(ROOT) + 1:], number] for name, number in seen.copy())
        json.dump({"id": item.nodeid, "took": time.monotonic() - began, "lines": lines}, f)
        f.write("\n")
