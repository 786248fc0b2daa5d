"""For pytest: the tests of this directory as run.py finds and runs them, on the firmware, not by importing them."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.modules.setdefault("run", __import__("run"))
import run  # noqa: E402


def pytest_sessionstart(session):
    built = subprocess.run([HERE.parent / "scripts/micropython-build"], capture_output=True, text=True)
    if built.returncode != 0:
        pytest.exit(f"the firmware does not build: {built.stderr}", returncode=3)
    run.prepare()


class Item(pytest.Item):
    def __init__(self, *, test, **kw):
        super().__init__(**kw)
        self.test = test

    def runtest(self):
        try:
            self.test()
        except run.Skip as e:
            pytest.skip(str(e))

    def repr_failure(self, excinfo):
        return str(excinfo.value)


class Collector(pytest.File):
    def collect(self):
        for module, name, test in run.everything():
            if module == self.path.stem:
                yield Item.from_parent(self, name=name, test=test)


def pytest_pycollect_makemodule(module_path, parent):
    return Collector.from_parent(parent, path=module_path)


def pytest_collect_file(file_path, parent):
    if file_path.match("host_*.py"):
        return Collector.from_parent(parent, path=file_path)
    return None
