"""make install: an out-of-tree C program finds the library through pkg-config and runs with it."""

import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, "scripts")
import abi  # noqa: E402
import header  # noqa: E402

PROGRAM = """\
#include <stdio.h>
#include <sys/socket.h>
#include <usocket.h>

int main(void)
{
    usocket_t pair[2];
    char buf[8];
    usocket_addrinfo *list;
    if (usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || usocket_send(pair[0], "hello", 5, 0) != 5)
        return 1;
    if (usocket_recv(pair[1], buf, sizeof buf, 0) != 5)
        return 2;
    if (usocket_getaddrinfo("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0, -1, &list) || usocket_freeaddrinfo(list))
        return 3;
    printf("%.5s from %s\\n", buf, usocket_version());
    return usocket_close(pair[0]) || usocket_close(pair[1]);
}
"""


def version():
    with open("Cargo.toml") as f:
        return re.search(r'^version = "(.*)"', f.read(), re.M)[1]


def make(target, prefix, stage):
    command = ["make", target, f"PREFIX={prefix}", f"DESTDIR={stage}"]
    subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module", params=["/usr/local", "/opt/usocket"])
def stage(request, tmp_path_factory):
    """(where it is staged, its prefix)"""
    root = tmp_path_factory.mktemp("stage")
    make("install", request.param, root)
    return root, request.param


def pkg_config(stage, *what):
    root, prefix = stage
    env = dict(
        os.environ,
        PKG_CONFIG_SYSROOT_DIR=str(root),
        PKG_CONFIG_LIBDIR=f"{root}{prefix}/lib/pkgconfig",
        PKG_CONFIG_PATH="",
        PKG_CONFIG_ALLOW_SYSTEM_LIBS="1",
        PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1",
    )
    command = ["pkg-config", *what, "usocket"]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()


def build(tmp_path, *flags):
    """The program, compiled and linked outside of the tree."""
    source, program = tmp_path / "app.c", tmp_path / "app"
    source.write_text(PROGRAM)
    command = ["cc", "-std=c99", "-Wall", "-Werror", "-o", str(program), str(source), *flags]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return program


def needs(program):
    dynamic = subprocess.run(["objdump", "-p", program], capture_output=True, text=True, check=True)
    return re.findall(r"NEEDED\s+(\S+)", dynamic.stdout)


def runs(program, env=None):
    run = subprocess.run([program], env=env, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (0, f"hello from {version()}\n"), run.stderr


def test_what_is_installed(stage):
    root, prefix = stage
    lib = f"{root}{prefix}/lib"
    assert sorted(os.listdir(lib)) == [
        "libusocket.a", "libusocket.so", "libusocket.so.0", f"libusocket.so.{version()}", "pkgconfig",
    ]
    assert os.readlink(f"{lib}/libusocket.so") == "libusocket.so.0"
    assert os.readlink(f"{lib}/libusocket.so.0") == f"libusocket.so.{version()}"
    assert os.listdir(f"{root}{prefix}/include") == ["usocket.h"]
    assert pkg_config(stage, "--modversion") == [version()]
    # Stripping took nothing that programs use.
    assert abi.soname(f"{lib}/libusocket.so") == "libusocket.so.0"
    assert abi.exported(f"{lib}/libusocket.so") == abi.exported("target/release/libusocket.so")


def test_a_program_linked_dynamically(stage, tmp_path):
    root, prefix = stage
    program = build(tmp_path, *pkg_config(stage, "--cflags", "--libs"))
    assert "libusocket.so.0" in needs(program)
    runs(program, dict(os.environ, LD_LIBRARY_PATH=f"{root}{prefix}/lib"))


def test_a_program_with_the_library_inside(stage, tmp_path):
    # -lusocket as the archive, everything else as the system has it.
    flags = pkg_config(stage, "--static", "--cflags", "--libs")
    at = flags.index("-lusocket")
    flags[at:at + 1] = ["-Wl,-Bstatic", "-lusocket", "-Wl,-Bdynamic"]
    program = build(tmp_path, *flags)
    assert "libusocket.so.0" not in needs(program)
    runs(program)


def test_a_program_that_is_static_altogether(stage, tmp_path):
    # The C library says that its resolver loads shared parts all the same; that is no error.
    program = build(tmp_path, "-static", *pkg_config(stage, "--static", "--cflags", "--libs"))
    assert needs(program) == []
    runs(program)


def test_the_archive_has_every_function(stage):
    root, prefix = stage
    # readelf: nm asks the compilers' plugins, and those may not know this compiler's objects.
    readelf = ["readelf", "-sW", f"{root}{prefix}/lib/libusocket.a"]
    listed = subprocess.run(readelf, capture_output=True, text=True, check=True).stdout
    have = set(re.findall(r" FUNC +GLOBAL +DEFAULT +\d+ (usocket_\w+)$", listed, re.M))
    assert {name for name, _, _ in header.functions()} == have


def test_uninstall_takes_it_all_away(tmp_path):
    make("install", "/usr", tmp_path)
    make("uninstall", "/usr", tmp_path)
    left = [name for _, _, names in os.walk(tmp_path) for name in names]
    assert left == []
