#!/usr/bin/env python3
"""calls.h: one case for each function of the header, its arguments chosen by their types and names.

A new function is in it as soon as it is in the header.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from usocket import declarations, header

# The pool of handles for a type or a name.
KINDS = {"usocket_t": "SOCKET", "usocket_poller_t": "POLLER", "usocket_query_t": "QUERY",
         "usocket_tls_context_t": "CONTEXT", "usocket_tls_session_t": "SESSION", "usocket_connection_t": "SOCKET"}
# Functions with arguments or results that need more than their types.
WRITTEN_OUT = {
    "usocket_from_fd": "fd = some_socket(t); r = usocket_from_fd(fd); if (r < 0) close(fd); else keep(t, SOCKET, r);",
    # It would close the handles of the other callers.
    "usocket_finish": "r = 0;",
    "usocket_detach": "r = usocket_detach(a_handle(t, SOCKET)); if (r >= 0) close((int)r);",
    "usocket_freeaddrinfo": "r = usocket_freeaddrinfo(a_list(t));",
    "usocket_set_event_hook": "r = usocket_set_event_hook(in_child || chance(t, 80) ? hook : NULL, &hooked);",
    "usocket_tls_context_set_insecure_keylog":
        "r = usocket_tls_context_set_insecure_keylog(a_handle(t, CONTEXT), chance(t, 30) ? NULL : chance(t, 50) ? \"/dev/null\" : \"/no/such/file\");",
    "usocket_strerror": "r = usocket_strerror((int64_t)rnd(&t->seed) >> below(&t->seed, 64)) ? 0 : 0;",
}
NUMBERS = {
    "family": "pick(t, (int32_t[]){AF_INET, AF_INET6, AF_UNIX, 0, 16, -1, 12345}, 7)",
    "type": "pick(t, (int32_t[]){SOCK_STREAM, SOCK_DGRAM, SOCK_STREAM, SOCK_SEQPACKET, 0, 77}, 6)",
    "proto": "pick(t, (int32_t[]){0, 0, 0, IPPROTO_TCP, IPPROTO_UDP, USOCKET_IPPROTO_SEC, -1}, 7)",
    "how": "pick(t, (int32_t[]){SHUT_RD, SHUT_WR, SHUT_RDWR, 3, -1}, 5)",
    "fd": "a_descriptor(t)",
    "level": "pick(t, (int32_t[]){SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, 0, -1}, 6)",
    "events": "(uint32_t)pick(t, (int32_t[]){POLLIN, POLLOUT, POLLIN | POLLOUT, POLLIN | (int32_t)USOCKET_POLLER_ONESHOT, "
              "POLLOUT | (int32_t)USOCKET_POLLER_EDGE, POLLIN | POLLNVAL, "
              "POLLIN | (int32_t)USOCKET_POLLER_EXCLUSIVE, POLLRDHUP, POLLERR, 0, -1}, 11)",
    "role": "pick(t, (int32_t[]){USOCKET_TLS_CLIENT, USOCKET_TLS_SERVER, 3}, 3)",
}


def argument(function, kind, name, state, at, arguments):
    """A C expression; `state` remembers what a pointer before it was, for its length."""
    bare = kind.replace("const ", "").replace("struct ", "").strip()
    if bare in KINDS:
        return f"a_handle(t, {KINDS[bare]})"
    if bare == "usocket_addr*":
        return "an_address(t)" if kind.startswith("const") else "chance(t, 95) ? &t->addr : NULL"
    if bare == "usocket_pollfd*":
        state["len"] = "t->n_fds"
        return "some_pollfds(t)"
    if bare == "usocket_event*":
        state["len"] = "t->n_events"
        return "room_for_events(t)"
    if bare == "usocket_addrinfo**":
        return "chance(t, 97) ? &t->list : NULL"
    if bare == "usocket_addrinfo*":
        return "a_list(t)"
    if bare == "usocket_t*":
        return "t->pair"
    if bare in ("int64_t*", "int32_t*", "uint64_t*", "uint32_t*", "size_t*"):
        return f"chance(t, 95) ? ({bare})t->numbers : NULL"
    if bare == "usocket_tls_name_cb":
        return "chance(t, 80) ? chooses : NULL"
    if bare == "callback" or bare.endswith("_cb"):
        return "chance(t, 80) ? verdict : NULL" if "cb" in bare else "NULL"
    follows = arguments[at + 1 : at + 2]
    sized = follows and follows[0][0] == "size_t"
    if bare == "char*" and kind.startswith("const") and not sized:
        return "a_text(t)"
    if bare in ("void*", "char*", "uint8_t*"):
        if name == "arg" or not sized:
            return "NULL"
        state["len"] = "t->len"
        return ("some_bytes(t)" if kind.startswith("const") else "some_room(t)") if bare != "char*" else f"({kind.replace('*', ' *')})some_room(t)"
    if bare == "size_t":
        return state.pop("len", "a_length(t)")
    if name in NUMBERS:
        return NUMBERS[name]
    if "timeout" in name:
        return "a_time(t)"
    if name == "flags" and function in ("usocket_send", "usocket_sendall", "usocket_sendto", "usocket_recv", "usocket_recvfrom"):
        return "message_flags(t)"
    if name == "name" and "sockopt" in function:
        return "an_option(t)"
    if bare in ("int32_t", "uint32_t", "int64_t", "uint64_t", "int16_t"):
        return f"({bare})a_number(t)"
    if bare.endswith("*"):
        return "NULL"
    return f"({bare})a_number(t)"


def main():
    cases, n = [], 0
    known = {m for m in re.findall(r"typedef int64_t (\w+);", header())}
    for kind in known - KINDS.keys():
        KINDS[kind] = "CONTEXT"
    for name, result, arguments, _ in declarations():
        lines = []
        if name in WRITTEN_OUT:
            lines.append(WRITTEN_OUT[name])
        else:
            state, variables = {}, []
            for at, (kind, argument_name) in enumerate(arguments):
                variables.append(f"__typeof__({argument(name, kind, argument_name, state, at, arguments)})")
            # In order: a length belongs to the pointer before it.
            state = {}
            expressions = [argument(name, k, a, state, at, arguments) for at, (k, a) in enumerate(arguments)]
            names = []
            for at, expression in enumerate(expressions):
                lines.append(f"__auto_type a{at} = {expression};")
                names.append(f"a{at}")
            call = f"{name}({', '.join(names)})"
            outputs_list = any("addrinfo**" in k for k, _ in arguments)
            outputs_pair = any(k.replace("struct ", "") == "usocket_t*" for k, _ in arguments)
            if outputs_list:
                lines.append("t->list = NULL;")
            if result.startswith("const char"):
                lines.append(f"r = {call} ? 0 : -1;")
            else:
                lines.append(f"r = {call};")
            if result in KINDS:
                lines.append(f"if (r > 0) keep(t, {KINDS[result]}, r);")
            if outputs_list:
                lines.append("if (r == 0 && t->list) keep_list(t, t->list);")
            if outputs_pair:
                lines.append("if (r == 0) { keep(t, SOCKET, t->pair[0]); keep(t, SOCKET, t->pair[1]); }")
        cases.append(f"    case {n}: {{ {' '.join(lines)} break; }}")
        n += 1
    print("// Made by stress/random/generate.py from the header.")
    print("static const char *const NAMES[] = {")
    print("\n".join(f'    "{name}",' for name, *_ in declarations()))
    print("};\nenum { N_FUNCTIONS = sizeof NAMES / sizeof *NAMES };\n")
    print("static int64_t call(struct caller *t, int which)\n{\n    int64_t r = 0;\n    int fd;\n    (void)fd;\n    switch (which) {")
    print("\n".join(cases))
    print("    }\n    return r;\n}")


main()
