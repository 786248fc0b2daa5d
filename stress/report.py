#!/usr/bin/env python3
"""Writes docs/reliability.md from target/stress/results.json, and from found.md beside this script. The run
before that and the runs under sanitizers get a line each, if their results are there."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, f"{ROOT}/scripts/mutants")
from score import section  # noqa: E402

HEAD = """# Reliability: attempts to break the library

Written by `stress/report.py` from the results of `make stress`; do not edit. [stress/README.md](../stress/README.md)
describes the tools and how to repeat a failure by its seed.
"""


def row(tool):
    tried = "; ".join(tool["tried"]) or f"{tool['passed'] + tool['failed']} attacks"
    if "faults" in tried:
        tried = tried.split(" faults")[0].split()[-1] + " faults"
    tried = tried.split(":")[0]
    found = "nothing" if not tool["failed"] else f"**{tool['failed']}**"
    if tool["skipped"]:
        found += f" ({tool['skipped']} skipped)"
    return f"| {tool['name']} | {tool['what']} | {tried} | {tool['seconds']:.0f} s | {found} | {tool['seed']} |"


OTHERS = {
    "Another run": "target/stress/results-before.json",
    "Under AddressSanitizer": "target/stress-address/results.json",
    "Under ThreadSanitizer": "target/stress-thread/results.json",
}


def others():
    """A line for each other run."""
    for name, path in OTHERS.items():
        path = os.path.join(ROOT, path)
        if not os.path.exists(path):
            continue
        with open(path) as f:
            record = json.load(f)
        tools = [t for t in record["tools"] if t["name"] in ("random", "wire", "load", "short")]
        tried = "; ".join(f"{t['name']} {', '.join(t['tried']).split(':')[0]} ({t['seconds']:.0f} s, seed {t['seed']})" for t in tools)
        found = [f.removeprefix("BROKEN ")[:300] for t in record["tools"] for f in t["findings"]]
        yield (f"{name}: commit {record['commit']}, {record['date']}, {record['minutes']:g} minutes, "
               f"{', '.join(t['name'] for t in record['tools'])}. Of them {tried}. Found: {'; '.join(found) or 'nothing'}.\n")


def defects():
    """The table of defects.json, which defects.py writes."""
    with open(os.path.join(HERE, "defects.json")) as f:
        found = json.load(f)
    rows = [f"| {d['what']} | {d['tool']} | {d['seconds']} s | {d['finding'].split(': ')[0]}: {d['finding'].split(': ')[1]} |" for d in found.values()]
    return "\n".join(["| defect | found by | after | as |", "|---|---|---|---|", *rows])


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else f"{ROOT}/target/stress/results.json"
    with open(path) as f:
        record = json.load(f)
    lines = [HEAD, f"## The last run\n\nCommit {record['commit']}, {record['date']}, {record['machine']}, "
             f"{record['minutes']:g} minutes on two lanes.\n",
             "| tool | what it does | tried | took | found | seed |", "|---|---|---|---|---|---|"]
    lines += [row(t) for t in record["tools"]]
    findings = [(t["name"], f) for t in record["tools"] for f in t["findings"]]
    lines.append("\n## Found in it\n")
    if findings:
        lines += [f"- {name}: {f.removeprefix('BROKEN ')[:300]}" for name, f in findings]
    else:
        lines.append("Nothing.")
    lines += ["", *others()]
    lines.append(section())
    attacks = [line for t in record["tools"] for line in t.get("text", "").splitlines() if line.startswith(("held ", "BROKEN "))]
    lines.append(f"\n## Each attack by name\n\n{sum(a.startswith('held') for a in attacks)} of {len(attacks)} held.\n")
    lines += [f"- {'held' if a.startswith('held') else '**not held**'}: "
              f"{(a.split(' ', 1)[1].rsplit(' (', 1)[0] if a.startswith('held') else a.split(' ', 1)[1][:200])}" for a in attacks]
    found = os.path.join(HERE, "found.md")
    if os.path.exists(found):
        with open(found) as f:
            lines.append("\n" + f.read().rstrip().replace("DEFECTS", defects()))
    with open(f"{ROOT}/docs/reliability.md", "w") as f:
        f.write("\n".join(lines) + "\n")


main()
