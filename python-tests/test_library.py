"""The library itself: found, loaded, declared; `python -m usocket`."""

import ctypes
import inspect
import os
import re
import subprocess
import sys
import types
from ctypes import c_char_p, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path

import pytest
import uselect
import usocket
from usocket import _lib
from usocket._prototypes import PROTOTYPES

ROOT = Path(__file__).resolve().parent.parent
def test_the_prototypes_are_those_of_the_header():
    subprocess.run([str(ROOT / "scripts" / "prototypes.py"), "--check"], check=True)
    assert len(PROTOTYPES) > 90
    # One of each kind: a number, a handle, text, bytes, a pointer to a function.
    assert PROTOTYPES["usocket_version"] == (c_char_p, [])
    assert PROTOTYPES["usocket_send"] == (c_int64, [c_int64, c_void_p, c_size_t, c_int32])
    assert PROTOTYPES["usocket_set_event_hook"] == (c_int32, [c_void_p, c_void_p])
    callback = PROTOTYPES["usocket_tls_context_set_verify_callback"]
    assert callback == (c_int32, [c_int64, c_void_p, c_void_p])
    assert PROTOTYPES["usocket_query_result"] == (c_int32, [c_int64, c_int64, c_void_p])


def test_the_structures_are_those_of_the_header(tmp_path):
    sizes = {
        "usocket_addr": _lib.Addr,
        "usocket_addrinfo": _lib.AddrInfo,
        "usocket_iovec": _lib.Piece,
        "usocket_msg": _lib.Message,
        "usocket_pollfd": _lib.PollFd,
    }
    lines = [
        "#include <stdio.h>",
        "#include <stddef.h>",
        '#include "usocket.h"',
        "int main(void) {",
    ]
    expected = []
    for name, structure in sizes.items():
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        expected.append(ctypes.sizeof(structure))
        for field, *_ in structure._fields_:
            lines.append(f'printf("%zu\\n", offsetof({name}, {field}));')
            expected.append(getattr(structure, field).offset)
    source = tmp_path / "sizes.c"
    source.write_text("\n".join([*lines, "}"]))
    program = str(tmp_path / "sizes")
    subprocess.run(["cc", "-I", str(ROOT / "include"), str(source), "-o", program], check=True)
    assert [int(n) for n in subprocess.check_output([program]).split()] == expected


def test_version_path_and_features():
    assert (
        re.fullmatch(r"\d+\.\d+\.\d+", usocket.version) and usocket.__version__ == usocket.version
    )
    assert os.path.exists(usocket.library) and "tls=" in usocket.features


def python(*args, **environment):
    env = {k: v for k, v in os.environ.items() if k != "USOCKET_LIBRARY"}
    env.update(PYTHONPATH=str(ROOT / "python"), **environment)
    done = subprocess.run([sys.executable, *args], env=env, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_python_m_usocket_says_what_it_is():
    status, out, err = python("-m", "usocket", USOCKET_LIBRARY=usocket.library)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"version: {usocket.version}",
        f"library: {usocket.library}",
        f"features: {usocket.features}",
    ]


def test_the_variable_names_another_library(tmp_path):
    copy = tmp_path / "mine.so"
    copy.symlink_to(usocket.library)
    code = "import usocket; print(usocket.library)"
    status, out, _ = python("-c", code, USOCKET_LIBRARY=str(copy))
    assert (status, out.strip()) == (0, str(copy))


def test_a_library_inside_the_package_comes_before_the_others(tmp_path):
    package = tmp_path / "usocket"
    package.mkdir()
    for module in (ROOT / "python" / "usocket").glob("*.py"):
        (package / module.name).write_text(module.read_text())
    (package / "libusocket.so").symlink_to(usocket.library)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import usocket; print(usocket.library)"
    )
    status, out, _ = python("-c", code)
    assert status == 0 and os.path.samefile(out.strip(), package / "libusocket.so")


def test_without_a_library_the_import_error_says_how_to_get_it(tmp_path):
    status, _, err = python("-c", "import usocket", USOCKET_LIBRARY=str(tmp_path / "none.so"))
    assert status == 1
    assert "ImportError" in err and "cargo build" in err and "none.so" in err


def test_a_library_that_is_none_of_ours_is_an_import_error():
    status, _, err = python("-c", "import usocket", USOCKET_LIBRARY="libc.so.6")
    assert status == 1 and "ImportError" in err and "is not libusocket" in err


def test_an_import_needs_nothing_but_the_standard_library():
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'python')!r}); import usocket, uselect"
    # -I and -S: no site-packages, no environment.
    status, _, err = python("-I", "-S", "-c", code)
    assert (status, err) == (0, "")


def test_every_public_name_is_documented():
    for name in usocket.__all__:
        thing = getattr(usocket, name)
        if getattr(thing, "__module__", "").startswith("usocket"):
            assert thing.__doc__, name
    for name in dir(usocket.socket) + dir(uselect.poll):
        if not name.startswith("_"):
            thing = getattr(usocket.socket, name, None) or getattr(uselect.poll, name)
            assert thing.__doc__, name


def alone(code, **environment):
    """The output of a separate Python, without site-packages."""
    env = {"USOCKET_LIBRARY": _lib.path, **environment}
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'python')!r}); {code}"
    return subprocess.check_output([sys.executable, "-I", "-S", "-c", code], env=env, text=True).strip()


def test_importing_it_brings_little_along():
    heavy = {"typing", "re", "pathlib", "functools", "enum", "collections", "contextlib", "threading", "socket"}
    assert set(alone("import usocket; print(*sys.modules)").split()) & heavy == set()


WHICH = "import usocket; print(type(usocket.socket.recv).__name__, usocket.socket.recv.__name__)"
BUILT = (ROOT / "target" / "python" / "_fast.abi3.so").exists() and sys.version_info >= (3, 11)


@pytest.mark.skipif(not BUILT, reason="no accelerator was built, or for a later Python")
def test_the_accelerator_is_used_where_it_was_built():
    assert alone(WHICH) == "method_descriptor recv"
    # Otherwise the tests of both kinds would be of one.
    assert isinstance(usocket.socket.recv, types.FunctionType) == bool(os.environ.get("USOCKET_PURE"))


def test_without_it_the_methods_are_in_python():
    assert alone(WHICH, USOCKET_PURE="1") == "function recv"


def test_the_methods_in_c_take_what_those_in_python_take():
    for name, slow in vars(usocket.socket.__mro__[1]).items():
        if name.startswith("_slow_") and name != "_slow__accepted":
            here = inspect.signature(getattr(usocket.socket, name[6:]))
            assert [*here.parameters] == [*inspect.signature(slow).parameters], name
