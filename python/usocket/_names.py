"""Names to addresses: getaddrinfo."""

from __future__ import annotations

from ctypes import POINTER, byref, c_void_p, cast
from errno import EAGAIN, ETIMEDOUT
from time import monotonic

from ._accelerator import fast
from ._address import decode, port_number, text
from ._constants import CONSTANTS
from ._errors import check, int32
from ._lib import AddrInfo, lib
from ._wait import timeout_us, undisturbed

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, Iterator, List, Optional, Tuple, Union
    from ._address import Address


AI_NUMERICHOST = CONSTANTS["AI_NUMERICHOST"]


def _host(host: Any) -> Union[bytes, None]:
    return None if host is None else text(host, "host")


def _service(port: Any) -> Union[bytes, None]:
    if port is None:
        return None
    if isinstance(port, (str, bytes, bytearray)):
        return text(port, "port")
    return str(port_number(port)).encode()


def getaddrinfo(
    host: Union[str, bytes, None],
    port: Union[int, str, bytes, None],
    af: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
    *,
    family: int = 0,
    timeout: Optional[float] = None,
) -> List[Tuple[int, int, int, str, Address]]:
    """Resolves a host and a service to addresses.

    host: a name or numeric text; None or "" is the local host, or with AI_PASSIVE any address.
    port: an integer 0...65535, numeric text, a service name ("http"), or None.
    af (also as `family`), type, proto: only results with these; 0 is any.
    flags: AI_ constants.
    timeout: the limit in seconds; None is that of the resolver.
    Returns a list of `(family, type, proto, canonname, sockaddr)`: the last goes to `connect` or
    `bind`, canonname is "" unless AI_CANONNAME asked for it.
    Raises gaierror (an OSError) with a negative `args[0]`, an EAI_ number; PortError (a ValueError
    and OverflowError) for an integer out of range; TimeoutError; ValueError for a negative or NaN
    timeout; TypeError; UnicodeError. Blocks for at most the timeout; signals (Ctrl-C) are handled
    meanwhile. Thread-safe. From: every document (the six arguments: MaixPy, Pycopy).
    """
    af, type, proto, flags = int32(family or af), int32(type), int32(proto), int32(flags)
    host, service = _host(host), _service(port)
    left = timeout_us(timeout)
    deadline = None if left < 0 else monotonic() + left / 1e6
    first = c_void_p()
    code = -EAGAIN
    if _is_numeric(host) and (service is None or service.isdigit()):
        # Without a query, and what the system says about how to look names up.
        code = lib.usocket_getaddrinfo(
            host, service, af, type, proto, flags | AI_NUMERICHOST, 0, byref(first)
        )
    if code < 0:
        code = _looked_up((host, service, af, type, proto, flags), deadline, byref(first))
    check(code)
    try:
        return list(_answers(first)) if fast is None else fast.answers(first.value)
    finally:
        lib.usocket_freeaddrinfo(first)


def _is_numeric(host: Optional[bytes]) -> bool:
    """Whether a host looks like an address; it may still be a name, such as 1.example."""
    return host is not None and (host[:1].isdigit() or b":" in host)


def _looked_up(question: Tuple[Any, ...], deadline: Optional[float], first: Any) -> int:
    """The code of a query, whose results `first` then points to."""
    # One query for all signals: a new one after each might never finish.
    query = check(lib.usocket_query_create(*question))
    try:
        code = undisturbed(lambda left: lib.usocket_query_result(query, left, first), deadline)
    finally:
        lib.usocket_close(query)
    return -ETIMEDOUT if code == -EAGAIN else code  # The time left was 0.


def _answers(first: Any) -> Iterator[Tuple[int, int, int, str, Address]]:
    info = cast(first, POINTER(AddrInfo))
    while info:
        a = info.contents
        yield a.family, a.type, a.proto, (a.canonname or b"").decode(), decode(a.addr)
        info = a.next
