// The same random operations on bare descriptors and on handles: the same results, errnos, bytes and
// readiness. A sequence that differs is made as short as it can be.
//
//   model     STRESS_SEED, STRESS_SECONDS

#include "stress.h"

#include <sys/ioctl.h>

enum { OPS = 40, SOCKETS = 3, LISTENER = 2 };
enum op { SEND, RECV, PEEK, SHUT_W, SHUT_R, SHUT_B, CLOSE_ONE, SOCKET_ONE, BIND, LISTEN, CONNECT, ACCEPT, GETNAME, PEERNAME, SETOPT, GETOPT, READY, SENDTO, RECVFROM, DUP, N_OPS };
static const char *const OP_NAMES[] = {"send", "recv", "peek", "shutdown(WR)", "shutdown(RD)", "shutdown(RDWR)", "close", "socket", "bind", "listen", "connect", "accept", "getsockname", "getpeername", "setsockopt", "getsockopt", "poll", "sendto", "recvfrom", "dup"};

struct step {
    enum op op;
    int on, arg;
};

// Two worlds, step by step.
struct world {
    bool ours;
    int64_t s[SOCKETS]; // descriptors, or handles; 0 is none
    struct sockaddr_storage listens;
    socklen_t listens_len;
    int family, type;
};

static int64_t errno_of(int64_t r) { return r < 0 ? -errno : r; }

static usocket_addr to_addr(const struct sockaddr_storage *at, socklen_t len)
{
    usocket_addr a;
    memset(&a, 0, sizeof a);
    usocket_addr_from_bytes(at, len, &a);
    return a;
}

// An address made equal in both worlds: family and whether there is a port or name.
static int64_t shape(const void *bytes, socklen_t len)
{
    const struct sockaddr *a = bytes;
    if (len == 0)
        return 0;
    if (a->sa_family == AF_INET)
        return 1000 + (((const struct sockaddr_in *)bytes)->sin_port != 0) + 2 * (((const struct sockaddr_in *)bytes)->sin_addr.s_addr != 0);
    return 2000 + (len > 2);
}

static void local(const struct world *w, struct sockaddr_storage *at, socklen_t *len)
{
    memset(at, 0, sizeof *at);
    if (w->family == AF_INET) {
        *(struct sockaddr_in *)at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        *len = sizeof(struct sockaddr_in);
    } else {
        at->ss_family = AF_UNIX;
        *len = sizeof(sa_family_t);
    }
}

static int64_t perform(struct world *w, const struct step *s, char *data)
{
    int64_t *h = &w->s[s->on];
    int fd = (int)*h;
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    static const char out[3000] = "0123456789";
    static char in[4000];
    int64_t r;
    data[0] = 0;
    if (!*h && s->op != SOCKET_ONE && s->op != ACCEPT)
        return -12345;
    switch (s->op) {
    case SEND:
        return w->ours ? usocket_send(*h, out, s->arg, 0) : errno_of(send(fd, out, s->arg, MSG_NOSIGNAL));
    case RECV:
    case PEEK: {
        int flags = s->op == PEEK ? MSG_PEEK : 0;
        r = w->ours ? usocket_recv(*h, in, s->arg, flags) : errno_of(recv(fd, in, s->arg, flags));
        if (r > 0)
            memcpy(data, in, r < 15 ? r : 15), data[r < 15 ? r : 15] = 0;
        return r;
    }
    case SHUT_W: case SHUT_R: case SHUT_B: {
        int how = s->op == SHUT_W ? SHUT_WR : s->op == SHUT_R ? SHUT_RD : SHUT_RDWR;
        return w->ours ? usocket_shutdown(*h, how) : errno_of(shutdown(fd, how));
    }
    case CLOSE_ONE:
        r = w->ours ? usocket_close(*h) : errno_of(close(fd));
        *h = 0;
        return r;
    case SOCKET_ONE:
        if (*h)
            return -12345;
        if (w->ours) {
            *h = usocket_socket(w->family, w->type, 0);
            usocket_setblocking(*h, 0);
        } else {
            *h = socket(w->family, w->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        }
        return *h > 0;
    case BIND: {
        local(w, &at, &len);
        usocket_addr a = to_addr(&at, len);
        r = w->ours ? usocket_bind(*h, &a) : errno_of(bind(fd, (struct sockaddr *)&at, len));
        break;
    }
    case LISTEN:
        r = w->ours ? usocket_listen(*h, s->arg % 5) : errno_of(listen(fd, s->arg % 5));
        break;
    case CONNECT: {
        if (!w->listens_len)
            return -12345;
        usocket_addr a = to_addr(&w->listens, w->listens_len);
        return w->ours ? usocket_connect(*h, &a) : errno_of(connect(fd, (struct sockaddr *)&w->listens, w->listens_len));
    }
    case ACCEPT: {
        int free_at = !w->s[0] ? 0 : !w->s[1] ? 1 : -1;
        if (!w->s[LISTENER] || free_at < 0)
            return -12345;
        if (w->ours) {
            usocket_addr peer;
            r = usocket_accept(w->s[LISTENER], &peer);
            if (r > 0)
                usocket_setblocking(r, 0);
        } else {
            r = errno_of(accept4((int)w->s[LISTENER], (struct sockaddr *)&at, &len, SOCK_CLOEXEC | SOCK_NONBLOCK));
        }
        if (r <= 0)
            return r;
        w->s[free_at] = r;
        return 1;
    }
    case GETNAME: case PEERNAME: {
        usocket_addr a;
        if (w->ours) {
            r = s->op == GETNAME ? usocket_getsockname(*h, &a) : usocket_getpeername(*h, &a);
            return r < 0 ? r : shape(a.storage, a.len);
        }
        r = errno_of(s->op == GETNAME ? getsockname(fd, (struct sockaddr *)&at, &len) : getpeername(fd, (struct sockaddr *)&at, &len));
        return r < 0 ? r : shape(&at, len);
    }
    case SETOPT: {
        static const int some[][2] = {{SOL_SOCKET, SO_REUSEADDR}, {SOL_SOCKET, SO_KEEPALIVE}, {SOL_SOCKET, SO_SNDBUF}, {IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_BROADCAST}, {SOL_SOCKET, 9999}, {IPPROTO_IP, 1}};
        const int *o = some[s->arg % 7];
        int value = s->arg;
        return w->ours ? usocket_setsockopt_int(*h, o[0], o[1], value) : errno_of(setsockopt(fd, o[0], o[1], &value, sizeof value));
    }
    case GETOPT: {
        static const int some[][2] = {{SOL_SOCKET, SO_ERROR}, {SOL_SOCKET, SO_TYPE}, {SOL_SOCKET, SO_ACCEPTCONN}, {IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_REUSEADDR}, {SOL_SOCKET, 9999}};
        const int *o = some[s->arg % 6];
        int value = 0;
        socklen_t n = sizeof value;
        r = w->ours ? usocket_getsockopt_int(*h, o[0], o[1], &value) : errno_of(getsockopt(fd, o[0], o[1], &value, &n));
        return r < 0 ? r : 100000 + value;
    }
    case READY: {
        short events = (short[]){POLLIN, POLLOUT, POLLIN | POLLOUT}[s->arg % 3];
        if (w->ours) {
            usocket_pollfd p = {.socket = *h, .events = events};
            r = usocket_poll(&p, 1, 0);
            return r > 0 ? 5000 + p.revents : r;
        }
        struct pollfd p = {fd, events, 0};
        r = errno_of(poll(&p, 1, 0));
        return r > 0 ? 5000 + p.revents : r;
    }
    case SENDTO: {
        if (!w->listens_len)
            return -12345;
        usocket_addr a = to_addr(&w->listens, w->listens_len);
        return w->ours ? usocket_sendto(*h, out, s->arg, 0, &a)
                       : errno_of(sendto(fd, out, s->arg, MSG_NOSIGNAL, (struct sockaddr *)&w->listens, w->listens_len));
    }
    case RECVFROM: {
        usocket_addr a;
        if (w->ours) {
            r = usocket_recvfrom(*h, in, s->arg, 0, &a);
            return r < 0 ? r : r * 10000 + shape(a.storage, a.len);
        }
        r = errno_of(recvfrom(fd, in, s->arg, 0, (struct sockaddr *)&at, &len));
        return r < 0 ? r : r * 10000 + shape(&at, len);
    }
    case DUP: {
        r = w->ours ? usocket_dup(*h) : errno_of(fcntl(fd, F_DUPFD_CLOEXEC, 0));
        if (r < 0)
            return r;
        // The copy goes on under the name of the original.
        if (w->ours)
            usocket_close(*h);
        else
            close(fd);
        *h = r;
        return 1;
    }
    default:
        return 0;
    }
    // Listening and bound sockets are the targets of the others.
    if (s->on == LISTENER && r == 0) {
        usocket_addr a;
        len = sizeof at;
        if (w->ours && usocket_getsockname(*h, &a) == 0) {
            w->listens_len = a.len;
            memcpy(&w->listens, a.storage, a.len);
        } else if (!w->ours && getsockname(fd, (struct sockaddr *)&at, &len) == 0) {
            w->listens_len = len;
            memcpy(&w->listens, &at, len);
        }
    }
    return r;
}

// Data on loopback arrives almost at once: both worlds get the time for it.
static void settle(const struct world *w)
{
    if (w->family == AF_INET)
        sleep_us(60);
}

static int at_step;
static int64_t results[2];
static char bytes[2][16];

// Whether the two worlds differ, and where.
static bool differ(const struct step *steps, int n, int family, int type)
{
    struct world kernel = {.family = family, .type = type}, ours = {.ours = true, .family = family, .type = type};
    bool found = false;
    // So that much is comparable: a listener, and a client.
    static const struct step begin[] = {{SOCKET_ONE, LISTENER, 0}, {BIND, LISTENER, 0}, {LISTEN, LISTENER, 4}, {SOCKET_ONE, 0, 0}};
    char none[16];
    for (int i = 0; i < 4; i++)
        perform(&kernel, &begin[i], none), perform(&ours, &begin[i], none);
    for (int i = 0; i < n && !found; i++) {
        at_step = i;
        results[0] = perform(&kernel, &steps[i], bytes[0]);
        results[1] = perform(&ours, &steps[i], bytes[1]);
        settle(&kernel);
        found = results[0] != results[1] || strcmp(bytes[0], bytes[1]);
    }
    for (int i = 0; i < SOCKETS; i++) {
        if (kernel.s[i])
            close((int)kernel.s[i]);
        if (ours.s[i] && usocket_close(ours.s[i]) != 0)
            broken("close failed");
    }
    return found;
}

// A difference that comes again each time, not one of timing.
static bool differs(const struct step *steps, int n, int family, int type)
{
    for (int i = 0; i < 4; i++)
        if (!differ(steps, n, family, type))
            return false;
    return true;
}

static void run(void)
{
    int64_t until = now_us() + (getenv("STRESS_SECONDS") ? atoi(getenv("STRESS_SECONDS")) : 15) * (int64_t)SECOND;
    uint64_t seed = stress_seed;
    long sequences = 0;
    static const int kinds[][2] = {{AF_INET, SOCK_STREAM}, {AF_INET, SOCK_DGRAM}, {AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM}, {AF_UNIX, SOCK_SEQPACKET}};
    while (now_us() < until) {
        struct step steps[OPS];
        const int *kind = kinds[below(&seed, 5)];
        for (int i = 0; i < OPS; i++)
            steps[i] = (struct step){(enum op)below(&seed, N_OPS), (int)below(&seed, SOCKETS), (int)below(&seed, below(&seed, 2) ? 12 : 3000)};
        for (int i = 0; i < 12; i += 3) { // and not only errors
            steps[i].op = (enum op[]){CONNECT, ACCEPT, SEND, RECV}[i / 3];
            steps[i].on = i / 3 == 3 ? 1 : 0;
        }
        sequences++;
        if (!differs(steps, OPS, kind[0], kind[1]))
            continue;
        int n = at_step + 1;
        for (bool shorter = true; shorter;) {
            shorter = false;
            for (int i = n - 2; i >= 0; i--) {
                struct step fewer[OPS];
                memcpy(fewer, steps, sizeof fewer);
                memmove(fewer + i, fewer + i + 1, (n - 1 - i) * sizeof *fewer);
                if (differs(fewer, n - 1, kind[0], kind[1])) {
                    memcpy(steps, fewer, sizeof fewer);
                    n--;
                    shorter = true;
                }
            }
        }
        if (!differs(steps, n, kind[0], kind[1]))
            continue;
        char text[500];
        int at = snprintf(text, sizeof text, "family %d type %d:", kind[0], kind[1]);
        for (int i = 0; i < n && at < 400; i++)
            at += snprintf(text + at, sizeof text - at, " %s(#%d, %d);", OP_NAMES[steps[i].op], steps[i].on, steps[i].arg);
        broken("%s the kernel %lld \"%s\", a handle %lld \"%s\" (seed %llu)", text, (long long)results[0], bytes[0], (long long)results[1],
               bytes[1], (unsigned long long)stress_seed);
    }
    printf("tried %ld sequences of %d operations\n", sequences, OPS);
    fflush(stdout);
}

static const struct stress_case CASES[] = {{"model against kernel", run, 7200}};

int main(int argc, char **argv)
{
    seed_from_environment();
    fprintf(stderr, "seed %llu\n", (unsigned long long)stress_seed);
    return stress_main(argc, argv, CASES, 1);
}
