"""docs/performance.md from the results: its table, and the runs that its rows are of.

A row that was not measured this time stays as it was, with the commit it belongs to; one that was
measured again alone says what it gave before.
"""

import json
import re

from .measure import OUT, ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
HEAD = ["host", "row", "peer", "ratio", "spread", "goal", "ours", "peer's", "unit", "commit"]
TABLE = re.compile(r"^\| host \| row \|.*\n\|---.*\n(?:\|.*\n)*", re.M)
RUNS = re.compile(r"<!-- runs -->\n(.*?)<!-- end of runs -->\n", re.S)


def number(v):
    if v is None:
        return "-"
    return f"{v:,.0f}" if abs(v) >= 1000 else f"{v:.3g}"


def cells(r):
    """A result as a line of the table."""
    goal = "" if r["goal"] is None else f"{r['goal']:.3g}"
    if r["ratio"] is not None and r["goal"] is not None:
        goal += " met" if r["ratio"] >= r["goal"] else " **missed**"
    ratio = (r["note"] if r["value"] is None else "") if r["ratio"] is None else f"{r['ratio']:.3g}"
    if r.get("before") is not None:
        ratio += f" (before: {r['before']:.3g})"
    spread = "" if r["spread"] is None else f"±{r['spread']:.2g}"
    return [r["host"], r["row"], r["peer"], ratio, spread, goal, number(r["value"]),
            number(r["peer_value"]), r["unit"], r["commit"]]


def parse(text):
    """The lines of the document's table."""
    lines = TABLE.search(text)[0].splitlines()
    names = [c.strip() for c in lines[0].strip("|").split("|")]
    for line in lines[2:]:
        row = dict(zip(names, (c.strip() for c in line.strip("|").split("|"))))
        yield [row.get(name, "") for name in HEAD]


def merged(text, results):
    """The table, with the results in place of the older ones."""
    again = {(r["host"], r["row"]): [] for r in results}
    for r in results:
        again[r["host"], r["row"]].append(cells(r))
    for row in parse(text):
        key = (row[0], row[1])
        if key not in again:
            yield row
        else:
            yield from again[key]
            again[key] = []
    for rows in again.values():
        yield from rows


def markdown(rows):
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("| --- ", "|---").replace(
        "|--- |", "|---|")


def described(e):
    return (f"- {e['commit']}: {e['date']}, `{e['command']}`; {e['processors']}, Linux {e['kernel']}, "
            f"load {e['load']}; {e['rustc']}; {e['cc']}; {e['openssl']}; Python {e['python']}; "
            f"{e['valgrind']}.\n")


def write():
    text = DOCUMENT.read_text()
    rows = list(merged(text, json.loads((OUT / "results.json").read_text())))
    environment = json.loads((OUT / "environment.json").read_text())
    # Runs of which a row is left.
    of = {row[-1] for row in rows}
    runs = [line + "\n" for line in RUNS.search(text)[1].splitlines()
            if line[2:].split(":")[0] in of - {environment["commit"]}]
    text = TABLE.sub(lambda _: markdown(rows), text, count=1)
    runs = "".join([*runs, described(environment)])
    text = RUNS.sub(lambda _: f"<!-- runs -->\n{runs}<!-- end of runs -->\n", text, count=1)
    DOCUMENT.write_text(text)


def results():
    """The table as numbers, for the plots."""
    for row in parse(DOCUMENT.read_text()):
        ratio, goal = (re.match(r"[\d.e+-]+", row[at]) for at in (3, 5))
        if ratio:
            yield {"host": row[0], "row": row[1], "peer": row[2], "ratio": float(ratio[0]),
                   "goal": float(goal[0]) if goal else None,
                   "spread": float(row[4][1:]) if row[4] else 0}
