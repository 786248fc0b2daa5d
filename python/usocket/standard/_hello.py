"""The parts of a ClientHello that a server needs before its response: the requested name (SNI), and the
offered application protocols (ALPN)."""

from __future__ import annotations

from typing import List, NamedTuple, Optional

HANDSHAKE, CLIENT_HELLO = 22, 1
SERVER_NAME, ALPN = 0, 16
LONGEST = 1 << 17


class Hello(NamedTuple):
    name: Optional[str]
    protocols: List[bytes]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        if self.at + n > len(self.data):
            raise ValueError("cut off")
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def block(self, size: int) -> _Reader:
        """A vector after its length of `size` bytes."""
        return _Reader(self.take(self.number(size)))

    def __bool__(self) -> bool:
        return self.at < len(self.data)


def read(data: bytes) -> Optional[Hello]:
    """The contents of a ClientHello; None while it is incomplete, empty for anything else."""
    nothing = Hello(None, [])
    message, at = b"", 0
    while True:
        if len(data) < at + 5:
            return None if at < LONGEST and data[at : at + 1] in (b"", b"\x16") else nothing
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at] != HANDSHAKE or size == 0 or at > LONGEST:
            return nothing
        if len(data) < at + 5 + size:
            return None
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            break
    if message[0] != CLIENT_HELLO:
        return nothing
    try:
        return _parse(_Reader(message[4:]))
    except ValueError:
        return nothing


def missing(data: bytearray) -> int:
    """The number of bytes missing from the current record, or from the next header."""
    at = 0
    while len(data) >= at + 5:
        at += 5 + int.from_bytes(data[at + 3 : at + 5], "big")
        if len(data) < at:
            return at - len(data)
    return at + 5 - len(data)


def _parse(hello: _Reader) -> Hello:
    hello.take(2 + 32)  # Version, random.
    for size in (1, 2, 1):  # Session, cipher suites, compression.
        hello.block(size)
    name, protocols = None, []
    extensions = hello.block(2) if hello else _Reader(b"")
    while extensions:
        kind, body = extensions.number(2), extensions.block(2)
        if kind == SERVER_NAME:
            names = body.block(2)
            if names.number(1) == 0:
                name = names.block(2).data.decode("ascii")
        elif kind == ALPN:
            offered = body.block(2)
            while offered:
                protocols.append(offered.block(1).data)
    return Hello(name, protocols)
