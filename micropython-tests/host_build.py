"""Builds: a port with CMake (cmake/CMakeLists.txt) works, and no port loses features."""

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


# From the bottom up: a part includes only those before it.
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


# The changes of a build: the lines of its mpconfigvariant.h, on top of the port's standard ones.
CHANGED = {
    "longlong": "#undef MICROPY_LONGINT_IMPL\n#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_LONGLONG)",
    "no-float": "#undef MICROPY_FLOAT_IMPL\n#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_NONE)",
    "no-thread": "",
    "basic": "#undef MICROPY_CONFIG_ROM_LEVEL\n#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_BASIC_FEATURES)",
}
MORE = {"no-thread": ["MICROPY_PY_THREAD=0"]}


def options():
    """The options for the source of the firmware (scripts/micropython-build)."""
    with open(f"{HOME}/stamp") as f:
        return f.read().split()[1:]


def compile_as(name, *variant):
    """Our files alone, with the port's configuration for that variant: the names they use are collected from them only."""
    files = subprocess.run(["make", "-s", "-f", "-", "print"], text=True, capture_output=True, input=(
        f"USERMOD_DIR = {TOP}/micropython/usocket\ninclude $(USERMOD_DIR)/micropython.mk\nprint:\n\t@echo $(SRC_USERMOD_C)\n"))
    files = files.stdout.split()
    assert len(files) > 15, files
    build = f"{HOME}/build-as-{name}"
    objects = [build + path[len(f"{TOP}/micropython"):-2] + ".o" for path in files]
    run("make", "-C", f"{source()}/ports/unix", "-j2", *variant, f"BUILD={build}", f"USER_C_MODULES={TOP}/micropython",
        f"SRC_QSTR={' '.join(files)}", "SRC_CXX=", "COPT=-O0 -DNDEBUG", "MICROPY_PY_BTREE=0", f"MPY_LIB_DIR={HOME}/no-lib", f"FROZEN_MANIFEST={HOME}/no-lib/manifest.py",
        *objects)
    assert all(os.path.exists(o) for o in objects)


def test_every_configuration_compiles():
    variants = {"coverage": ["VARIANT=coverage", "DEBUG=0"]}
    for name, lines in CHANGED.items():
        folder = f"{HOME}/variant-{name}"
        os.makedirs(folder, exist_ok=True)
        header = f'#include "variants/standard/mpconfigvariant.h"\n{lines}\n'
        for file, text in (("mpconfigvariant.h", header), ("mpconfigvariant.mk", "")):
            with open(f"{folder}/{file}", "w") as f:
                f.write(text)
        variants[name] = [f"VARIANT_DIR={folder}", *MORE.get(name, ())]
    for name, variant in variants.items():
        compile_as(name, *variant)


def test_nan_boxes_compile():
    """32 bits, and objects of 64."""
    def has_headers():
        return subprocess.run(["cc", "-m32", "-E", "-xc", "-"], input="#include <stdlib.h>", capture_output=True, text=True).returncode == 0

    if not has_headers() and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "libc6-dev-i386"], capture_output=True)
    if not has_headers():
        raise Skip("cc -m32 has no headers (Debian: apt-get install libc6-dev-i386)")
    compile_as("nanbox", "VARIANT=nanbox")


def test_a_static_firmware():
    """The same objects, linked once more."""
    run("make", "-C", f"{source()}/ports/unix", "-j2", f"BUILD={HOME}/build", "PROG=micropython-static", "LDFLAGS_EXTRA=-static",
        f"USER_C_MODULES={TOP}/micropython", "STRIP=true", *options())
    segments = subprocess.run(["readelf", "-lW", f"{HOME}/build/micropython-static"], capture_output=True, text=True).stdout
    assert "LOAD" in segments and "INTERP" not in segments, segments
    for module, name in (("test_tls", "test_data_both_ways"), ("test_name", "test_the_address_is_a_tuple")):
        error = firmware(f"{HOME}/build/micropython-static", module, name)
        assert not error, f"{name}: {error}"
