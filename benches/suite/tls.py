"""C host, TLS 1.3: against OpenSSL, mbedTLS and bare rustls."""

from . import tls_peers as peers
from .build import run
from .measure import Missing, Row, at_most, compare

HOST = "C, TLS"
X25519 = {"BENCH_GROUPS": "X25519"}
IDLE = 2000

# The goals of a row: ratio to OpenSSL, to mbedTLS, to bare rustls.
BULK = {(16, 1): (1.45, 4, 0.97), (64, 1): (1.55, 4, 0.97),
        (16, 2): (1.2, 4, 0.97), (64, 2): (1.5, 4, 0.97)}
PINGPONG = (None, None, 0.97)
HANDSHAKE = {"full": (1.7, 7, 0.97), "resumed": (1.4, None, 0.97)}


def described(exe, **env):
    return run([exe, "describe"], env={**peers.ENV, **env}).strip()


def against_all(row, arguments, unit, per_op, goals, env=None, read_ahead=False, **timing):
    """Ours against every peer that can be had here, all in one run."""
    ours = peers.usocket()
    found, absent = {}, []
    wanted = {"OpenSSL": peers.openssl, "mbedTLS": peers.mbedtls, "bare rustls": peers.rustls}
    if read_ahead:
        wanted["OpenSSL, read-ahead"] = lambda: peers.openssl("-DREAD_AHEAD")
    for name, build in wanted.items():
        try:
            found[name] = build()
        except (Missing, RuntimeError) as why:
            absent.append(Row(HOST, row, name, None, None, None, None, "",
                              note=f"missing: {str(why)[:200]}"))
    environment = {**peers.ENV, **(env or {})}
    commands = {name: ([exe, *arguments], environment) for name, exe in found.items()}
    yield from compare(HOST, row, ([ours, *arguments], environment), commands, unit, per_op,
                       dict(zip(wanted, goals)), **timing)
    yield from absent


def bulk(kib, cores):
    return against_all(bulk_name(kib, cores), ["bulk", kib * 1024, cores], "MiB/s", kib / 1024,
                       BULK[kib, cores], read_ahead=True)


def bulk_name(kib, cores):
    return f"bulk {kib} KiB, {cores} core{'s' * (cores > 1)}"


def pingpong():
    return against_all("ping-pong 64 B, 1 core", ["pingpong", 64, 1], "1/s", 1, PINGPONG)


def handshakes(kind, env=None, label=""):
    return against_all(f"{kind} handshakes{label}", [kind, 1], "1/s", 1, HANDSHAKE[kind], env,
                       slice_s=0.1)


def memory(carried):
    """Heap per idle connection, client and server, long after the handshake."""
    env = peers.ENV

    def of(exe, **more):
        return [int(x) for x in run([exe, "memory", IDLE, carried], env={**env, **more}).split()]

    ours = of(peers.usocket())
    rivals = [
        ("OpenSSL", lambda: of(peers.openssl()), 1 / 0.12),
        ("OpenSSL, RELEASE_BUFFERS", lambda: of(peers.openssl("-DRELEASE_BUFFERS")), None),
        ("mbedTLS, MicroPython's", lambda: of(peers.micropython_mbedtls(), BENCH_TLS12="1"), 4),
        ("mbedTLS", lambda: of(peers.mbedtls()), None),
    ]
    for i, side in enumerate(("client", "server")):
        row = memory_name(side, carried)
        yield at_most(HOST, row, ours[i], 6144, "bytes")
    for name, measure, goal in rivals:
        try:
            theirs = measure()
        except (Missing, RuntimeError) as why:
            theirs, note = None, f"missing: {str(why)[:200]}"
        for i, side in enumerate(("client", "server")):
            row = memory_name(side, carried)
            if theirs is None:
                yield Row(HOST, row, name, None, goal, None, None, "", note=note)
            else:
                yield Row(HOST, row, name, theirs[i] / ours[i], goal, None, ours[i], "bytes", theirs[i])


def memory_name(side, carried):
    after = f" after {carried // 1024} KiB each way" if carried > 1 else ""
    return f"heap per idle {side}{after}"


def contexts():
    def of(exe):
        return int(run([exe, "context"], env=peers.ENV))

    ours = of(peers.usocket())
    for name, build in (("OpenSSL", peers.openssl), ("mbedTLS", peers.mbedtls)):
        theirs = of(build())
        yield Row(HOST, "heap per pair of contexts", name, theirs / ours, None, None, ours, "bytes", theirs)


def agreed():
    """That all sides agree on the same version and suite: otherwise nothing here is comparable."""
    texts = [described(build()) for build in (peers.usocket, peers.openssl, peers.mbedtls)]
    same = all("TLSv1.3" in t and t.replace("-", "_").count("AES_256_GCM_SHA384") for t in texts)
    yield Row(HOST, "sides agree on version and suite", "", 1.0 if same else 0.0, 1.0, None, float(same),
              "", note="; ".join(texts))


def cases():
    yield HOST, "sides agree on version and suite", agreed
    for kib, cores in BULK:
        yield HOST, bulk_name(kib, cores), lambda k=kib, c=cores: bulk(k, c)
    yield HOST, "ping-pong 64 B, 1 core", pingpong
    for kind in HANDSHAKE:
        yield HOST, f"{kind} handshakes", lambda k=kind: handshakes(k)
        yield (HOST, f"{kind} handshakes, X25519 on all sides",
               lambda k=kind: handshakes(k, X25519, ", X25519 on all sides"))
    for carried in (1, 65536):
        yield HOST, f"heap per idle connection, {carried} bytes carried", lambda c=carried: memory(c)
    yield HOST, "heap per pair of contexts", contexts
