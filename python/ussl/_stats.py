"""How the handshakes of a context went, for `SSLContext.session_stats`."""

from __future__ import annotations

from threading import Lock
from typing import Any, Dict, Set
from weakref import ref

from usocket._lib import lib


class Stats:
    """Counts connections. A handshake may end in any operation, so its result is determined when the
    counts are read, or when the connection is closed."""

    __slots__ = ("_counts", "_lock", "_open")

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: Set[ref[Any]] = set()
        names = ("connect", "connect_good", "accept", "accept_good", "hits", "misses")
        self._counts: Dict[str, int] = dict.fromkeys(names, 0)

    def begin(self, sock: Any) -> None:
        """A connection was wrapped."""
        with self._lock:
            self._counts["accept" if sock.server_side else "connect"] += 1
            self._open.add(ref(sock, self._open.discard))

    def end(self, sock: Any) -> None:
        """It is about to be closed."""
        with self._lock:
            known = ref(sock)  # References to one object are equal.
            if known in self._open:
                self._settle(sock)
                self._open.discard(known)

    def _settle(self, sock: Any) -> bool:
        handle = sock._handle
        if lib.usocket_tls_version(handle) <= 0:
            return False
        resumed = lib.usocket_tls_resumed(handle) == 1
        self._counts["accept_good" if sock.server_side else "connect_good"] += 1
        if sock.server_side:
            self._counts["hits" if resumed else "misses"] += 1
        elif resumed:
            self._counts["hits"] += 1
        return True

    def counts(self) -> Dict[str, int]:
        """The counts so far."""
        with self._lock:
            for known in self._open.copy():
                sock = known()
                if sock is not None and self._settle(sock):
                    self._open.discard(known)
            return dict(self._counts)
