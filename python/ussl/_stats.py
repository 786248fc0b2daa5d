"""How the handshakes of a context went, for `SSLContext.session_stats`."""

from __future__ import annotations

from threading import Lock
from typing import Any, Dict
from weakref import WeakSet

from usocket._lib import lib


class Stats:
    """Counts connections. A handshake may end in any operation, so its result is determined when the
    counts are read, or when the connection is closed."""

    __slots__ = ("_counts", "_lock", "_open")

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: WeakSet[Any] = WeakSet()
        names = ("connect", "connect_good", "accept", "accept_good", "hits", "misses")
        self._counts: Dict[str, int] = dict.fromkeys(names, 0)

    def begin(self, sock: Any) -> None:
        """A connection was wrapped."""
        with self._lock:
            self._counts["accept" if sock.server_side else "connect"] += 1
            self._open.add(sock)

    def end(self, sock: Any) -> None:
        """It is about to be closed."""
        with self._lock:
            if sock in self._open:
                self._settle(sock)
                self._open.discard(sock)

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
            for sock in list(self._open):
                if self._settle(sock):
                    self._open.discard(sock)
            return dict(self._counts)
