"""C host, plain sockets: time, system calls and instructions against bare libc."""

from .build import need, sides
from .measure import Row, at_most, compare, instructions, system_calls

HOST = "C"
LIBC = "libc"

# Instructions the library may add to a call, and the calls they are counted for.
LIMIT = 100
COUNTED = ["send", "recv", "sendto", "recvfrom", "sendall"]


def pingpong(kind, cores):
    ours, libc = sides("plain", "pingpong", kind, 64, cores)
    goal = {LIBC: 0.98}
    return compare(HOST, f"ping-pong 64 B {kind}, {where(cores)}", ours, {LIBC: libc}, "1/s",
                   goals=goal)


def bulk(kind, size, cores):
    ours, libc = sides("plain", "bulk", kind, size, cores)
    name = f"bulk {size // 1024} KiB {kind}, {where(cores)}"
    return compare(HOST, name, ours, {LIBC: libc}, "MiB/s", size / 2**20, goals={LIBC: 0.99})


def where(cores):
    return "1 core" if cores == 1 else f"{cores} cores"


def connections():
    ours, libc = sides("calls", "connection")
    return compare(HOST, "connect+accept+close", ours, {LIBC: libc}, "1/s", goals={LIBC: 0.97})


def poller_accept():
    ours, libc = sides("poller", "accept")
    return compare(HOST, "accept loop on a poller", ours, {"libc epoll": libc}, "1/s",
                   goals={"libc epoll": 0.97})


def calls_per_op(label, program, *arguments):
    need("strace")
    ours, libc = (system_calls(side, 50, 250) for side in sides(program, *arguments))
    total, bare = sum(ours.values()), sum(libc.values())
    differing = [k for k in {*ours, *libc} if abs(ours.get(k, 0) - libc.get(k, 0)) > 0.1]
    note = f"differ in: {' '.join(sorted(differing))}" if differing else "identical"
    yield Row(HOST, f"system calls: {label}", LIBC, round(bare / total, 2), 1.0, None, total,
              "calls/op", bare, note)


def added_instructions(call):
    need("valgrind")
    ours, libc = (instructions(side) for side in sides("calls", call))
    return ours - libc, libc


def instructions_row(call):
    added, libc = added_instructions(call)
    yield at_most(HOST, f"instructions added: {call}", added, LIMIT, "instr",
                  f"libc with its half of the loop: {libc:.0f}")


def cases():
    """(host, name, what to run) of every row here."""
    for kind, cores in [("tcp", 1), ("udp", 1), ("unix", 1), ("tcp", 2), ("udp", 2), ("unix", 2)]:
        yield HOST, f"ping-pong 64 B {kind}, {where(cores)}", lambda k=kind, c=cores: pingpong(k, c)
    for size in (65536, 1 << 20):
        for kind, cores in [("tcp", 1), ("tcp", 2), ("unix", 1)]:
            yield (HOST, f"bulk {size // 1024} KiB {kind}, {where(cores)}",
                   lambda k=kind, s=size, c=cores: bulk(k, s, c))
    yield HOST, "connect+accept+close", connections
    yield HOST, "accept loop on a poller", poller_accept
    for label, *argv in [
        ("ping-pong tcp", "plain", "pingpong", "tcp", 64, 1),
        ("ping-pong udp", "plain", "pingpong", "udp", 64, 1),
        ("ping-pong unix", "plain", "pingpong", "unix", 64, 1),
        ("connect+accept+close", "calls", "connection"),
        ("accept+close", "calls", "accept"),
        ("poller wait", "calls", "wait"),
    ]:
        yield HOST, f"system calls: {label}", lambda a=argv, l=label: calls_per_op(l, *a)
    for call in COUNTED:
        yield HOST, f"instructions added: {call}", lambda c=call: instructions_row(c)
