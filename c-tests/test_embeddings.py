"""The library inside others: Lua, libuv, GLib, and a plugin that is loaded and unloaded."""

import shutil
import subprocess

import pytest

FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-Iinclude"]
DYNAMIC = ["-Ltarget/release", "-lusocket", "-Wl,-rpath,$ORIGIN/../release"]
STATIC = ["target/release/libusocket.a", "-lpthread", "-lm", "-ldl", "-lrt", "-lutil"]


def pkg_config(*names):
    """The flags of the first package there is; skips, with the reason, when there is none."""
    for name in names:
        found = subprocess.run(["pkg-config", "--cflags", "--libs", name], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split()
    pytest.skip(f"no {names[0]} here (scripts/tools installs it where it may)")


def build(name, *flags):
    subprocess.run(["make", "-s", "target/release/libusocket.so.0"], check=True)
    out = f"target/embeddings/{name}"
    subprocess.run(["mkdir", "-p", "target/embeddings"], check=True)
    subprocess.run(["cc", *FLAGS, "-o", out, *flags], check=True)
    return out


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_lua():
    flags = pkg_config("lua5.4", "lua-5.4")
    # The interpreter and the module in one program, as a runtime would have them.
    program = build("lua", "examples/lua/lua.c", "examples/lua/usocket.c", *DYNAMIC, *flags)
    said = run(program, "examples/lua/https.lua", "target/certs")
    assert "20 pages of 420000 bytes" in said
    assert "refused: " in said and "closed: " in said


def test_libuv():
    program = build("libuv", "examples/libuv/echo.c", *DYNAMIC, *pkg_config("libuv"))
    assert run(program, "target/certs") == "100 echoes inside libuv, whose own timer went off as well\n"


def test_glib():
    program = build("glib", "examples/glib/fetch.c", *DYNAMIC, *pkg_config("glib-2.0"))
    assert run(program) == '10 timers, then "that is all"\n'


@pytest.fixture(scope="module")
def host():
    return build("host", "examples/plugin/host.c", "-ldl")


def test_a_plugin_with_the_library_in_it_goes_without_a_trace(host):
    plugin = build("plugin.so", "examples/plugin/plugin.c", "-shared", "-fPIC",
                   "-Wl,--exclude-libs,ALL", *STATIC)
    assert run(host, plugin, "target/certs/ca.pem") == "loaded and unloaded 10 times; no longer in memory\n"


def test_a_plugin_beside_the_shared_library(host):
    plugin = build("plugin_shared.so", "examples/plugin/plugin.c", "-shared", "-fPIC", *DYNAMIC)
    assert run(host, plugin, "target/certs/ca.pem") == "loaded and unloaded 10 times; no longer in memory\n"


def test_the_plugin_under_memcheck(host):
    if not shutil.which("valgrind"):
        pytest.skip("no valgrind here")
    plugin = build("plugin_shared.so", "examples/plugin/plugin.c", "-shared", "-fPIC", *DYNAMIC)
    run("valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
        "--errors-for-leak-kinds=definite,indirect", host, plugin, "target/certs/ca.pem")
