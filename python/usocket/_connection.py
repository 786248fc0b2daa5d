"""Connections and servers by name, in one call."""

from __future__ import annotations

import builtins
import sys
from ctypes import byref, c_int32
from operator import index

from ._address import AF_INET, AF_INET6, encode
from ._errors import check, error, int32
from ._lib import lib
from ._names import _host, _service
from ._numbers import BACKLOG_DEFAULT, SERVER_DUAL_STACK, SERVER_REUSE_PORT
from ._socket import socket
from ._wait import timeout_us, undisturbed

TYPE_CHECKING = False  # `typing` takes longer to import than this whole module.
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple, Union
    from ._address import Address


def create_connection(
    address: Tuple[str, Union[int, str]],
    timeout: Optional[float] = None,
    source_address: Optional[Tuple[str, int]] = None,
    *,
    all_errors: bool = False,
) -> socket:
    """Connects to `(host, port)` (or an IPv6 address with its flow and scope): all addresses of the
    host, IPv6 and IPv4 taking turns, a new attempt every 250 ms or as soon as one fails; the first
    to connect wins (RFC 8305).

    timeout: seconds for names and connecting together, and afterwards the socket's; None is none.
    source_address: what to connect from, an address of this machine.
    all_errors: where every attempt failed, all their errors are raised, as an ExceptionGroup, which
    there is from Python 3.11 on (ValueError before).
    Raises gaierror, TimeoutError, ConnectionRefusedError or another error of the most specific failure;
    PortError, ValueError (timeout 0, negative, NaN), TypeError. Blocks for at most the timeout; signals
    (Ctrl-C) are handled meanwhile. Thread-safe. From: CPython's `socket`.
    """
    if all_errors and sys.version_info < (3, 11):
        raise ValueError("all_errors requires ExceptionGroup (Python 3.11 or later)")
    host, port = address[:2]
    more: Any = address[2:]
    name = _host(host)
    if len(more) > 1 and more[1] and name and b"%" not in name:  # A link-local address.
        name += b"%%%d" % index(more[1])
    limit = timeout_us(timeout)
    if limit == 0:
        raise ValueError("timeout must not be 0: connecting has to wait")
    source = None
    if source_address is not None:
        family = AF_INET6 if ":" in str(source_address[0]) else AF_INET
        source = byref(encode(family, source_address))
    # One connection for all signals: the library continues it between them. An exception, such as
    # Ctrl-C's, ends it.
    attempt = check(lib.usocket_connection_create(name, _service(port), limit, source))
    try:
        made = undisturbed(lambda left: lib.usocket_connection_take(attempt, left), None)
        if made < 0 and all_errors and (failures := _failures(attempt)):
            raise _group("create_connection failed", failures)
        return _adopt(made)
    finally:
        lib.usocket_close(attempt)


def _failures(attempt: int) -> List[BaseException]:
    """The failed attempts of a connection, in order."""
    failures: List[BaseException] = []
    code = c_int32()
    while lib.usocket_connection_failure(attempt, len(failures), None, byref(code), None) == 0:
        failures.append(error(code.value))
    return failures


_group: Any = getattr(builtins, "ExceptionGroup", None)


def create_server(
    address: Address,
    *,
    family: int = AF_INET,
    backlog: Optional[int] = None,
    reuse_port: bool = False,
    dualstack_ipv6: bool = False,
) -> socket:
    """A listening stream socket on an address (`usocket._address` describes them), as CPython's
    `socket.create_server` makes it: SO_REUSEADDR on IP; IPv6 takes IPv4 too with dualstack_ipv6.

    backlog: connections the system holds ready; None is 128.
    Raises OSError EADDRINUSE and the like, ValueError for dualstack_ipv6 without AF_INET6,
    PortError, TypeError. Does not block. From: CPython's `socket`.
    """
    if dualstack_ipv6 and family != AF_INET6:
        raise ValueError("dualstack_ipv6 requires AF_INET6 family")
    flags = SERVER_REUSE_PORT if reuse_port else 0
    flags |= SERVER_DUAL_STACK if dualstack_ipv6 else 0
    addr = encode(int32(family), address)
    backlog = int32(BACKLOG_DEFAULT if backlog is None else backlog)
    return _adopt(lib.usocket_create_server(byref(addr), backlog, flags))


def _adopt(handle: int) -> socket:
    """The socket of a new handle; raises the exception of an error."""
    return socket.__new__(socket)._become(handle)


def has_dualstack_ipv6() -> bool:
    """Whether one server can take IPv6 and IPv4 here. From: CPython's `socket`."""
    try:
        create_server(("::", 0), family=AF_INET6, dualstack_ipv6=True).close()
    except OSError:
        return False
    return True
