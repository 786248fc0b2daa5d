"""stress/defects.py reintroduces defects by changing one line each: the lines are in the sources."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "stress"))

import defects  # noqa: E402


def test_each_line_is_there_once():
    for name, (_, file, here, instead, _) in defects.DEFECTS.items():
        assert (ROOT / file).read_text().count(here) == 1 and here != instead, name
