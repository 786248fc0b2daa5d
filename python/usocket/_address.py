"""Socket addresses: Python's tuples and paths, and the library's opaque ones.

A method takes these as an address:

- `(host, port)` for AF_INET, `(host, port[, flowinfo[, scope_id]])` for AF_INET6; the host is
  numeric text ("" is the wildcard address), names are for getaddrinfo;
- str or bytes for AF_UNIX: a path, or a Linux abstract name (its first byte is NUL);
- CPython's tuples for AF_NETLINK, AF_PACKET, AF_CAN, AF_VSOCK, AF_ALG, AF_QIPCRTR;
- for every family the opaque bytes of a `struct sockaddr`, as `native_address` makes them. For AF_UNIX
  they begin with the bytes of the family; a path cannot, as they contain a NUL.

Methods return a tuple, a str (path), or bytes (abstract name).
"""

from __future__ import annotations

import os
from ctypes import byref, create_string_buffer, string_at
from errno import EINVAL, ENAMETOOLONG
from operator import index
from sys import byteorder

from ._constants import CONSTANTS
from ._errors import PortError, check, detail, error, int32
from ._families import FORMS, pack
from ._lib import Addr, lib

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Tuple, Union

    Address = Union[Tuple[str, int], Tuple[str, int, int, int], str, bytes]

AF_UNSPEC = CONSTANTS["AF_UNSPEC"]
AF_INET = CONSTANTS["AF_INET"]
AF_INET6 = CONSTANTS["AF_INET6"]
AF_UNIX = CONSTANTS["AF_UNIX"]


_UNIX_FAMILY = AF_UNIX.to_bytes(2, byteorder)


def text(value: Any, what: str) -> bytes:
    """Text for the library. It ends at a NUL, so it must not contain one."""
    if isinstance(value, str):
        value = value.encode()
    elif not isinstance(value, (bytes, bytearray)):
        raise TypeError(f"{what} must be str or bytes, not {type(value).__name__}")
    if b"\0" in value:
        raise ValueError(f"embedded null character in {what}")
    return bytes(value)


def port_number(value: Any) -> int:
    """A port as an integer in the valid range."""
    port = index(value)
    if not 0 <= port <= 65535:
        raise PortError("port must be 0-65535.")
    return port


def _checked(code: int) -> None:
    """Raises the error of a function that makes an address, with its sentence."""
    if code in (-EINVAL, -ENAMETOOLONG):
        raise OSError(-code, detail() or os.strerror(-code))
    check(code)


def encode(family: int, address: Any) -> Addr:
    """The library's address for a caller's one, for a socket of a family.

    Raises TypeError for the wrong shape, PortError (an OverflowError and a ValueError) for a port
    out of range, OverflowError for a flowinfo or scope id out of range, OSError EINVAL for a name
    where numeric text must be, ENAMETOOLONG for a Unix path.
    """
    out = Addr()
    if isinstance(address, tuple):
        if family == AF_INET and len(address) != 2:
            raise TypeError("an AF_INET address must be (host, port)")
        if family == AF_INET6 and not 2 <= len(address) <= 4:
            raise TypeError("an AF_INET6 address must be (host, port[, flowinfo[, scope_id]])")
        if family in FORMS:
            raw = int(family).to_bytes(2, byteorder) + pack(family, address)
            _checked(lib.usocket_addr_from_bytes(raw, len(raw), byref(out)))
            return out
        if family not in (AF_INET, AF_INET6):
            raise TypeError(f"an address of family {family} cannot be a tuple")
        host, port, flowinfo, scope_id = (*address, 0, 0)[:4]
        host, port = text(host, "host"), port_number(port)
        flowinfo, scope_id = index(flowinfo), index(scope_id)
        if not 0 <= flowinfo <= 0xFFFFF:
            raise OverflowError("flowinfo must be 0-1048575.")
        if not 0 <= scope_id <= 0xFFFFFFFF:
            raise OverflowError("scope_id must be 0-4294967295.")
        _checked(lib.usocket_addr_ip(family, host, port, flowinfo, scope_id, byref(out)))
    elif isinstance(address, str):
        if family != AF_UNIX:
            raise TypeError(f"an address of family {family} must be a tuple or bytes, not str")
        path = os.fsencode(address)
        _checked(lib.usocket_addr_unix(path, len(path), byref(out)))
    else:
        try:
            raw = bytes(memoryview(address))
        except TypeError:
            kind = type(address).__name__
            raise TypeError(f"an address must be a tuple, str or bytes, not {kind}") from None
        if family == AF_UNIX and raw[:2] != _UNIX_FAMILY:
            _checked(lib.usocket_addr_unix(raw, len(raw), byref(out)))
        else:
            _checked(lib.usocket_addr_from_bytes(raw, len(raw), byref(out)))
    return out


def decode(addr: Addr) -> Address:
    """An address of the library as Python has it: a tuple, a str, bytes; None when empty."""
    address: Address = _decode(string_at(byref(addr), addr.len))
    return address


# A socket sees few addresses, often.
_known: dict[Any, Any] = {}
_KNOWN_MAX = 256


def _decode(raw: bytes) -> Any:
    """The same of its bytes."""
    try:
        return _known[raw]
    except KeyError:
        pass
    if len(_known) >= _KNOWN_MAX:
        _known.clear()
    address = _known[raw] = _decode_anew(raw)
    return address


def _decode_anew(raw: bytes) -> Any:
    if len(raw) < 2:
        return None
    family, name, *numbers = parts = _parts(raw)
    if family in (AF_INET, AF_INET6):
        return (name, *numbers)
    if family == AF_UNIX:
        return name if name[:1] == b"\0" else os.fsdecode(name)
    if family in FORMS:
        return FORMS[family][2](name)
    return parts


def _parts(raw: bytes) -> tuple[Any, ...]:
    """The family of opaque bytes, then host (text), port, flowinfo and scope id, or the rest."""
    made, buf = Addr(), create_string_buffer(128)
    pointer = byref(made)
    _checked(lib.usocket_addr_from_bytes(raw, len(raw), pointer))
    family = lib.usocket_addr_family(pointer)
    if family == AF_UNIX:
        length = check(lib.usocket_addr_path(pointer, buf, len(buf)))
        return family, buf.raw[:length]
    if family not in (AF_INET, AF_INET6):
        return family, raw[2:]
    check(lib.usocket_addr_host(pointer, buf, len(buf)))
    parts = (family, buf.value.decode(), lib.usocket_addr_port(pointer))
    if family == AF_INET:
        return parts
    return (*parts, lib.usocket_addr_flowinfo(pointer), lib.usocket_addr_scope_id(pointer))


def native_address(address: Address, af: int = AF_INET) -> bytes:
    """The opaque bytes (a `struct sockaddr`) of an address, for a family.

    They go in wherever an address does, and `sockaddr` takes them apart. Errors as for `connect`
    with that address.
    """
    addr = encode(int32(af), address)
    return string_at(byref(addr), addr.len)


def sockaddr(addr: Any) -> tuple[Any, ...]:
    """Splits opaque bytes into numbers and bytes (MicroPython).

    addr: bytes-like, a `struct sockaddr`.
    Returns `(AF_INET, address, port)`, `(AF_INET6, address, port, flowinfo, scope_id)`, or
    `(family, rest)` otherwise; for AF_UNIX the rest is the path or abstract name.
    Raises OSError EINVAL for bytes that are no address, TypeError. Thread-safe.
    """
    family, name, *numbers = parts = _parts(bytes(memoryview(addr)))
    return (family, inet_pton(family, name), *numbers) if numbers else parts


def inet_pton(af: int, txt_addr: str) -> bytes:
    """Numeric text to the bytes of an address: `inet_pton(AF_INET, "1.2.3.4")`.

    af: AF_INET (4 bytes) or AF_INET6 (16 bytes).
    Raises OSError EINVAL for text that is no address of the family, EAFNOSUPPORT for another
    family; TypeError, ValueError for invalid text. Thread-safe. From: MaixPy, Pycopy.
    """
    out = create_string_buffer(16)
    n = lib.usocket_inet_pton(int32(af), text(txt_addr, "address"), out, len(out))
    return out.raw[: check(n)]


def inet_ntop(af: int, bin_addr: Any) -> str:
    """The bytes of an address to numeric text: `inet_ntop(AF_INET, b"\\x7f\\0\\0\\1")`.

    af: AF_INET or AF_INET6; bin_addr: bytes-like, 4 or 16 bytes.
    Raises ValueError when the length is not the family's, OSError EAFNOSUPPORT for another family;
    TypeError. Thread-safe. From: MaixPy, Pycopy.
    """
    raw = bytes(memoryview(bin_addr))
    out = create_string_buffer(64)
    n = lib.usocket_inet_ntop(int32(af), raw, len(raw), out, len(out))
    if n == -EINVAL:
        raise ValueError(f"an address of family {af} does not have {len(raw)} bytes")
    if n < 0:
        raise error(n)
    return out.raw[:n].decode()
