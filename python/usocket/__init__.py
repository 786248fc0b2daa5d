"""usocket: MicroPython's socket module for CPython, over the library libusocket.

    import usocket
    s = usocket.socket()
    s.connect(usocket.getaddrinfo("127.0.0.1", 80)[0][-1])
    s.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(s.readline())
    s.close()

A socket is a stream itself (`read`, `readline`, `write`), and has CPython's methods as well. Every
constant of the platform is here: AF_, SOCK_, IPPROTO_, SOL_, SO_, TCP_, IP_, IPV6_, MSG_, AI_,
EAI_, NI_, SHUT_, SOMAXCONN; and IPPROTO_SEC. `uselect.poll` waits for several sockets.
"""

from __future__ import annotations

from _socket import (  # What the platform offers without a socket, from CPython.
    gethostbyaddr,
    gethostbyname,
    gethostbyname_ex,
    gethostname,
    getnameinfo,
    getprotobyname,
    getservbyname,
    getservbyport,
    has_ipv6,
    herror,
    htonl,
    htons,
    if_indextoname,
    if_nameindex,
    if_nametoindex,
    inet_aton,
    inet_ntoa,
    ntohl,
    ntohs,
    sethostname,
)

from . import _constants
from ._address import inet_ntop, inet_pton, native_address, sockaddr
from ._connection import create_connection, create_server, has_dualstack_ipv6
from ._constants import *  # noqa: F403
from ._errors import PortError, SSLError, gaierror, timeout
from ._lib import features, version
from ._lib import path as library
from ._message import CMSG_LEN, CMSG_SPACE, recv_fds, send_fds
from ._names import getaddrinfo
from ._option import getdefaulttimeout, setdefaulttimeout
from ._socket import SocketType, from_fd, fromfd, socket, socketpair


def install() -> None:
    """Lets the standard modules `socket` and `ssl`, and with them every program of this process, run
    on libusocket. Call it first: names imported before by `from socket import ...` do not change.

    There the modules are CPython's: names in addresses are resolved, `makefile` makes a file, a str
    is not sent. A second call does nothing. `python -m usocket run program.py` calls it.
    """
    from .standard import install

    install()


TYPE_CHECKING = False
if TYPE_CHECKING:
    # The constants depend on the platform.
    def __getattr__(name: str) -> int: ...


error = OSError

__version__ = version

__all__ = [
    "CMSG_LEN",
    "CMSG_SPACE",
    "PortError",
    "SSLError",
    "SocketType",
    "create_connection",
    "create_server",
    "error",
    "features",
    "from_fd",
    "fromfd",
    "gaierror",
    "getaddrinfo",
    "getdefaulttimeout",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostname",
    "getnameinfo",
    "getprotobyname",
    "getservbyname",
    "getservbyport",
    "has_dualstack_ipv6",
    "has_ipv6",
    "herror",
    "htonl",
    "htons",
    "if_indextoname",
    "if_nameindex",
    "if_nametoindex",
    "inet_aton",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "install",
    "library",
    "native_address",
    "ntohl",
    "ntohs",
    "recv_fds",
    "send_fds",
    "setdefaulttimeout",
    "sethostname",
    "sockaddr",
    "socket",
    "socketpair",
    "timeout",
    "version",
    *_constants.__all__,
]
