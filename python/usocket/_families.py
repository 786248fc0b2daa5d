"""The tuples of families that only the kernel interprets: AF_NETLINK, AF_PACKET, AF_CAN, AF_VSOCK,
AF_ALG, AF_QIPCRTR; as CPython has them."""

from __future__ import annotations

import struct
from _socket import htons, if_indextoname, if_nametoindex, ntohs

from ._constants import CONSTANTS

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Tuple


def _netlink(pid: Any, groups: Any) -> bytes:
    return struct.pack("=xxII", pid, groups)


def _netlink_parts(rest: bytes) -> tuple[Any, ...]:
    return struct.unpack_from("=xxII", rest)


def _packet(
    ifname: Any, protocol: Any, pkttype: Any = 0, hatype: Any = 0, addr: Any = b""
) -> bytes:
    hardware = bytes(memoryview(addr))
    if len(hardware) > 8:
        raise ValueError("Hardware address must be 8 bytes or less")
    if not 0 <= protocol <= 0xFFFF:
        raise OverflowError("protocol must be 0-65535.")
    at = if_nametoindex(ifname)
    return struct.pack("=HiHBB8s", htons(protocol), at, hatype, pkttype, len(hardware), hardware)


def _packet_parts(rest: bytes) -> tuple[Any, ...]:
    protocol, at, hatype, pkttype, size, hardware = struct.unpack_from("=HiHBB8s", rest)
    return _interface(at), ntohs(protocol), pkttype, hatype, hardware[:size]


def _can(ifname: Any, *more: Any) -> bytes:
    at = if_nametoindex(ifname) if ifname else 0
    if len(more) == 2:  # ISO-TP: receive and transmit ids.
        return struct.pack("=xxiII8x", at, *more)
    if len(more) == 3:  # J1939: name, parameter group, address.
        return struct.pack("=xxiQIB3x", at, *more)
    if more:
        raise TypeError("an AF_CAN address must be (interface[, rx, tx | , name, pgn, addr])")
    return struct.pack("=xxi16x", at)


def _can_parts(rest: bytes) -> tuple[Any, ...]:
    return (_interface(struct.unpack_from("=xxi", rest)[0]),)


def _vsock(cid: Any, port: Any) -> bytes:
    return struct.pack("=xxIIB3x", port, cid, 0)


def _vsock_parts(rest: bytes) -> tuple[Any, ...]:
    port, cid = struct.unpack_from("=xxII", rest)
    return cid, port


def _alg(kind: Any, name: Any, feat: Any = 0, mask: Any = 0) -> bytes:
    kind, name = kind.encode(), name.encode()
    if len(kind) > 13 or len(name) > 63:
        raise ValueError("AF_ALG type or name is too long")
    return struct.pack("=14sII64s", kind, feat, mask, name)


def _qipcrtr(node: Any, port: Any) -> bytes:
    return struct.pack("=xxII", node, port)


def _interface(at: int) -> str:
    try:
        return if_indextoname(at) if at else ""
    except OSError:
        return ""


_FORMS: Dict[str, Tuple[Callable[..., bytes], Callable[[bytes], tuple[Any, ...]]]] = {
    "AF_NETLINK": (_netlink, _netlink_parts),
    "AF_PACKET": (_packet, _packet_parts),
    "AF_CAN": (_can, _can_parts),
    "AF_VSOCK": (_vsock, _vsock_parts),
    "AF_ALG": (_alg, lambda rest: (rest,)),
    "AF_QIPCRTR": (_qipcrtr, _netlink_parts),
}

# By number, if the system has them.
FORMS = {CONSTANTS[name]: (name, *form) for name, form in _FORMS.items() if name in CONSTANTS}


def pack(family: int, address: tuple[Any, ...]) -> bytes:
    """The bytes after the family in the `struct sockaddr` of a tuple.

    Raises TypeError for the wrong shape, OverflowError, ValueError, OSError (no such interface).
    """
    name, make, _ = FORMS[family]
    try:
        return make(*address)
    except struct.error as e:
        raise OverflowError(f"an {name} address is out of range: {e}") from None
