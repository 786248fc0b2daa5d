"""Other machines: the requirements of each, and the library built for it in the root of
scripts/cross-root.

Everything built stays in target/cross, with the output in target/cross/NAME.log.
"""

import glob
import os
import re
import shutil
import subprocess
from collections import namedtuple

import abi
import test

CROSS = os.path.join(test.ROOT, "target/cross")
BUILD = os.path.join(CROSS, "build")

# The argument of scripts/cross-root, Rust's triple, the prefix of the C compiler and its tools (None:
# zig's), the emulator.
Machine = namedtuple("Machine", "root triple prefix qemu")
MACHINES = {
    "i386": Machine("i386", "i686-unknown-linux-gnu", "i686-linux-gnu-", None),
    "arm64": Machine("arm64", "aarch64-unknown-linux-gnu", "aarch64-linux-gnu-", "qemu-aarch64"),
    "armhf": Machine("armhf", "armv7-unknown-linux-gnueabihf", "arm-linux-gnueabihf-", "qemu-arm"),
    "riscv64": Machine("riscv64", "riscv64gc-unknown-linux-gnu", "riscv64-linux-gnu-", "qemu-riscv64"),
    "s390x": Machine("s390x", "s390x-unknown-linux-gnu", "s390x-linux-gnu-", "qemu-s390x"),
    "x86_64-musl": Machine("musl", "x86_64-unknown-linux-musl", None, None),
    "aarch64-musl": Machine("musl", "aarch64-unknown-linux-musl", None, "qemu-aarch64"),
}
LAYOUTS = {"i386": "i386", "armhf": "32"}
# The machines to test the firmware on: one of 32 bits, natively, and one with another processor.
FIRMWARE = ["i386", "arm64"]

ENVIRONMENT = {
    "CARGO_HOME": os.path.join(CROSS, "cargo"),
    "CARGO_NET_OFFLINE": "true",
}
# Optimised for build time, a third of the usual: the tests need no speed.
FOR_TESTS = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only",
}
# The features for boards.
FEATURES = ["--no-default-features", "--features", "ring,tls12,encrypted-keys"]


CMOCKA_HAS = """ASSERT_H INTTYPES_H SETJMP_H SIGNAL_H STDARG_H STDDEF_H STDINT_H STDIO_H
    STDLIB_H STRING_H STRINGS_H SYS_STAT_H SYS_TYPES_H TIME_H UNISTD_H CLOCK_GETTIME=1 CLOCK_REALTIME=1
    STRUCT_TIMESPEC=1 SNPRINTF=1 VSNPRINTF=1 STRSIGNAL=1""".split()


class Skip(Exception):
    """Why a machine is not tested."""


class Failed(Exception):
    """A failed build."""


def inside(name, command, limit, **environment):
    """Runs a command in the root for machine `name`: (exit code or None, its output)"""
    settings = [f"{key}={value}" for key, value in (ENVIRONMENT | environment).items()]
    command = ["scripts/cross-root", "--run", "env", *settings, *command]
    with open(os.path.join(CROSS, name + ".log"), "a") as log:
        print("$", *command[2:], file=log, flush=True)
        return test.run(command, limit, lambda line: print(line, end="", file=log, flush=True))


def must(name, command, limit=3600, **environment):
    code, text = inside(name, command, limit, **environment)
    if code != 0:
        said = text.splitlines()[-15:]
        raise Failed("\n".join(said) if code is not None else f"no end after {limit} s: {' '.join(command)}")
    return text


def on_host(command, **environment):
    result = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    if result.returncode != 0:
        said = result.stdout + result.stderr
        reason = (said.splitlines() or [f"{command[0]} fails"])[-1]
        raise Skip(reason) if result.returncode == 77 else Failed(said)
    return result.stdout


def is_made(what):
    """Whether the root has it already."""
    return os.path.exists(f"{CROSS}/root/.{what}")


def fetched(name):
    """The crates, where cargo finds them in the root; the standard library's too where that is built."""
    fetch = ["cargo", "fetch", "--locked", "--quiet"]
    on_host(fetch, CARGO_HOME=ENVIRONMENT["CARGO_HOME"])
    if not MACHINES[name].prefix:
        library = f"{CROSS}/root/usr/lib/rustlib/src/rust/library/Cargo.toml"
        on_host([*fetch, "--manifest-path", library], CARGO_HOME=ENVIRONMENT["CARGO_HOME"], RUSTC_BOOTSTRAP="1")


def zig():
    """The settings with which cargo-zigbuild finds zig in the root."""
    on_host(["scripts/cross", "--tools"])
    found = glob.glob(os.path.join(CROSS, "venv/lib/python*/site-packages/ziglang/zig"))
    return {
        "CARGO_ZIGBUILD_ZIG_PATH": found[0],
        "ZIG_GLOBAL_CACHE_DIR": os.path.join(CROSS, "zig"),
        "ZIG_LOCAL_CACHE_DIR": os.path.join(CROSS, "zig"),
        "XDG_CACHE_HOME": os.path.join(CROSS, "zig"),
        "RUSTC_BOOTSTRAP": "1",
        "RUSTFLAGS": "-C target-feature=-crt-static",
        "PATH": f"{CROSS}/venv/bin:/usr/bin:/bin",
    }


class Toolchain:
    """The settings for compiling Rust and C for a machine, and for running programs."""

    def __init__(self, name):
        self.name, self.machine = name, MACHINES[name]
        triple, prefix, qemu = self.machine[1:]
        variable = triple.replace("-", "_")
        self.environment = {}
        self.qemu = [qemu] if qemu else []
        if qemu:
            self.environment["USOCKET_TEST_EMULATED"] = "1"
            self.environment[f"CARGO_TARGET_{variable.upper()}_RUNNER"] = qemu
        if prefix:
            self.environment[f"CARGO_TARGET_{variable.upper()}_LINKER"] = prefix + "gcc"
            self.environment[f"CC_{variable}"] = prefix + "gcc"
            self.build, self.test = ["cargo", "build"], ["cargo", "test"]
            self.cc = [prefix + "gcc"]
        else:
            self.environment |= zig()
            self.build = ["cargo-zigbuild", "zigbuild", "-Zbuild-std=std,panic_unwind"]
            self.test = ["cargo-zigbuild", "test", "-Zbuild-std=std,panic_unwind,test"]
            self.cc = [self.environment["CARGO_ZIGBUILD_ZIG_PATH"], "cc", "-target",
                       triple.replace("-unknown", ""), "-I/cmocka/src/include", "-fno-sanitize=undefined"]

    def must(self, command, limit=3600, **more):
        return must(self.name, command, limit, **(self.environment | more))

    def run(self, command, limit, **more):
        return inside(self.name, command, limit, **(self.environment | more))


class Built:
    """The library for one machine, built for the tests, and the commands to build and run C programs
    with it."""

    def __init__(self, name):
        self.tools = tools = Toolchain(name)
        self.name, self.triple = name, tools.machine.triple
        # One for each, so that two can be tested at once.
        self.out = os.path.join(BUILD, name)
        self.release = os.path.join(self.out, self.triple, "release")
        self.cargo = ["--release", "--lib", "--target", self.triple, "--target-dir", self.out, *FEATURES]
        if tools.machine.prefix:
            self.libraries = [f"-L{self.release}", "-lusocket", f"-Wl,-rpath,{self.release}", "-lcmocka"]
        else:
            self.libraries = [f"{self.release}/libusocket.a", f"{self.out}/cmocka.o", "-lunwind"]
        tools.must([*tools.build, *self.cargo], **FOR_TESTS)
        os.makedirs(self.out, exist_ok=True)
        if not os.path.exists(f"{self.release}/libusocket.so"):
            raise Failed("cargo made no shared library")
        tools.must(["ln", "-sfn", "libusocket.so", f"{self.release}/libusocket.so.0"])

    def c_tests(self):
        """(name, command, its runner, seconds) of each C test, built; one that does not build fails alone."""
        flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-pthread",
                 "-Iinclude", "-Itarget/c-tests"]
        if self.tools.machine.prefix:
            flags.append("-Werror")  # clang warns of more than the tests are written for

        support = f"{self.out}/support.o"
        self.tools.must([*self.tools.cc, *flags, "-c", "-o", support, "c-tests/support.c"])
        if not self.tools.machine.prefix:
            # What its configure would find.
            has = [f"-DHAVE_{what}" for what in CMOCKA_HAS]
            self.tools.must([*self.tools.cc, "-w", "-D_GNU_SOURCE", *has, "-c", "-o", f"{self.out}/cmocka.o",
                             "/cmocka/src/src/cmocka.c"])
        for source in sorted(glob.glob("c-tests/test_*.c")):
            name = os.path.basename(source)[:-2]
            program = f"{self.out}/{name}"
            code, _ = self.tools.run([*self.tools.cc, *flags, "-o", program, source, support, *self.libraries], 600)
            yield name, ["false"] if code != 0 else [*self.tools.qemu, program], test.CMOCKA, 300

    def rust_tests(self):
        return [("Rust", [*self.tools.test, *self.cargo], test.CARGO, 3600)]

    def layouts_hold(self):
        """Whether the structure layouts match the file for such machines (scripts/abi.py)."""
        tool = os.path.join(self.out, "tool_layout")
        self.tools.must([*self.tools.cc, "-std=c11", "-Iinclude", "-o", tool, "c-tests/tool_layout.c"])
        printed = self.tools.must([*self.tools.qemu, tool], 60)
        with open(os.path.join(test.ROOT, abi.LAYOUTS[LAYOUTS.get(self.name, "64")])) as f:
            return f.read().endswith(printed)

    def installs(self):
        """Whether a program finds the files staged by `make install` with this machine's tools, links
        and runs. None where there are no such tools."""
        prefix = self.tools.machine.prefix
        if not prefix:
            return None
        stage = f"{self.out}/stage"
        shutil.rmtree(stage, ignore_errors=True)
        self.tools.must(["make", "install", f"BUILT={self.release}", f"CROSS_COMPILE={prefix}",
                         f"DESTDIR={stage}", "PREFIX=/usr"])
        with open(f"{stage}/usr/lib/pkgconfig/usocket.pc") as f:
            said = dict(re.findall(r"^(\w+|Libs\.private)[=:] ?(.*)$", f.read(), re.M))
        if (said["prefix"], said["libdir"]) != ("/usr", "/usr/lib"):
            return False
        source, program = f"{self.out}/installed.c", f"{self.out}/installed"
        with open(source, "w") as f:
            f.write('#include <usocket.h>\n#include <stdio.h>\nint main(void) { return puts(usocket_version()) < 0; }\n')
        for kind in (["-lusocket"], ["-Wl,-Bstatic", "-lusocket", "-Wl,-Bdynamic", *said["Libs.private"].split()]):
            self.tools.must([*self.tools.cc, f"-I{stage}/usr/include", "-o", program, source,
                             f"-L{stage}/usr/lib", *kind])
            code, text = self.tools.run([*self.tools.qemu, program], 60, LD_LIBRARY_PATH=f"{stage}/usr/lib")
            if code != 0 or not re.fullmatch(r"\d+\.\d+\.\d+\n", text):
                return False
        return True


def firmware(name):
    """MicroPython with the library inside, for a machine: the command of its tests."""
    tools, (_, triple, prefix, qemu) = Toolchain(name), MACHINES[name]
    on_host(["scripts/cross-root", "firmware-" + name])
    source = on_host(["scripts/micropython-source"]).strip()
    home = f"{CROSS}/firmware/{name}"
    os.makedirs(home, exist_ok=True)
    # Objects of mpy-cross for this processor do not belong to the checkout.
    mine = f"{CROSS}/firmware/source"
    if not os.path.exists(mine):
        shutil.copytree(source, mine, symlinks=True, ignore=shutil.ignore_patterns("build*"))
    multiarch = prefix.rstrip("-").replace("i686", "i386")
    tools.must(["scripts/micropython-build", "ours"], MICROPYTHON_DIR=mine, MICROPYTHON_HOME=home,
               CROSS_COMPILE=prefix, PKG_CONFIG_LIBDIR=f"/usr/lib/{multiarch}/pkgconfig",
               USOCKET_LIB=f"{BUILD}/{name}/{triple}/release/libusocket.a")
    if qemu:
        os.replace(f"{home}/micropython", f"{home}/micropython.{name}")
        with open(f"{home}/micropython", "w") as f:
            f.write(f'#!/bin/sh\nexec {qemu} {home}/micropython.{name} "$@"\n')
        os.chmod(f"{home}/micropython", 0o755)
    return [("firmware", ["env", f"MICROPYTHON_HOME={home}", "python3", "micropython-tests/run.py", "^test_"],
             test.PLAIN, 3600)]


# The library as shipped: the arguments of cargo.
SHIPPED = {
    "full": ["--release"],
    "small": ["--profile", "small", "--no-default-features", "--features", "ring"],
    "no TLS": ["--release", "--no-default-features"],
}


def sizes(name):
    """The size of each shipped shared library, stripped, and the version of the C library that it
    needs."""
    tools, said = Toolchain(name), {}
    triple, prefix = tools.machine.triple, tools.machine.prefix
    for kind, options in SHIPPED.items():
        into = f"{CROSS}/sizes/{kind.replace(' ', '-')}"
        library = f"{into}/{triple}/release/libusocket.so"
        try:
            if kind == "small" and prefix:
                tools.must(["make", "build-small", f"CROSS_COMPILE={prefix}", f"TARGET={triple}"])
                library = f"target/{triple}/small/libusocket.so"
            else:
                tools.must([*tools.build, "--lib", "--target", triple, "--target-dir", into, *options],
                           CARGO_PROFILE_RELEASE_STRIP="symbols")
                library = library.replace("/release/", "/small/") if kind == "small" else library
        except Failed:
            continue  # The log says why: AWS-LC is not for every machine.
        said[kind] = os.path.getsize(library)
        said["C library"] = "musl 1.2"
        if prefix:
            needs = tools.must([f"{prefix}readelf", "-V", library])
            versions = {tuple(map(int, v.split("."))) for v in re.findall(r"GLIBC_(\d+(?:\.\d+)+)", needs)}
            said["C library"] = "glibc " + ".".join(map(str, max(versions)))
    return said
