"""The certificates that a peer has presented, as the library gives them out: DER."""

from __future__ import annotations

from ctypes import create_string_buffer
from errno import ENODATA
from typing import List, Optional

from usocket._errors import check
from usocket._lib import lib


def presented(handle: int, at: int) -> Optional[bytes]:
    """The certificate at that index, the peer's own at 0; None if there is none."""
    size = lib.usocket_tls_peer_cert(handle, at, None, 0)
    if size == -ENODATA:
        return None
    room = create_string_buffer(check(size))
    check(lib.usocket_tls_peer_cert(handle, at, room, size))
    return room.raw


def presented_chain(handle: int) -> List[bytes]:
    """All of them, the peer's own first."""
    chain: List[bytes] = []
    while (der := presented(handle, len(chain))) is not None:
        chain.append(der)
    return chain
