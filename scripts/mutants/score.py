#!/usr/bin/env python3
"""What the three scripts share: the faults that change nothing, the results, and the score for docs/reliability.md."""

import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = ROOT + "/target/mutants"
VENV = OUT + "/venv"
# Faults that change nothing that anybody could see, with the reason: "name = reason".
EQUIVALENT = HERE + "/equivalent.txt"
SCORE = HERE + "/score.json"


def without_place(name):
    """A mutant's name without line and column, which change."""
    return re.sub(r":\d+:\d+:", ":", name)


def equivalents():
    with open(EQUIVALENT) as f:
        lines = [line.strip() for line in f if line.strip() and not line.startswith("#")]
    return dict(line.split(" = ", 1) for line in lines)


class Results:
    """One run's outcomes, written to a file of its own after each fault."""

    def __init__(self, kind, seed, of=None):
        os.makedirs(OUT, exist_ok=True)
        self.path = f"{OUT}/{kind}-{seed}-{int(time.time())}.json"
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        self.run = {"kind": kind, "seed": seed, "of": of, "date": time.strftime("%Y-%m-%d"),
                    "commit": commit.stdout.strip(), "faults": {}}

    def take(self, name, outcome, by=""):
        """`outcome` is caught, missed or unviable."""
        self.run["faults"][name] = [outcome, by]
        print(f"{outcome}: {name}" + (f" ({by})" if by else ""), flush=True)
        with open(self.path + ".new", "w") as f:
            json.dump(self.run, f, indent=1)
        os.replace(self.path + ".new", self.path)


def own_python():
    """Goes on in a Python that has tree-sitter, from PyPI."""
    if not sys.prefix.startswith(VENV):
        if not os.path.exists(VENV + "/ready"):
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
            subprocess.run([VENV + "/bin/pip", "install", "-q", "tree-sitter", "tree-sitter-rust", "tree-sitter-c"], check=True)
            open(VENV + "/ready", "w").close()
        os.execv(VENV + "/bin/python", [VENV + "/bin/python", *sys.argv])


def folder(name):
    """The line of the table that a fault belongs to."""
    path = name.split(":")[0].split("/")
    if path[0] != "src":
        return "/".join(path[:2])
    return "/".join(path[: 3 if path[1] == "tls" and len(path) > 3 else 2]).removesuffix(".rs")


def section():
    """The score as a section of docs/reliability.md."""
    with open(SCORE) as f:
        rows = json.load(f)
    lines = ["## Small faults put into the sources\n",
             "Each alone, and the tests that reach it are run: `make mutants` (CONTRIBUTING.md). A fault that no test notices is "
             "one that could be in there. Random samples, not every fault there could be:\n",
             "| where | faults tried, of | noticed by a test | not | of those that build and are no equivalents |",
             "|---|---|---|---|---|"]
    keys = ("sample", "of", "caught", "missed", "equivalent", "unviable")
    parts = {"src": "src/, all", "python": "python/, all", "micropython": "micropython/, all"}
    for part, name in parts.items():
        of = [r for r in rows if r["where"].split("/")[0] == part]
        if of:
            dates = {"date": max(r["date"] for r in of), "commit": max(of, key=lambda r: r["date"])["commit"]}
            for r in [*of, {"where": f"**{name}**", **dates, **{k: sum(r[k] for r in of) for k in keys}}]:
                share = f"{100 * r['caught'] / (r['caught'] + r['missed']):.0f}%" if r["caught"] + r["missed"] else "-"
                lines.append(f"| {r['where']} | {r['sample']} of {r['of']} | {r['caught']} | {r['missed']} | {share} "
                             f"({r['equivalent']} equivalent, {r['unviable']} do not build) |")
    newest = max(rows, key=lambda r: r["date"])
    lines.append(f"\n{newest['date']}, {newest['commit']}. The faults that survived: scripts/mutants/survivors.txt. The sample of src/ "
                 "was given the unit tests and the C tests, not the Python tests. Faults that survived it were looked at one by one: those that fail "
                 "a test written for them since, and those of src/resolve that python-tests/test_dns.py notices, count as noticed, so the share is of a "
                 "sample that the tests were improved with; a new sample would have less.")
    return "\n".join(lines) + "\n"


def main():
    """Makes score.json, survivors.txt and the section of docs/reliability.md of all results in target/mutants: of a fault tried more than once the last."""
    runs = []
    for name in os.listdir(OUT):
        if name.endswith(".json"):
            with open(f"{OUT}/{name}") as f:
                runs.append((os.path.getmtime(f"{OUT}/{name}"), json.load(f)))
    same, last, of = equivalents(), {}, {}
    for _, run in sorted(runs, key=lambda r: r[0]):
        of.update(run["of"])
        for name, (outcome, by) in run["faults"].items():
            last[name] = (outcome, run["date"], run["commit"])
    rows, missed = {}, []
    for name, (outcome, date, commit) in last.items():
        row = rows.setdefault(folder(name), {"where": folder(name), "date": date, "commit": commit, "sample": 0,
                                             "of": of.get(folder(name), 0), "caught": 0, "missed": 0, "equivalent": 0,
                                             "unviable": 0})
        if outcome == "missed" and without_place(name) in same:
            outcome = "equivalent"
        if outcome == "missed":
            missed.append(name)
        row[outcome] += 1
        row["sample"] += 1
        row["date"], row["commit"] = max((row["date"], row["commit"]), (date, commit))
    with open(SCORE, "w") as f:
        json.dump([rows[k] for k in sorted(rows)], f, indent=1)
        f.write("\n")
    with open(HERE + "/survivors.txt", "w") as f:
        f.write("# Faults of the last runs that no test has noticed: each wants a test, or a line in equivalent.txt.\n")
        f.writelines(name + "\n" for name in sorted(missed))
    page = ROOT + "/docs/reliability.md"
    with open(page) as f:
        text = f.read()
    before, after = text.index("## Small faults put into"), text.index("## Each attack by name")
    with open(page, "w") as f:
        f.write(text[:before] + section() + "\n" + text[after:])
    caught = sum(r["caught"] for r in rows.values())
    print(f"{caught} of {caught + len(missed)} noticed: {100 * caught / max(1, caught + len(missed)):.1f}%")
    return 0


if __name__ == "__main__":
    sys.exit(main())
