"""Building: the library, and the C programs over it and over their peers."""

import functools
import os
import shutil
import subprocess

from .measure import OUT, ROOT, Missing

CC = os.environ.get("CC", "cc")
CFLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-pthread", f"-I{ROOT / 'include'}"]


def run(argv, **more):
    done = subprocess.run([str(a) for a in argv], text=True, capture_output=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}\n{done.stdout}{done.stderr}")
    return done.stdout


def need(tool, package=None):
    """The path of a program, or why the row cannot run."""
    return shutil.which(tool) or _missing(f"{tool} (package {package or tool})")


def _missing(what):
    raise Missing(what)


@functools.cache
def library(*features):
    """A directory with a snapshot of the library as cargo builds it, so that a later build does
    not pull it away from under the measurement."""
    target = ROOT / "target"
    flags = list(features)
    if flags:
        target = OUT / "-".join(["cargo", *flags]).replace(" ", "")
        flags += ["--target-dir", target]
    run(["cargo", "build", "--release", "--lib", *flags], cwd=ROOT)
    to = OUT / "lib" / "-".join(["libusocket", *features]).replace(" ", "")
    to.mkdir(parents=True, exist_ok=True)
    for name, real in [("libusocket.so.0", "libusocket.so"), ("libusocket.a", "libusocket.a")]:
        shutil.copy2(target / "release" / real, to / name)
    link = to / "libusocket.so"
    link.unlink(missing_ok=True)
    link.symlink_to("libusocket.so.0")
    return to


@functools.cache
def program(name, backend, *flags):
    """A program of this directory over `backend` ("usocket" or a peer); gives its path."""
    source = ROOT / "benches" / f"{name}.c"
    exe = OUT / f"{name}-{backend.replace(' ', '-')}"
    if backend == "usocket":
        lib = library()
        flags = ("-DUSOCKET", *flags, f"-L{lib}", "-lusocket", f"-Wl,-rpath,{lib}")
    OUT.mkdir(parents=True, exist_ok=True)
    run([CC, *CFLAGS, source, "-o", exe, *flags])
    return exe


def sides(name, *arguments):
    """The same program over the library and over bare libc: two command lines."""
    return [program(name, "usocket"), *arguments], [program(name, "libc"), *arguments]
