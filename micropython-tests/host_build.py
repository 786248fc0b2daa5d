"""What builds: a port with CMake (cmake/CMakeLists.txt) is one that works, and none loses what it had."""

import ast
import os
import shutil
import subprocess

from run import HERE, HOME, OURS, STOCK, TOP, Skip, firmware

BUILD = f"{HOME}/build-cmake"


def run(*words):
    r = subprocess.run(words, capture_output=True, text=True)
    assert r.returncode == 0, "\n".join((r.stdout + r.stderr).splitlines()[-20:])


def source():
    return os.environ.get("MICROPYTHON_DIR") or f"{HOME}/source"


def build():
    if shutil.which("cmake") is None:
        raise Skip("no cmake")
    options = (f"-DMICROPY_DIR={source()}", f"-DUSER_C_MODULES={TOP}/micropython")
    run("cmake", "-S", f"{HERE}/cmake", "-B", BUILD, *options)
    run("cmake", "--build", BUILD, "-j2")
    return f"{BUILD}/micropython"


def test_a_port_built_with_cmake():
    interpreter = build()
    for module, name in (
        ("test_build", "test_the_modules_have_both_names"),
        ("test_socket", "test_methods_that_stock_lacks"),
        ("test_poll", "test_what_linux_reports"),
        ("test_tls", "test_data_both_ways"),
        ("test_thread", "test_what_another_thread_schedules_runs_within_a_blocked_call"),
    ):
        error = firmware(interpreter, module, name)
        assert not error, f"{name}: {error}"


WHAT_STOCK_HAS = ("hashlib", "cryptolib", "socket", "socket.socket", "select", "select.poll()", "tls", "tls.SSLContext")


def names(interpreter, what):
    code = f"import {what.split('.')[0]}; print(dir({what}))"
    out = subprocess.run([interpreter, "-c", code], capture_output=True, text=True)
    return set(ast.literal_eval(out.stdout or "[]"))


def test_what_stock_has_is_here():
    if not os.path.exists(STOCK):
        raise Skip("no stock")
    for what in WHAT_STOCK_HAS:
        missing = names(STOCK, what) - names(OURS, what)
        missing = {name for name in missing if "DTLS" not in name}
        assert not missing, f"{what} lacks {missing}"


# From the bottom up: a room includes only what is before it.
ROOMS = ("runtime", "error", "arguments", "address", "socket", "select", "tls")
BESIDE = {("tls", "select")}


def test_a_room_uses_only_what_is_before_it():
    base = f"{TOP}/micropython/usocket"
    for folder, _, files in os.walk(base):
        for file in files:
            path = os.path.join(folder, file)
            room = os.path.relpath(path, base).split("/")[0].split(".")[0]
            if not file.endswith((".c", ".h")) or room not in ROOMS:
                continue
            with open(path) as f:
                lines = f.read().splitlines()
            assert len(lines) < 420 or file == "constants.h", f"{path}: {len(lines)} lines"
            for line in lines:
                if line.startswith('#include "') and "py/" not in line:
                    used = os.path.relpath(os.path.join(folder, line.split('"')[1]), base).split("/")[0].split(".")[0]
                    if used in ROOMS:
                        assert ROOMS.index(used) <= ROOMS.index(room) and (room, used) not in BESIDE, f"{path}: {line}"


MINIMAL = """
import socket, select, ssl
a, b = socket.socketpair()
p = select.poll()
p.register(b, select.POLLIN)
a.send(b"x")
print(len(p.poll(1000)), b.recv(1))
s = socket.socket()
s.close()
try:
    ssl.wrap_socket(s)
except OSError as e:
    print(e.args[0])
"""


def test_the_minimal_variant_by_a_symbolic_link():
    """Without floats, threads, memoryviews; and the module's directory is a link to ours."""
    modules = f"{HOME}/linked-modules"
    os.makedirs(modules, exist_ok=True)
    if not os.path.islink(f"{modules}/usocket"):
        os.symlink(f"{TOP}/micropython/usocket", f"{modules}/usocket")
    run("make", "-C", f"{source()}/ports/unix", "-j2", "VARIANT=minimal", f"BUILD={HOME}/build-minimal", "MICROPY_PY_BTREE=0",
        f"USER_C_MODULES={modules}", "FROZEN_MANIFEST=", f"MPY_LIB_DIR={HOME}/no-lib")
    r = subprocess.run([f"{HOME}/build-minimal/micropython", "-c", MINIMAL], capture_output=True, text=True, timeout=30)
    assert r.stdout == "1 b'x'\n9\n", r.stdout + r.stderr
