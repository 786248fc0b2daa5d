"""Size: the shared library, the growth of a static program, and the time to load it."""

import re
import shutil
import statistics

from .build import CC, CFLAGS, OUT, ROOT, library, program, run
from .measure import Row, at_most

HOST = "C"
WITHOUT_TLS = ["--no-default-features"]
NATIVE = ["-lpthread", "-lm", "-ldl", "-lrt", "-lutil"]
FLAVOURS = [("without TLS", WITHOUT_TLS, 350), ("default features", [], None)]


def stripped(path):
    copy = OUT / (path.name + ".stripped")
    shutil.copy2(path, copy)
    run(["strip", "--strip-unneeded", copy])
    return copy.stat().st_size


def shared(label, features):
    size = stripped(library(*features) / "libusocket.so.0") / 1000
    yield Row(HOST, f"size of the stripped .so, {label}", "", None, None, None, size, "kB")


def built(features):
    """The archive as cargo leaves it: panics can print backtraces."""
    return library(*features) / "libusocket.a"


def for_size(features):
    """The archive as `make build-small` makes one: optimised for size, no backtraces, one object."""
    target = OUT / "cargo-small"
    run(["cargo", "build", "--profile", "small", "--lib", "--target-dir", target, *features], cwd=ROOT)
    archive = OUT / "for_size.a"
    shutil.copy2(target / "small" / "libusocket.a", archive)
    for step in ("no-backtraces", "one-object"):
        run([ROOT / "scripts" / step, archive], cwd=ROOT)
    return archive


def static_size(archive, source, *flags):
    """A stripped program with the archive in it, as a firmware or an installer would ship it."""
    exe = OUT / "static"
    sections = ["-ffunction-sections", "-Wl,--gc-sections", "-s"]
    run([CC, *CFLAGS, *sections, *flags, source, "-o", exe, archive, *NATIVE])
    return exe.stat().st_size


def growth(row, features, limit, source, flag, note=""):
    """The growth of a program by the library; with a limit, also by the one for size."""
    kinds = [("", built, None)] + ([(", for size", for_size, limit)] if limit else [])
    for kind, archive, at in kinds:
        archive = archive(features)
        size = (static_size(archive, source, flag) - static_size(archive, source)) / 1000
        yield sized(f"static program grows by, {row}{kind}", size, at, note)


def growth_whole(label, features, limit):
    """A program that can call every function of the header, against one that calls none."""
    header = (ROOT / "include" / "usocket.h").read_text()
    present = run(["nm", "-D", "--defined-only", library(*features) / "libusocket.so.0"])
    names = [n for n in dict.fromkeys(re.findall(r"\b(usocket_\w+)\(", header))
             if re.search(rf"\bT {n}\b", present, re.M)]
    source = OUT / "whole.c"
    source.write_text("#include <usocket.h>\n#include <stdio.h>\nvoid *volatile all[] = {\n#ifdef ALL\n"
                      + "".join(f"  (void *){n},\n" for n in names)
                      + '#endif\n  0};\nint main(void) { return puts(all[0] ? "y" : "n") < 0; }\n')
    yield from growth(f"whole API, {label}", features, limit, source, "-DALL", f"{len(names)} functions")


def growth_plain(label, features, limit):
    row = f"TCP/UDP/Unix client and server, {label}"
    yield from growth(row, features, limit, ROOT / "benches" / "plain.c", "-DUSOCKET")


def sized(row, size, limit, note=""):
    if limit:
        return at_most(HOST, row, size, limit, "kB", note)
    return Row(HOST, row, "", None, None, None, size, "kB", note=note)


def loading(label, features):
    """dlopen in a new process each time, the two libraries in turn."""
    empty = OUT / "empty.so"
    (OUT / "empty.c").write_text("int empty;\n")
    run([CC, "-shared", "-fPIC", OUT / "empty.c", "-o", empty])
    load, ours = program("load", "libc"), library(*features) / "libusocket.so.0"
    times = {ours: [], empty: []}
    for _ in range(100):
        for path in times:
            times[path].append(int(run([load, path])) / 1e6)
    added = statistics.median(times[ours]) - statistics.median(times[empty])
    yield at_most(HOST, f"load time over an empty .so, {label}", added, 1, "ms")


def cases():
    for label, features, limit in FLAVOURS:
        yield HOST, f"size of the stripped .so, {label}", lambda l=label, f=features: shared(l, f)
        yield (HOST, f"static program grows by, whole API, {label}",
               lambda l=label, f=features, m=limit: growth_whole(l, f, m))
        yield (HOST, f"static program grows by, TCP/UDP/Unix client and server, {label}",
               lambda l=label, f=features, m=limit: growth_plain(l, f, m))
        yield HOST, f"load time over an empty .so, {label}", lambda l=label, f=features: loading(l, f)
