"""The library itself: found, loaded, declared; `python -m usocket`."""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import uselect
import usocket
from usocket import _lib

ROOT = Path(__file__).resolve().parent.parent
HEADER = (ROOT / "include" / "usocket.h").read_text()

WORDS = {
    "int32_t": "i",
    "uint32_t": "u",
    "int64_t": "s",
    "usocket_t": "s",
    "size_t": "z",
    "uint64_t": "s",
    "usocket_tls_verify_cb": "p",
}


def prototypes():
    """The functions of the header, in the words of `_lib.PROTOTYPES`."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", HEADER, flags=re.DOTALL)
    # A pointer to a function is a pointer, also where it has a name of its own.
    code = re.sub(r"\w+ \(\*(\w+)\)\([^()]*\)", r"void *\1", code)
    for name in re.findall(r"typedef void \*(\w+);", code):
        code = re.sub(rf"\b{name} ", "void *", code)
    found = {}
    for result, name, arguments in re.findall(r"([\w \*]+?)(usocket_\w+)\(([^)]*)\);", code):
        words = [word(result)]
        words += [word(a) for a in arguments.split(",") if a.strip() not in ("", "void")]
        found[name] = " ".join(words)
    return found


def word(declaration):
    if "*" in declaration:
        text = re.search(r"const char \*(?!\*)", declaration)
        return "t" if text else "p"
    return next(w for t, w in WORDS.items() if re.search(rf"\b{t}\b", declaration))


def test_the_prototypes_are_those_of_the_header():
    declared = prototypes()
    assert len(declared) > 45
    for name, words in _lib.PROTOTYPES.items():
        assert declared[name] == words, name


def test_the_structures_are_those_of_the_header(tmp_path):
    sizes = {
        "usocket_addr": _lib.Addr,
        "usocket_addrinfo": _lib.AddrInfo,
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
    assert status == 1 and "ImportError" in err and "no libusocket" in err


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
