#!/usr/bin/env python3
"""documented.h: the codes that the header names for each function."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from usocket import constants, declarations

import errno

# Expands "those of usocket_socket" and similar references in the header.
NUMBERS = constants()
TLS = sorted(v for k, v in NUMBERS.items() if k.startswith("USOCKET_ETLS_"))
EAI = sorted(v for k, v in NUMBERS.items() if k.startswith("USOCKET_EAI_"))


def own(comment):
    """(codes, functions it refers to)"""
    text = re.search(r"// Errors: (.*?)\n// Blocks:", comment, re.S)
    text = text[1].replace("\n// ", " ") if text else ""
    codes = {-getattr(errno, e) for e in re.findall(r"-(E[A-Z0-9]+)", text) if hasattr(errno, e)}
    codes |= {NUMBERS[c] for c in re.findall(r"USOCKET_E\w+", text) if c in NUMBERS}
    if "USOCKET_ETLS_..." in text or "USOCKET_ETLS_ " in text:
        codes |= set(TLS)
    if "USOCKET_EAI_ " in text or "resolver's own range" in text:
        codes |= set(EAI)
    for call in re.findall(r"(\w+)\([23]\)", text):
        codes |= {-getattr(errno, e) for e in {
            "open": ["ENOENT", "EACCES", "EMFILE", "ENFILE", "EISDIR", "ENOTDIR"], "read": ["EIO", "EISDIR"],
            "opendir": ["ENOENT", "EACCES", "EMFILE", "ENFILE", "ENOTDIR"],
        }.get(call, [])}
    return codes, set(re.findall(r"usocket_\w+", text)), text


def main():
    table = {name: own(comment) for name, _, _, comment in declarations()}
    whole = {name: set(codes) for name, (codes, _, _) in table.items()}
    for _ in range(6):
        for name, (_, others, _) in table.items():
            for other in others & whole.keys():
                whole[name] |= whole[other]
    # The library's reads and writes of a wrapped socket do its handshake.
    for name in ("send", "sendall", "sendto", "recv", "recvfrom", "read", "readline", "write", "shutdown"):
        whole["usocket_" + name] |= whole["usocket_tls_handshake"] | whole["usocket_send"] | whole["usocket_recv"]
    print("static const struct { const char *function; const int32_t *codes; } DOCUMENTED[] = {")
    for name, codes in sorted(whole.items()):
        print("    {\"%s\", (const int32_t[]){%s}}," % (name, ", ".join(str(c) for c in sorted(codes)) + ", 0" if codes else "0"))
    print("};")


main()
