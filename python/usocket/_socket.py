"""The class `socket`: a socket of the library, with the methods of every reference document."""

from __future__ import annotations

import os
from ctypes import c_int64

from ._address import AF_INET, AF_UNIX
from ._bsd import SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, BSDSocket  # noqa: F401
from ._errors import check, int32
from ._lib import lib
from ._option import default_timeout
from ._stream import Stream

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Optional, Tuple


class socket(BSDSocket, Stream):
    """A socket.

    af (also as `family`): AF_INET, AF_INET6, AF_UNIX, any the system has.
    type: SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, ...; SOCK_NONBLOCK in it is `setblocking(False)`.
    proto: 0 is the default for the type (TCP, UDP); IPPROTO_SEC is TCP that carries no data before it is
    wrapped in TLS.
    fileno: takes over an open descriptor instead; the system then supplies the others.

    It begins in blocking mode and is close-on-exec. It may be used from several threads at once; closing
    it makes their operations fail with OSError EBADF, which every method of a closed socket raises
    (`close`, `fileno`, `gettimeout` and the attributes do not). Dropping it closes it, with a
    ResourceWarning; `with` closes it at the end. Every method may raise OSError and its subclasses; a
    timeout is TimeoutError. A str is sent as UTF-8.

    Raises TypeError, OverflowError, OSError. From: every document.
    """

    __module__ = "usocket"
    __slots__ = ("__weakref__",)

    def __init__(
        self,
        af: int = AF_INET,
        type: int = SOCK_STREAM,
        proto: int = 0,
        fileno: Optional[int] = None,
        *,
        family: int = 0,
    ) -> None:
        self._handle = 0
        if fileno is not None:
            fd = int32(fileno)
            if fd < 0:
                raise ValueError("negative file descriptor")
            self._become(lib.usocket_from_fd(fd))
            return
        af, type, proto = int32(family or af), int32(type), int32(proto)
        plain = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
        self._handle = handle = check(lib.usocket_socket(af, plain, proto))
        self._late_in = self._late_out = 0
        self._filed, self._timeout = False, None
        # The protocol that 0 stands for is the library's to say.
        self._family, self._type, self._proto = af, plain, lib.usocket_proto(handle)
        if type & SOCK_NONBLOCK:
            self.setblocking(False)
        elif (timeout := default_timeout()) is not None:
            self.settimeout(timeout)


socket._kind = SocketType = socket


def socketpair(
    family: int = AF_UNIX, type: int = SOCK_STREAM, proto: int = 0
) -> Tuple[socket, socket]:
    """Two connected sockets. Raises as `socket`, and OSError EOPNOTSUPP. From: CPython."""
    family, type, proto = int32(family), int32(type), int32(proto)
    pair = (c_int64 * 2)()
    plain = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
    check(lib.usocket_socketpair(family, plain, proto, pair))
    a, b = (socket.__new__(socket)._become(handle) for handle in pair)
    timeout = 0.0 if type & SOCK_NONBLOCK else default_timeout()
    if timeout is not None:
        a.settimeout(timeout)
        b.settimeout(timeout)
    return a, b


def from_fd(fd: int) -> socket:
    """A socket that takes over an open descriptor, and closes it.

    Raises OSError EBADF, ENOTSOCK (the descriptor then stays the caller's), ValueError.
    """
    return socket(fileno=fd)


def fromfd(fd: int, family: int, type: int, proto: int = 0) -> socket:
    """A socket for a duplicate of an open descriptor; the descriptor stays the caller's.

    The system supplies family, type and protocol; the arguments exist only for compatibility with
    CPython.
    Raises OSError EBADF, ENOTSOCK. From: CPython.
    """
    copy = os.dup(int32(fd))
    try:
        return socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
