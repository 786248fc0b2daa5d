"""Builds the wheel and the sdist (PEP 517), with nothing but the standard library.

The wheel carries the stripped library and the accelerator. The library is built by cargo, or is the file
that USOCKET_LIBRARY names; the accelerator by USOCKET_CC or CC, where there are Python's headers (3.11 on).
The wheel's platform follows from the two: the newest symbol of glibc they need.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

HERE = Path(__file__).resolve().parent
# The sources of the library: in an sdist, or around this directory in a checkout.
ROOT = HERE / "library" if (HERE / "library").exists() else HERE.parent
PACKAGES = ("usocket", "ussl", "uselect")
OF_THE_LIBRARY = ".cargo Cargo.toml Cargo.lock build.rs LICENSE README.md src include tools".split()
# The first manylinux version of a machine, or the first supported by Rust.
OLDEST_GLIBC = 17
THEN = (1980, 1, 1, 0, 0, 0)  # The earliest time of a zip file, so that the same input gives the same file.


def _said(key: str) -> str:
    found = re.search(rf'^{key} = "(.*)"$', (HERE / "pyproject.toml").read_text(), re.M)
    assert found is not None, key
    return found.group(1)


NAME, VERSION = _said("name"), _said("version")
STEM = f"{NAME}-{VERSION}"


def _metadata() -> str:
    return (
        f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\nSummary: {_said('description')}\n"
        f"License: MIT\nRequires-Python: {_said('requires-python')}\n"
    )


def _modules() -> Iterator[Tuple[str, bytes]]:
    for package in PACKAGES:
        for path in sorted((HERE / package).rglob("*")):
            if path.suffix == ".py" or path.name == "py.typed":
                yield path.relative_to(HERE).as_posix(), path.read_bytes()


# --- the compiled files


def _library(work: Path) -> bytes:
    named = os.environ.get("USOCKET_LIBRARY")
    if named is None:
        command = ["cargo", "build", "--release", "--lib", "--manifest-path", str(ROOT / "Cargo.toml")]
        subprocess.run(command, check=True)
        target = os.environ.get("CARGO_TARGET_DIR") or str(ROOT / "target")
        named = os.path.join(target, "release", "libusocket.so")
    stripped = work / "libusocket.so"
    shutil.copyfile(named, stripped)
    if shutil.which("strip"):
        subprocess.run(["strip", "--strip-unneeded", str(stripped)], check=True)
    return stripped.read_bytes()


def _accelerator(work: Path) -> Optional[bytes]:
    """The accelerator; None if it cannot be built: the package works without it."""
    include = sysconfig.get_path("include")
    compiler = shlex.split(os.environ.get("USOCKET_CC") or os.environ.get("CC") or "cc")
    if sys.version_info < (3, 11) or not os.path.exists(os.path.join(include, "Python.h")):
        print("usocket: no headers of Python 3.11 or later: the wheel goes without the accelerator")
        return None
    out = work / "_fast.abi3.so"
    options = "-std=c11 -D_GNU_SOURCE -O2 -fPIC -fvisibility=hidden -shared -s".split()
    places = [f"-I{include}", f"-I{ROOT / 'include'}"]
    try:
        subprocess.run([*compiler, *options, *places, "-o", str(out), str(HERE / "fast" / "fast.c")], check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        print(f"usocket: {e}: the wheel goes without the accelerator")
        return None
    return out.read_bytes()


def _platform(*compiled: bytes) -> str:
    """The tags of the wheel for the compiled files."""
    machine = sysconfig.get_platform().split("-", 1)[1].replace("-", "_").replace(".", "_")
    if any(b"libc.musl" in data or b"libc.so\0" in data for data in compiled):
        return f"musllinux_1_2_{machine}"
    needed = {int(n) for data in compiled for n in re.findall(rb"GLIBC_2\.(\d+)", data)}
    return f"manylinux_2_{max(needed | {OLDEST_GLIBC})}_{machine}"


# --- the hooks


def get_requires_for_build_wheel(config_settings: Optional[dict] = None) -> List[str]:
    return []


def get_requires_for_build_sdist(config_settings: Optional[dict] = None) -> List[str]:
    return []


def build_wheel(
    wheel_directory: str, config_settings: Optional[dict] = None, metadata_directory: Optional[str] = None
) -> str:
    files: Dict[str, bytes] = dict(_modules())
    with tempfile.TemporaryDirectory() as work:
        compiled = [_library(Path(work))]
        files["usocket/libusocket.so"] = compiled[0]
        fast = _accelerator(Path(work))
        if fast is not None:
            files["usocket/_fast.abi3.so"] = fast
            compiled.append(fast)
    tag = f"{'cp39-abi3' if fast else 'py3-none'}-{_platform(*compiled)}"
    info = f"{STEM}.dist-info"
    files[f"{info}/METADATA"] = _metadata().encode()
    files[f"{info}/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    wheel = f"Wheel-Version: 1.0\nGenerator: {NAME} {VERSION}\nRoot-Is-Purelib: false\nTag: {tag}\n"
    files[f"{info}/WHEEL"] = wheel.encode()
    name = f"{STEM}-{tag}.whl"
    record = "".join(f"{path},{_digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w", zipfile.ZIP_DEFLATED) as out:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, THEN)
            entry.external_attr = (0o755 if path.endswith(".so") else 0o644) << 16
            out.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return name


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def build_sdist(sdist_directory: str, config_settings: Optional[dict] = None) -> str:
    files: Dict[str, bytes] = dict(_modules())
    for name in ("pyproject.toml", "backend.py"):
        files[name] = (HERE / name).read_bytes()
    for path in sorted((HERE / "fast").iterdir()):
        files[f"fast/{path.name}"] = path.read_bytes()
    for name in OF_THE_LIBRARY:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "target" not in path.relative_to(ROOT).parts:
                files[f"library/{path.relative_to(ROOT).as_posix()}"] = path.read_bytes()
    files["PKG-INFO"] = _metadata().encode()
    name = f"{STEM}.tar.gz"
    with tarfile.open(os.path.join(sdist_directory, name), "w:gz", format=tarfile.PAX_FORMAT) as out:
        for inside, data in files.items():
            entry = tarfile.TarInfo(f"{STEM}/{inside}")
            entry.size, entry.mode = len(data), 0o644
            out.addfile(entry, io.BytesIO(data))
    return name
