"""The shared library: where it is, and the prototypes of its functions (`include/usocket.h`)."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_int16, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path

HERE = Path(__file__).resolve().parent

HOW_TO_GET_IT = (
    "usocket needs the library libusocket. In a checkout of the project `cargo build --release` "
    "makes it; `make install` puts it where the system finds it; the environment variable "
    "USOCKET_LIBRARY can name the file."
)


class Addr(ctypes.Structure):
    """`usocket_addr`: the bytes of a `struct sockaddr`, and how many of them count."""

    _fields_ = [("storage", c_uint64 * 16), ("len", c_uint32), ("reserved", c_uint32)]


class AddrInfo(ctypes.Structure):
    """`usocket_addrinfo`: one answer of the resolver."""


AddrInfo._fields_ = [
    ("family", c_int32),
    ("type", c_int32),
    ("proto", c_int32),
    ("reserved", c_int32),
    ("addr", Addr),
    ("canonname", c_char_p),
    ("next", ctypes.POINTER(AddrInfo)),
]


class PollFd(ctypes.Structure):
    """`usocket_pollfd`: one entry of usocket_poll."""

    _fields_ = [("socket", c_int64), ("fd", c_int32), ("events", c_int16), ("revents", c_int16)]


class Event(ctypes.Structure):
    """`usocket_event`: what a poller reports about one registration."""

    _fields_ = [("socket", c_int64), ("data", c_uint64), ("fd", c_int32), ("events", c_uint32)]


# What each function returns, then what it takes, a word each: `s` a handle or another 64-bit
# number, `i` int32_t, `u` uint32_t, `z` size_t, `p` a pointer, `t` text. A test compares this
# with the header.
PROTOTYPES = {
    "usocket_version": "t",
    "usocket_features": "t",
    "usocket_strerror": "t s",
    "usocket_gai_code": "i s",
    "usocket_error_detail": "i s p z",
    "usocket_set_event_hook": "i p p",
    "usocket_addr_ip": "i i t s u u p",
    "usocket_addr_unix": "i p z p",
    "usocket_addr_from_bytes": "i p z p",
    "usocket_addr_family": "i p",
    "usocket_addr_port": "i p",
    "usocket_addr_flowinfo": "s p",
    "usocket_addr_scope_id": "s p",
    "usocket_addr_host": "i p p z",
    "usocket_addr_path": "i p p z",
    "usocket_inet_pton": "i i t p z",
    "usocket_inet_ntop": "i i p z p z",
    "usocket_socket": "s i i i",
    "usocket_socketpair": "i i i i p",
    "usocket_from_fd": "s i",
    "usocket_detach": "i s",
    "usocket_dup": "s s",
    "usocket_fileno": "i s",
    "usocket_close": "i s",
    "usocket_bind": "i s p",
    "usocket_listen": "i s i",
    "usocket_accept": "s s p",
    "usocket_connect": "i s p",
    "usocket_shutdown": "i s i",
    "usocket_send": "s s p z i",
    "usocket_sendto": "s s p z i p",
    "usocket_recv": "s s p z i",
    "usocket_recvfrom": "s s p z i p",
    "usocket_getsockname": "i s p",
    "usocket_getpeername": "i s p",
    "usocket_settimeout": "i s s",
    "usocket_gettimeout": "i s p",
    "usocket_family": "i s",
    "usocket_type": "i s",
    "usocket_proto": "i s",
    "usocket_setsockopt": "i s i i p z",
    "usocket_setsockopt_int": "i s i i i",
    "usocket_getsockopt": "s s i i p z",
    "usocket_getsockopt_int": "i s i i p",
    "usocket_read": "s s p z",
    "usocket_readline": "s s p z",
    "usocket_write": "s s p z",
    "usocket_getaddrinfo": "i t t i i i i s p",
    "usocket_freeaddrinfo": "i p",
    "usocket_query_create": "s t t i i i i",
    "usocket_query_result": "i s s p",
    "usocket_create_connection": "s t t s p",
    "usocket_create_server": "s p i i",
    "usocket_poll": "i p z s",
    "usocket_poller_create": "s",
    "usocket_poller_add": "i s s i u s",
    "usocket_poller_modify": "i s s i u s",
    "usocket_poller_remove": "i s s i",
    "usocket_poller_wait": "i s p z s",
    "usocket_poller_wake": "i s",
    "usocket_tls_context_create": "s i",
    "usocket_tls_context_add_cert": "i s p z p z",
    "usocket_tls_context_add_cert_file": "i s t t",
    "usocket_tls_context_add_trust": "i s p z",
    "usocket_tls_context_add_trust_file": "i s t",
    "usocket_tls_context_add_trust_dir": "i s t",
    "usocket_tls_context_add_trust_system": "i s",
    "usocket_tls_context_add_trust_mozilla": "i s",
    "usocket_tls_context_add_crl": "i s p z",
    "usocket_tls_context_set_crl_flags": "i s i",
    "usocket_tls_context_set_verify": "i s i",
    "usocket_tls_context_set_hostname_check": "i s i",
    "usocket_tls_context_set_key_check": "i s i",
    "usocket_tls_context_set_alpn": "i s t",
    "usocket_tls_context_set_versions": "i s i i",
    "usocket_tls_context_set_ciphers": "i s t",
    "usocket_tls_context_ciphers": "i s p z",
    "usocket_tls_context_set_groups": "i s t",
    "usocket_tls_context_set_resumption": "i s i i",
    "usocket_tls_context_set_insecure_keylog": "i s t",
    "usocket_tls_context_add_pin": "i s p z",
    "usocket_tls_context_set_verify_callback": "i s p p",
    "usocket_tls_context_set_clock": "i s s",
    "usocket_tls_wrap": "i s s t i",
    "usocket_tls_handshake": "i s",
    "usocket_tls_pending": "s s",
    "usocket_tls_wants": "i s",
    "usocket_tls_version": "i s",
    "usocket_tls_cipher": "i s p z",
    "usocket_tls_group": "i s p z",
    "usocket_tls_alpn": "i s p z",
    "usocket_tls_server_name": "i s p z",
    "usocket_tls_resumed": "i s",
    "usocket_tls_verified": "i s",
    "usocket_tls_alert": "i s",
    "usocket_tls_peer_cert": "i s i p z",
    "usocket_tls_export": "i s t p z p z",
    "usocket_tls_channel_binding": "i s p z",
    "usocket_tls_take_session": "s s",
    "usocket_tls_set_session": "i s s",
}

C_TYPES = {
    "s": c_int64,
    "i": c_int32,
    "u": c_uint32,
    "z": c_size_t,
    "p": c_void_p,
    "t": c_char_p,
}


def _candidates() -> list[str]:
    """Where the library may be, best first."""
    named = os.environ.get("USOCKET_LIBRARY")
    if named:
        return [named]
    found = []
    if (HERE / "libusocket.so").exists():  # A wheel carries its own.
        found.append(str(HERE / "libusocket.so"))
    checkout = HERE.parent.parent
    built = checkout / "target" / "release" / "libusocket.so"
    if (checkout / "Cargo.toml").exists() and built.exists():
        found.append(str(built))
    return found + ["libusocket.so.0"]


def _load() -> tuple[ctypes.CDLL, str]:
    """Loads the first library there is and declares its functions."""
    reasons = []
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError as e:
            reasons.append(str(e))
            continue
        try:
            for name, prototype in PROTOTYPES.items():
                function = getattr(library, name)
                result, *arguments = [C_TYPES[word] for word in prototype.split()]
                function.restype, function.argtypes = result, arguments
        except AttributeError as e:
            reasons.append(f"{path} is no libusocket of this version: {e}")
            continue
        return library, path
    raise ImportError(f"{HOW_TO_GET_IT} ({'; '.join(reasons)})")


lib, path = _load()

version: str = lib.usocket_version().decode()
"""The version of the library that was loaded, such as "0.1.0"."""

features: str = lib.usocket_features().decode()
"""What the library can do, words separated by spaces, such as "tls=none"."""

# A signal must end a blocked call so that the interpreter can run its handlers (Ctrl-C). The hook
# that says "stop" must not be Python: what a handler raised within it would be lost. So it is a C
# function that gives something other than 0 for its argument, which is what "stop" is: the family
# of no address, -EFAULT.
lib.usocket_set_event_hook(ctypes.cast(lib.usocket_addr_family, c_void_p), None)
