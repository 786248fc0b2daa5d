"""micropython.cmake, in a port that is built with CMake (cmake/CMakeLists.txt): it builds, and what it built works."""

import os
import shutil
import subprocess

from run import HERE, HOME, TOP, Skip, firmware

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
