#!/usr/bin/env python3
"""Runs the tools, two at a time, and writes the results to target/stress/results.json;
those of the run before it go to results-before.json.

run.py [--minutes N | --short] [--tool NAME,...] [--built DIR]     STRESS_SEED is every tool's, if set

The last line counts: "N passed, N failed, N skipped". A tool that crashes, or does not end, failed.
"""

import argparse
import datetime
import json
import os
import platform
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, "target/venv/bin/python")

# Without the TLS part of the scenario: the library does not control the allocations of rustls and its
# cryptography.
PLAIN = ["streams", "modes", "datagrams", "poll", "poller", "close", "names", "connection", "fork"]


def tools(short, built):
    """(name, command, its seconds or None for no limit, description)"""
    python = VENV if os.path.exists(VENV) else sys.executable

    def places(*what):
        return [sys.executable, "stress/faults/places.py", *what]

    # For a quarter of an hour; timed tools are scaled to the requested time.
    yield "handshake", [python, "stress/peer/handshake.py"], None, "each message of a handshake dropped, doubled, swapped, split, cut, lengthened"
    yield "fork", [f"{built}/fork"], None, "forks at every moment; what a child does and its parent notices"
    yield "core", [f"{built}/core"], None, "deadlines, closing, refused system calls, few descriptors, true answers"
    yield "names", [f"{built}/names"], None, "name servers that are silent, late and wrong; connecting in a bad network"
    yield "tls", [f"{built}/tls"], None, "TLS under threads, at its close, in what a context decides"
    yield "forged", [python, "stress/attacks/forged.py"], None, "peers that forge records and floods, both roles and versions"
    yield "trust", [python, "stress/attacks/trust.py"], None, "certificates and lists that must not be believed"
    yield "calls", places("calls"), 10 if short else 240, "every system call of a scenario fails in turn"
    yield "memory", places("memory", *PLAIN), 6 if short else 20, "every allocation of the plain API fails in turn"
    yield "memory-from", places("memory-from", *PLAIN), 3 if short else 20, "every allocation from the n-th on fails"
    yield "random", [f"{built}/random"], 12 if short else 600, "every function with any arguments, four threads, signals, forks"
    yield "wire", [f"{built}/wire"], 10 if short else 180, "a wire that damages, cuts, reorders and resets"
    yield "model", [f"{built}/model"], 5 if short else 90, "random operations on a descriptor and on a handle"
    yield "parsers", [f"{built}/parsers"], 5 if short else 90, "damaged certificates, keys, lists, addresses"
    yield "life", [f"{built}/life"], None, "dlopen, exec, exit with threads inside, nothing left"
    yield "hosts", [python, "stress/life/hosts.py"], None, "a Python interpreter that ends while its threads are inside"
    yield "load", [f"{built}/load"], 5 if short else 60, "connections at once, plain and TLS, every byte checked"
    yield "short", [f"{built}/short"], 4 if short else 60, "short connections one after the other, ended in every order"
    if not short:
        valgrind = ["valgrind", "-q", "--error-exitcode=9", "--trace-children=no",
                    "--child-silent-after-fork=no", f"{built}/random", "--here"]
        yield "valgrind", valgrind, 120, "the random caller under valgrind"
        yield "firmware", [sys.executable, "micropython-tests/sanitized.py"], None, "the firmware's tests under AddressSanitizer and UBSan"


class Result(dict):
    pass


def needs():
    """The forger's cryptography, from PyPI."""
    if not os.path.exists(VENV):
        subprocess.run([sys.executable, "-m", "venv", "target/venv"], stdout=subprocess.DEVNULL)
    if subprocess.run([VENV, "-c", "import cryptography"], stderr=subprocess.DEVNULL).returncode:
        subprocess.run([VENV, "-m", "pip", "install", "-q", "cryptography"])


def run(name, command, seconds, share, seed, limit):
    environment = dict(os.environ, STRESS_SEED=str(seed), STRESS_SHARE=str(share))
    if seconds:
        environment["STRESS_SECONDS"] = str(max(2, round(seconds)))
    if name == "handshake" and share < 100:
        environment["STRESS_SHARE"] = "7"
    if name == "valgrind":
        environment.update(STRESS_FORKS="0", STRESS_SLOW="300")
    if name in ("memory", "memory-from"):
        environment["STRESS_SHARE"] = "100" if share == 100 else "30"
    if name == "calls":
        environment["STRESS_SHARE"] = "100" if share == 100 and seconds > 100 else "30" if share == 100 else "8"
    began = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True, cwd=ROOT, env=environment)
    try:
        text, _ = process.communicate(timeout=limit)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        code = None
    last = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped", text, re.M)
    passed, failed, skipped = map(int, last[-1]) if last else (int(code == 0), 0, 0)
    findings = re.findall(r"^BROKEN .*", text, re.M)
    if code != 0 and not failed:
        failed += 1
        findings.append(f"BROKEN {name}: " + ("did not end" if code is None else f"exit {code}: {text[-1500:]}"))
    return Result(name=name, seed=seed, seconds=round(time.monotonic() - began, 1), passed=passed, failed=failed, skipped=skipped,
                  tried=re.findall(r"^tried (.*)", text, re.M), findings=findings, text=text)


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--minutes", type=float, default=15)
    asked.add_argument("--built", default="target/stress", help="where the programs are; a sanitizer's are elsewhere")
    asked.add_argument("--short", action="store_true")
    asked.add_argument("--tool", default="")
    asked = asked.parse_args()
    os.chdir(ROOT)
    needs()
    chosen = [t for t in tools(asked.short, asked.built) if not asked.tool or t[0] in asked.tool.split(",")]
    # Two lanes: half of the timed tools' seconds, and the others', must fit.
    fixed = 240 if not asked.short else 0
    timed = sum(t[2] or 0 for t in chosen) or 1
    stretch = 1 if asked.short or asked.tool else max(0.05, (asked.minutes * 120 - fixed) / timed)
    # A fork of a process under a sanitizer takes a hundred times as long.
    share = 15 if asked.short else 20 if "target/stress" != asked.built else 100
    waiting, results, lock = queue.Queue(), [], threading.Lock()
    for tool in chosen:
        waiting.put(tool)

    def lane():
        while True:
            try:
                name, command, seconds, what = waiting.get_nowait()
            except queue.Empty:
                return
            if asked.tool and not asked.short and seconds:
                seconds = asked.minutes * 60 / len(chosen) if asked.minutes != 15 else seconds
            else:
                seconds = seconds and seconds * stretch
            seed = int(os.environ.get("STRESS_SEED") or secrets.randbits(48) | 1)
            result = run(name, command, seconds, share, seed, (seconds or 0) * 4 + 900)
            result["what"] = what
            with lock:
                results.append(result)
                print(f"--- {name}: seed {seed}, {result['seconds']} s, {result['passed']} held, {result['failed']} not, "
                      f"{result['skipped']} skipped {'; '.join(result['tried'])}")
                print("".join(f"    {finding}\n" for finding in result["findings"][:40]), end="", flush=True)

    lanes = [threading.Thread(target=lane) for _ in range(2)]
    [t.start() for t in lanes]
    [t.join() for t in lanes]
    order = [t[0] for t in chosen]
    results.sort(key=lambda r: order.index(r["name"]))
    commit = subprocess.run(["git", "log", "-1", "--format=%h", "--", "src"], stdout=subprocess.PIPE, text=True).stdout.strip()
    if subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "src"]).returncode:
        commit += " with changes"
    record = {
        "commit": commit, "date": datetime.date.today().isoformat(), "minutes": asked.minutes, "short": asked.short,
        "machine": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores", "tools": results,
    }
    path = f"{asked.built}/{'short' if asked.short else 'results'}.json"
    if os.path.exists(path):
        os.replace(path, f"{path.removesuffix('.json')}-before.json")
    with open(path, "w") as f:
        json.dump(record, f, indent=1)
    total = [sum(r[k] for r in results) for k in ("passed", "failed", "skipped")]
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
