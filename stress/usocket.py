"""The library for the stress programs in Python: its functions as the header declares them."""

import ctypes
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CERTS = os.environ.get("STRESS_CERTS", os.path.join(ROOT, "target/certs"))
LIBRARY = os.environ.get("STRESS_LIBRARY", os.path.join(ROOT, "target/release/libusocket.so"))

NUMBERS = {
    "int16_t": ctypes.c_int16, "int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64, "uint64_t": ctypes.c_uint64, "size_t": ctypes.c_size_t,
    "void": None,
}


def header():
    with open(os.path.join(ROOT, "include/usocket.h")) as f:
        return f.read()


def constants():
    found = re.findall(r"^#define (USOCKET_\w+) (-?\d+)$", header(), re.M)
    return {name: int(value) for name, value in found}


def declarations():
    """(name, result type, [(type, name), ...], its comment) of every function"""
    text = header()
    found = re.finditer(r"((?:^//.*\n)*)^(?!//|#|typedef|extern)([\w][^;{}#]*\)\s*;)", text, re.M)
    for comment, declaration in (m.groups() for m in found):
        declaration = " ".join(declaration.split())
        head, arguments = re.match(r"(.*?)\((.*)\);$", declaration).groups()
        result, name = re.match(r"(.*?)(\w+)$", head).groups()
        parts = [] if arguments == "void" else split(arguments)
        yield name, result.strip(), [typed(p) for p in parts], comment


def split(arguments):
    """At the commas that are not within parentheses, as a function pointer's are."""
    parts, depth, start = [], 0, 0
    for at, c in enumerate(arguments):
        depth += (c == "(") - (c == ")")
        if c == "," and not depth:
            parts.append(arguments[start:at])
            start = at + 1
    return parts + [arguments[start:]]


def typed(argument):
    argument = argument.strip()
    pointer = re.match(r"(.*)\(\*(\w+)\)(.*)", argument)
    if pointer:
        return "callback", pointer[2]
    kind, name = re.match(r"(.*?)(\w+)$", argument).groups()
    return kind.replace(" *", "*").strip(), name


def ctype(kind):
    if kind in NUMBERS:
        return NUMBERS[kind]
    if kind == "char*" or kind == "const char*":
        return ctypes.c_char_p if kind.startswith("const") else ctypes.c_void_p
    if "*" in kind or "callback" in kind or kind.endswith("_cb"):
        return ctypes.c_void_p
    return ctypes.c_int64  # a handle


class Addr(ctypes.Structure):
    _fields_ = [("storage", ctypes.c_uint64 * 16), ("len", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


class Pollfd(ctypes.Structure):
    _fields_ = [("socket", ctypes.c_int64), ("fd", ctypes.c_int32), ("events", ctypes.c_int16), ("revents", ctypes.c_int16)]


class Event(ctypes.Structure):
    _fields_ = [("socket", ctypes.c_int64), ("data", ctypes.c_uint64), ("fd", ctypes.c_int32), ("events", ctypes.c_uint32)]


class Library:
    """usocket_recv and the like as lib.recv; constants as lib.TLS_CLIENT."""

    def __init__(self):
        so = ctypes.CDLL(LIBRARY)
        for name, result, arguments, _ in declarations():
            f = getattr(so, name, None)
            if f is None:
                continue
            f.restype = ctypes.c_char_p if result.startswith("const char") else ctype(result)
            f.argtypes = [ctype(kind) for kind, _ in arguments]
            setattr(self, name.removeprefix("usocket_"), f)
        for name, value in constants().items():
            setattr(self, name.removeprefix("USOCKET_"), value)

    def ok(self, value):
        if value < 0:
            raise AssertionError(f"{value} ({self.strerror(value).decode()})")
        return value

    def receive(self, s, n=65536, flags=0):
        """bytes, or the negative code"""
        buf = ctypes.create_string_buffer(max(n, 1))
        r = self.recv(s, buf, n, flags)
        return buf.raw[:r] if r >= 0 else r

    def read_all(self, s, n):
        buf = ctypes.create_string_buffer(max(n, 1))
        r = self.read(s, buf, n)
        return buf.raw[:r] if r >= 0 else r

    def write_all(self, s, data):
        return self.sendall(s, data, len(data), 0)

    def detail(self, s):
        buf = ctypes.create_string_buffer(600)
        self.error_detail(s, buf, len(buf))
        return buf.value.decode(errors="replace")

    def poll1(self, s, events, timeout_us):
        p = Pollfd(s, -1, events, 0)
        r = self.poll(ctypes.byref(p), 1, timeout_us)
        return p.revents if r > 0 else r
