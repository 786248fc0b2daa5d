"""The replacement of CPython's `_socket`: the class `socket` and its functions."""

from __future__ import annotations

import _socket as _system
import os
from ctypes import byref, c_int64, string_at
from errno import ECONNRESET, ETIMEDOUT
from types import ModuleType
from typing import Any, Optional

from .._accelerator import accelerated
from .._address import AF_INET, AF_INET6, AF_UNIX, encode
from .._address import inet_ntop as _inet_ntop
from .._address import inet_pton as _inet_pton
from .._bsd import SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, BSDSocket
from .._buffer import outgoing
from .._errors import PortError, check, error, int32
from .._families import FORMS
from .._lib import Addr, lib
from .._message import CMSG_LEN, CMSG_SPACE
from .._names import getaddrinfo as _getaddrinfo
from .._option import default_timeout, getdefaulttimeout, setdefaulttimeout

timeout = _system.timeout


@accelerated
class socket(BSDSocket):
    """socket(family=AF_INET, type=SOCK_STREAM, proto=0, fileno=None): a socket of libusocket, with
    the methods of CPython's `_socket.socket`, which `socket.socket` builds on."""

    __module__ = "_socket"
    __slots__ = ("_tls",)
    _outgoing = staticmethod(outgoing)
    # Its TLS connection, set by `_ssl`.
    _tls: Any

    # A socket that was only allocated is closed.
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        new = super().__new__(cls)
        new._handle = new._late_in = new._late_out = 0
        new._filed, new._timeout, new._tls = False, None, None
        new._family = new._type = new._proto = 0
        return new

    def __init__(
        self, family: int = -1, type: int = -1, proto: int = -1, fileno: Any = None
    ) -> None:
        if isinstance(fileno, float):
            raise TypeError("integer argument expected, got float")
        family, type, proto = int32(family), int32(type), int32(proto)
        if fileno is not None:
            self._take(fileno, family, type, proto)
            return
        family = AF_INET if family == -1 else family
        type = SOCK_STREAM if type == -1 else type
        proto = 0 if proto == -1 else proto
        plain = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
        self._begin(check(lib.usocket_socket(family, plain, proto)), family, plain, proto)
        if type & SOCK_NONBLOCK:
            self.settimeout(0.0)

    def _take(self, fileno: Any, family: int, type: int, proto: int) -> None:
        """Begins with a descriptor; the system supplies missing arguments."""
        fd = int32(fileno)
        if fd < 0:
            raise ValueError("negative file descriptor")
        handle = check(lib.usocket_from_fd(fd))
        # The mode is the default, whatever the descriptor's was.
        left = c_int64()
        check(lib.usocket_gettimeout(handle, byref(left)))
        self._begin(
            handle,
            lib.usocket_family(handle) if family == -1 else family,
            lib.usocket_type(handle) if type == -1 else type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC),
            lib.usocket_proto(handle) if proto == -1 else proto,
        )
        if left.value == 0 and default_timeout() is None:
            self._timeout = 0.0

    def _begin(self, handle: int, family: int, type: int, proto: int) -> None:
        old, self._handle = self._handle, handle
        if old:
            lib.usocket_close(old)
        self._tls = None
        self._late_in = self._late_out = 0
        # The given number, not the protocol that 0 stands for.
        self._family, self._type, self._proto = family, type, proto
        self._timeout = None
        if default_timeout() is not None:
            self.settimeout(default_timeout())

    @property
    def timeout(self) -> Optional[float]:
        """The timeout in seconds, None for none."""
        return self._timeout

    def _error(self, code: int) -> BaseException:
        if code == -ETIMEDOUT and self._timeout:
            return timeout("timed out")
        return super()._error(code)

    def _put(self, data: Any) -> int:
        """For a TLS connection: sends all bytes, or in non-blocking mode as many as fit."""
        with memoryview(data) as view:
            size = view.nbytes
        if self._timeout == 0 or not size:
            return BSDSocket.send(self, data)  # Not that of `ssl.SSLSocket`, which comes here.
        BSDSocket.sendall(self, data)
        return size

    def _get(self, buffer: Any, size: int) -> int:
        """For a TLS connection: receives into a buffer, at most `size` bytes if that is more than 0 and less
        than there is room for."""
        with memoryview(buffer) as view:
            room = view.nbytes
        want = room if size <= 0 else min(size, room)
        return BSDSocket.recv_into(self, buffer, want) if want else 0

    def _failed(self, code: int, events: int) -> int:
        if self._tls is not None:
            return int(self._tls._failed(code, events))
        return super()._failed(code, events)

    def _accept(self) -> Any:
        """_accept() -> (integer, address info): the descriptor of a connection, and the peer's address."""
        handle, address = self._accepted()
        return check(lib.usocket_detach(handle)), address

    def connect_ex(self, address: Any) -> int:
        try:
            return super().connect_ex(address)
        except timeout:
            return ETIMEDOUT

    def _address(self, address: Any, call: str) -> Addr:
        return _encode(self._family, address, call)

    def close(self) -> None:
        handle, self._handle = self._handle, 0
        if handle:
            code = lib.usocket_close(handle)
            if code not in (0, -ECONNRESET):
                raise error(code)

    def __repr__(self) -> str:
        parts = f"fd={self.fileno()}, family={self._family}, type={self._type}, proto={self._proto}"
        return f"<socket object, {parts}>"


socket._kind = SocketType = socket


def _encode(family: int, address: Any, call: str) -> Addr:
    """The library's address for a method's argument, with CPython's error messages; host names are
    resolved."""
    if family == AF_INET and type(address) is tuple and len(address) == 2:
        # The usual one; all others, and what is wrong with them, below.
        host, port = address
        if type(host) is str and type(port) is int and 0 <= port < 65536:
            if host.isascii() and host and "\0" not in host:
                out = Addr()
                if lib.usocket_addr_ip(AF_INET, host.encode(), port, 0, 0, byref(out)) == 0:
                    return out
    if family == AF_UNIX:
        return _unix(address)
    name = {AF_INET: "AF_INET", AF_INET6: "AF_INET6"}.get(family) or (
        FORMS[family][0] if family in FORMS else None
    )
    if name is None:
        raise OSError(f"{call}(): bad family")
    if not isinstance(address, tuple):
        kind = type(address).__name__
        raise TypeError(f"{call}(): {name} address must be tuple, not {kind}")
    if family in FORMS:
        return encode(family, address)
    if family == AF_INET and len(address) != 2:
        raise TypeError("AF_INET address must be a pair (host, port)")
    if not 2 <= len(address) <= 4:
        raise TypeError("AF_INET6 address must be a tuple (host, port[, flowinfo[, scopeid]])")
    host, port, *rest = address
    if not isinstance(host, (str, bytes, bytearray)):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    try:
        return encode(family, (_resolved(family, host), port, *rest))
    except PortError:
        raise OverflowError(f"{call}(): port must be 0-65535.") from None
    except OverflowError as e:
        raise OverflowError(f"{call}(): {e}") from None


def _resolved(family: int, host: Any) -> str:
    """A host as numeric text."""
    try:
        text: str = bytes(host).decode() if isinstance(host, (bytes, bytearray)) else _ascii(host)
    except UnicodeError:
        raise TypeError("encoding of hostname failed") from None
    if not text:
        return ""
    if "\0" in text:
        raise TypeError("host name must not contain null character")
    if text == "<broadcast>" and family == AF_INET:
        return "255.255.255.255"
    try:
        encode(family, (text, 0))
        return text
    except OSError:
        pass
    found = _getaddrinfo(text, None, family, _system.SOCK_DGRAM)[0][-1]
    scope = found[3] if len(found) > 3 else 0
    return f"{found[0]}%{scope}" if scope else str(found[0])


def _ascii(host: Any) -> Any:
    """A host, an international name (IDN) in its form in ASCII, as CPython's own socket asks for it."""
    if isinstance(host, str) and not host.isascii():
        return host.encode("idna").decode()
    return host


def _unix(address: Any) -> Addr:
    if isinstance(address, str):
        address = os.fsencode(address)
    else:
        address = bytes(memoryview(address))
    if len(address) > (107 if address[:1] != b"\0" else 108):
        raise OSError("AF_UNIX path too long")
    out = Addr()
    check(lib.usocket_addr_unix(address, len(address), byref(out)))
    return out


def socketpair(family: int = AF_UNIX, type: int = SOCK_STREAM, proto: int = 0) -> Any:
    """socketpair([family[, type [, proto]]]) -> (socket object, socket object)"""
    family, type, proto = int32(family), int32(type), int32(proto)
    pair, plain = (c_int64 * 2)(), type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)
    check(lib.usocket_socketpair(family, plain, proto, pair))
    made = []
    for handle in pair:
        s = socket.__new__(socket)
        s._begin(handle, family, plain, proto)
        if type & SOCK_NONBLOCK:
            s.settimeout(0.0)
        made.append(s)
    return tuple(made)


def getaddrinfo(
    host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
) -> Any:
    """getaddrinfo(host, port [, family, type, proto, flags]) -> list of
    (family, type, proto, canonname, sockaddr)"""
    if isinstance(port, int) and not isinstance(port, bool):
        port = str(port)
    if host is None and port is None:
        raise _system.gaierror(_system.EAI_NONAME, "Name or service not known")
    return _getaddrinfo(_ascii(host), port, family, type, proto, flags)


def inet_pton(af: int, ip_string: Any) -> bytes:
    """inet_pton(af, ip) -> packed IP address format string"""
    if int32(af) not in (AF_INET, AF_INET6):
        raise OSError(97, "unknown address family")
    try:
        return _inet_pton(af, ip_string)
    except OSError:
        raise OSError("illegal IP address string passed to inet_pton") from None


def inet_ntop(af: int, packed_ip: Any) -> str:
    """inet_ntop(af, packed_ip) -> string formatted IP address"""
    af, size = int32(af), memoryview(packed_ip).nbytes
    if af not in (AF_INET, AF_INET6):
        raise ValueError(f"unknown address family {af}")
    if size != (4 if af == AF_INET else 16):
        raise ValueError("invalid length of packed IP address string")
    return _inet_ntop(af, packed_ip)


module = ModuleType("_socket", "CPython's `_socket`, over libusocket.")
# Constants, exceptions, and the platform's functions for names, numbers and interfaces.
module.__dict__.update({k: v for k, v in vars(_system).items() if not k.startswith("__")})
module.__dict__.update(
    {
        f.__name__: f
        for f in (
            socket,
            socketpair,
            getaddrinfo,
            inet_pton,
            inet_ntop,
            CMSG_LEN,
            CMSG_SPACE,
            getdefaulttimeout,
            setdefaulttimeout,
        )  # fmt: skip
    },
    SocketType=socket,
)
