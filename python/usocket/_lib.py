"""The shared library: finding it, and its structures (`include/usocket.h`)."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_int16, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

from ._prototypes import PROTOTYPES

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Callable

    class Functions:
        """The library's functions, as `usocket.h` has them."""

        usocket_version: Callable[[], bytes]
        usocket_features: Callable[[], bytes]
        usocket_strerror: Callable[[int], bytes]

        def __getattr__(self, name: str) -> Callable[..., int]: ...


HERE = os.path.dirname(os.path.realpath(__file__))

HOW_TO_GET_IT = (
    "usocket needs the library libusocket. In a checkout of the project `cargo build --release` "
    "makes it; `make install` puts it where the system finds it; the environment variable "
    "USOCKET_LIBRARY can name the file."
)


class Addr(ctypes.Structure):
    """`usocket_addr`: the bytes of a `struct sockaddr` and their number."""

    _fields_ = [("storage", c_uint64 * 16), ("len", c_uint32), ("reserved", c_uint32)]


class AddrInfo(ctypes.Structure):
    """`usocket_addrinfo`: one result of the resolver."""


AddrInfo._fields_ = [
    ("family", c_int32),
    ("type", c_int32),
    ("proto", c_int32),
    ("reserved", c_int32),
    ("addr", Addr),
    ("canonname", c_char_p),
    ("next", ctypes.POINTER(AddrInfo)),
]


class Piece(ctypes.Structure):
    """`usocket_iovec`: a place in memory."""

    _fields_ = [("base", c_void_p), ("len", c_size_t)]


class Message(ctypes.Structure):
    """`usocket_msg`: a message of usocket_sendmsg and usocket_recvmsg."""

    _fields_ = [
        ("addr", c_void_p),
        ("data", c_void_p),
        ("count", c_size_t),
        ("control", c_void_p),
        ("control_len", c_size_t),
        ("flags", c_int32),
        ("reserved", c_int32),
    ]


class PollFd(ctypes.Structure):
    """`usocket_pollfd`: one entry of usocket_poll."""

    _fields_ = [("socket", c_int64), ("fd", c_int32), ("events", c_int16), ("revents", c_int16)]


class Event(ctypes.Structure):
    """`usocket_event`: one event of a poller."""

    _fields_ = [("socket", c_int64), ("data", c_uint64), ("fd", c_int32), ("events", c_uint32)]


def _candidates() -> list[str]:
    """Possible locations of the library, best first."""
    named = os.environ.get("USOCKET_LIBRARY")
    if named:
        return [named]
    found = []
    own = os.path.join(HERE, "libusocket.so")
    if os.path.exists(own):  # A wheel carries its own.
        found.append(own)
    checkout = os.path.dirname(os.path.dirname(HERE))
    built = os.path.join(checkout, "target", "release", "libusocket.so")
    if os.path.exists(os.path.join(checkout, "Cargo.toml")) and os.path.exists(built):
        found.append(built)
    return found + ["libusocket.so.0"]


def _load() -> tuple[Any, str]:
    """Loads the first existing library and declares its functions."""
    reasons = []
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError as e:
            reasons.append(str(e))
            continue
        try:
            for name, (result, arguments) in PROTOTYPES.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        except AttributeError as e:
            reasons.append(f"{path} is not libusocket of this version: {e}")
            continue
        return library, path
    raise ImportError(f"{HOW_TO_GET_IT} ({'; '.join(reasons)})")


lib: Functions
lib, path = _load()

version: str = lib.usocket_version().decode()
"""The version of the library that was loaded, such as "0.1.0"."""

features: str = lib.usocket_features().decode()
"""The features of the library, words separated by spaces, such as "tls=none"."""

# A signal must end a blocked call so that the interpreter can run its handlers (Ctrl-C). The event hook
# must not be Python: an exception raised within it would be lost. So it is a C function with a result
# other than 0, which means "stop": the family of no address, -EFAULT.
_stop: Any = lib.usocket_addr_family
lib.usocket_set_event_hook(ctypes.cast(_stop, c_void_p), None)
