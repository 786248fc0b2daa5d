#!/usr/bin/env python3
"""Runs MicroPython's own network tests, by its own runners, on our interpreter and on stock.

A test that passes on stock must pass on ours; those that do not are named, and the exit status is 1. For
TLS stock is a current build with mbedTLS from PyPI (scripts/micropython-programs). Where there is no stock
("absent"), ours must pass all but the exceptions. Names on the command line (regular expressions) choose
among the tests.
"""

import concurrent.futures
import functools
import os
import re
import resource
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
HOME = os.environ.get("MICROPYTHON_HOME", f"{TOP}/target/micropython")
TESTS = os.path.join(os.environ.get("MICROPYTHON_DIR", f"{HOME}/source"), "tests")
SINGLE = re.compile(r"extmod/(socket|select|ssl|tls|asyncio)_\w+\.py$|net_hosted/\w+\.py$")
MULTI = re.compile(r"multi_net/\w+\.py$")
# Connects to a host of the internet.
OUTSIDE = re.compile(r"getaddrinfo\(\s*[\"'][a-zA-Z]|micropython\.org|mpy_host|HOSTS? = ")
TLS = re.compile(r"ssl|tls")
# Ours cannot, for rustls cannot: DTLS, pre-shared keys, and CBC and static-RSA cipher suites, which two tests list. And one
# has a client hear within the handshake that it needs a certificate: in TLS 1.3, which ours agree on, it does later.
EXCEPTIONS = re.compile(r"dtls|psk|sslcontext_server_client_ciphers|tls_sslcontext_ciphers|tls_server_client_cert_required_error")
# asyncio's own tests order their tasks by sleeps of 10 ms, or have 50 ms to spare, which a busy machine overtakes (some
# failed on stock as on ours, 3 and 4 times of 150): one that fails has two more tries, alone.
SLEEPS = re.compile(r"extmod/asyncio_\w+\.py$")
TRIES = 3


def tests():
    for folder in ("extmod", "net_hosted", "multi_net"):
        for name in sorted(os.listdir(f"{TESTS}/{folder}")):
            test = f"{folder}/{name}"
            if not (SINGLE.match(test) or MULTI.match(test)):
                continue
            if folder == "net_hosted":
                with open(f"{TESTS}/{test}") as f:
                    if OUTSIDE.search(f.read()):
                        continue
            yield test


# These tests use fixed ports: in a network of its own each run has them.
ALONE = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@functools.cache
def networks():
    """Whether that can be had."""
    return bool(shutil.which("unshare")) and subprocess.run(ALONE + ["true"], capture_output=True).returncode == 0


def isolated(command):
    return ALONE + command if networks() else command


def run(interpreter, names):
    """{test: pass, skip or FAIL} for the tests in `names`."""
    if not interpreter or not os.path.exists(interpreter):
        return dict.fromkeys(names, "absent")
    results_in = f"{HOME}/results/{os.path.basename(interpreter)}"
    os.makedirs(results_in, exist_ok=True)
    env = dict(os.environ, MICROPY_MICROPYTHON=interpreter, MICROPYPATH=":".join([
        ".frozen", f"{TESTS}/../extmod", f"{TOP}/scripts/micropython-lib"]))
    results = {}
    single = [n for n in names if not MULTI.match(n)]
    if single:
        out = subprocess.run(
            isolated([sys.executable, "run-tests.py", "--keep-path", "-j", "1", "-r", results_in, *single]),
            cwd=TESTS, env=env, capture_output=True, text=True).stdout
        for word, name in re.findall(r"^(pass|skip|FAIL)\s+(\S+\.py)", out, re.M):
            results[name] = word
    multi = [n for n in names if MULTI.match(n)]
    if multi:
        # Before 1.26 two instances were -i, since then -t.
        options = subprocess.run([sys.executable, "run-multitests.py", "--help"], cwd=TESTS, capture_output=True,
                                 text=True).stdout
        instance = ["-t", "unix"] if "--test-instance" in options else ["-i", "micropython"]
        out = subprocess.run(
            isolated([sys.executable, "run-multitests.py", *instance, *instance, *multi]), cwd=TESTS, env=env, capture_output=True, text=True).stdout
        for name, word in re.findall(r"^(multi_net/\S+\.py) on [^:]*: (pass|skip|FAIL)", out, re.M):
            results[name] = word
    return {n: results.get(n, "none") for n in names}


def compare(names):
    """{test: (on stock, on ours)}"""
    # One of them expects a limit below 6000 descriptors.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        tls_names = [n for n in names if TLS.search(n)]
        fetched = subprocess.run([f"{TOP}/scripts/micropython-programs", "stock-tls"], capture_output=True, text=True)
        if fetched.returncode != 0:
            print(fetched.stderr.strip())
        runs = [(f"{HOME}/micropython-stock", [n for n in names if n not in tls_names]),
                (fetched.stdout.strip(), tls_names), (f"{HOME}/micropython", names)]
        with concurrent.futures.ThreadPoolExecutor(len(runs) if networks() else 1) as pool:
            plain, tls, ours = pool.map(lambda r: run(*r), runs)
        stock = plain | tls
        for _ in range(TRIES - 1):
            again = [n for n in names if SLEEPS.match(n) and lost(n, (stock[n], ours[n]))]
            for name in again:
                print(f"{name}: ours {ours[name]}, tried again")
                ours |= run(f"{HOME}/micropython", [name])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return {n: (stock[n], ours[n]) for n in names}


def lost(name, result):
    return result[0] in ("pass", "absent") and result[1] != "pass" and not EXCEPTIONS.search(name)


def main():
    results = compare([n for n in tests() if not sys.argv[1:] or any(re.search(p, n) for p in sys.argv[1:])])
    for name, result in results.items():
        if result != ("pass", "pass"):
            print(f"{name}: stock {result[0]}, ours {result[1]}" + ("  <-- LOST" if lost(name, result) else ""))
    passed = sum(r[1] == "pass" for r in results.values())
    failed = sum(lost(n, r) for n, r in results.items())
    print("MicroPython's own network tests (skipped: neither stock nor ours passes, or an exception):")
    print(f"{passed} passed, {failed} failed, {len(results) - passed - failed} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
