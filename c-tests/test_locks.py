"""docs/architecture.md's table of locks has every lock of the sources, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = re.compile(
    r"^\s*(?:pub(?:\([^)]*\))? )?(?:static )?(\w+): (?:Counted<)?(?:Lock|Mutex|RwLock)<"
    r"|^(?:pub )?struct (\w+)\((?:Counted<)?(?:Lock|Mutex|RwLock)<",
    re.M,
)


def test_every_lock_is_in_the_table():
    found = set()
    for path in (ROOT / "src").rglob("*.rs"):
        source = path.read_text().split("#[cfg(test)]\nmod tests")[0]
        if "tests" not in str(path.relative_to(ROOT)):
            found |= {(str(path.relative_to(ROOT / "src")), a or b) for a, b in LOCK.findall(source)}
    section = (ROOT / "docs/architecture.md").read_text().split("\n## Locks\n")[1].split("\n## ")[0]
    table = set()
    for file, names in re.findall(r"^\| `([\w/]+\.rs)` \| ([^|]+) \|", section, re.M):
        table |= {(file, name) for name in re.findall(r"`(\w+)`", names)}
    assert len(found) > 15
    assert found == table, (found - table, table - found)
