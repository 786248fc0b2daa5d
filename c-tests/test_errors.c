// Every error that the header documents for addresses, sockets, messages, options and streams, made to
// happen. Each prints a line, which test_errors.py holds against the header.

#include "support.h"

#include <linux/errqueue.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void made(const char *call, int64_t code)
{
    dprintf(STDOUT_FILENO, "made %.*s %lld\n", (int)strcspn(call, "("), call, (long long)code);
}

// The call must give this error; and the same in a child process.
#define HAPPENS(code, call) (GIVES(code, call), made(#call, code))
#define CHILD_HAPPENS(code, call) \
    do { \
        int64_t got_ = (call); \
        if (got_ != (code)) { \
            fprintf(stderr, "%s:%d: child: %s = %lld, not %d\n", __FILE__, __LINE__, #call, (long long)got_, (int)(code)); \
            _exit(1); \
        } \
        made(#call, code); \
    } while (0)

static char buf[1 << 16];
static usocket_addr addr;
static int never; // -1 as a descriptor that is none of a socket

static usocket_addr ip(int family, const char *host, int port)
{
    usocket_addr a;
    OK(usocket_addr_ip(family, host, port, 0, 0, &a));
    return a;
}

static usocket_addr unix_path(const char *path)
{
    usocket_addr a;
    OK(usocket_addr_unix(path, strlen(path), &a));
    return a;
}

// A Unix path that is this process's, at which there is nothing.
static usocket_addr own_path(void)
{
    char path[60];
    snprintf(path, sizeof path, "/tmp/usocket-errors-%d", getpid());
    unlink(path);
    return unix_path(path);
}

static usocket_t tcp(void) { return OK(usocket_socket(AF_INET, SOCK_STREAM, 0)); }
static usocket_t udp(void) { return OK(usocket_socket(AF_INET, SOCK_DGRAM, 0)); }

// --- addresses ---

static void of_addresses(void **state)
{
    (void)state;
    usocket_addr none = {0}, v4 = ip(AF_INET, "127.0.0.1", 1), path = unix_path("/x");
    HAPPENS(-EINVAL, usocket_addr_ip(AF_INET, "localhost", 1, 0, 0, &addr));
    HAPPENS(-EINVAL, usocket_addr_ip(AF_INET, "", 1, 5, 7, &addr));
    HAPPENS(-EAFNOSUPPORT, usocket_addr_ip(AF_UNIX, "x", 1, 0, 0, &addr));
    HAPPENS(-EFAULT, usocket_addr_ip(AF_INET, NULL, 1, 0, 0, &addr));
    HAPPENS(-ENAMETOOLONG, usocket_addr_unix(buf, 109, &addr));
    HAPPENS(-EINVAL, usocket_addr_unix("a\0b", 3, &addr));
    HAPPENS(-EFAULT, usocket_addr_unix(NULL, 3, &addr));
    HAPPENS(-EINVAL, usocket_addr_from_bytes(v4.storage, 7, &addr));
    HAPPENS(-EFAULT, usocket_addr_from_bytes(NULL, 16, &addr));
    HAPPENS(-ENOSPC, usocket_addr_bytes(&v4, buf, 15));
    HAPPENS(-EFAULT, usocket_addr_bytes(&v4, NULL, 15));
    HAPPENS(-EINVAL, usocket_addr_bytes(&v4, buf, SIZE_MAX));
    HAPPENS(-EFAULT, usocket_addr_family(NULL));
    HAPPENS(-EFAULT, usocket_addr_port(NULL));
    HAPPENS(-EAFNOSUPPORT, usocket_addr_port(&path));
    HAPPENS(-EFAULT, usocket_addr_flowinfo(NULL));
    HAPPENS(-EAFNOSUPPORT, usocket_addr_flowinfo(&none));
    HAPPENS(-EFAULT, usocket_addr_scope_id(NULL));
    HAPPENS(-EAFNOSUPPORT, usocket_addr_scope_id(&path));
    HAPPENS(-EAFNOSUPPORT, usocket_addr_host(&path, buf, 9));
    HAPPENS(-ENOSPC, usocket_addr_host(&v4, buf, 9));
    HAPPENS(-EFAULT, usocket_addr_host(NULL, buf, 9));
    HAPPENS(-EINVAL, usocket_addr_host(&v4, buf, SIZE_MAX));
    HAPPENS(-EAFNOSUPPORT, usocket_addr_path(&v4, buf, 9));
    HAPPENS(-ENOSPC, usocket_addr_path(&path, buf, 1));
    HAPPENS(-EFAULT, usocket_addr_path(NULL, buf, 9));
    HAPPENS(-EINVAL, usocket_addr_path(&path, buf, SIZE_MAX));
    HAPPENS(-ENOSPC, usocket_addr_text(&v4, buf, 9));
    HAPPENS(-EFAULT, usocket_addr_text(NULL, buf, 9));
    HAPPENS(-EINVAL, usocket_addr_text(&v4, buf, SIZE_MAX));
    HAPPENS(-EINVAL, usocket_inet_pton(AF_INET, "1.2.3", buf, 4));
    HAPPENS(-EAFNOSUPPORT, usocket_inet_pton(AF_UNIX, "1.2.3.4", buf, 4));
    HAPPENS(-ENOSPC, usocket_inet_pton(AF_INET, "1.2.3.4", buf, 3));
    HAPPENS(-EFAULT, usocket_inet_pton(AF_INET, NULL, buf, 4));
    HAPPENS(-EINVAL, usocket_inet_ntop(AF_INET, "\1\2\3", 3, buf, 99));
    HAPPENS(-EAFNOSUPPORT, usocket_inet_ntop(AF_UNIX, "\1\2\3\4", 4, buf, 99));
    HAPPENS(-ENOSPC, usocket_inet_ntop(AF_INET, "\1\2\3\4", 4, buf, 7));
    HAPPENS(-EFAULT, usocket_inet_ntop(AF_INET, NULL, 4, buf, 99));
    // What the header says is always enough is.
    memset(buf, '\xff', 108);
    OK(usocket_addr_unix(buf, 108, &addr));
    GIVES(324, usocket_addr_text(&addr, buf, 325));
}

// --- what every function of a handle says ---

static void of_handles(void **state)
{
    (void)state;
    usocket_t other = OK(usocket_poller_create());
    usocket_addr a = ip(AF_INET, "127.0.0.1", 1);
    usocket_iovec piece = {buf, 1};
    usocket_msg msg = {.data = &piece, .count = 1};
    int64_t time;
    int32_t value;
    const usocket_t handles[] = {other, 0};
    for (int i = 0; i < 2; i++) {
        usocket_t h = handles[i];
        int wrong = i ? -EBADF : -ENOTSOCK;
        HAPPENS(wrong, usocket_detach(h));
        HAPPENS(wrong, usocket_dup(h));
        HAPPENS(wrong, usocket_fileno(h));
        HAPPENS(wrong, usocket_bind(h, &a));
        HAPPENS(wrong, usocket_listen(h, 1));
        HAPPENS(wrong, usocket_accept(h, NULL));
        HAPPENS(wrong, usocket_connect(h, &a));
        HAPPENS(wrong, usocket_shutdown(h, SHUT_RD));
        HAPPENS(wrong, usocket_send(h, buf, 1, 0));
        HAPPENS(wrong, usocket_recv(h, buf, 1, 0));
        HAPPENS(wrong, usocket_getsockname(h, &addr));
        HAPPENS(wrong, usocket_getpeername(h, &addr));
        HAPPENS(wrong, usocket_settimeout(h, 1));
        HAPPENS(wrong, usocket_gettimeout(h, &time));
        HAPPENS(wrong, usocket_setblocking(h, 1));
        HAPPENS(wrong, usocket_family(h));
        HAPPENS(wrong, usocket_type(h));
        HAPPENS(wrong, usocket_proto(h));
        HAPPENS(wrong, usocket_setsockopt(h, SOL_SOCKET, SO_REUSEADDR, &value, 4));
        HAPPENS(wrong, usocket_getsockopt(h, SOL_SOCKET, SO_REUSEADDR, &value, 4));
    }
    HAPPENS(-EBADF, usocket_close(0));
    HAPPENS(-EBADF, usocket_from_fd(-1));
    never = open("/dev/null", O_RDONLY);
    HAPPENS(-ENOTSOCK, usocket_from_fd(never));
    close(never);
    usocket_t s = tcp(), pair[2];
    HAPPENS(-EFAULT, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, NULL));
    HAPPENS(-EOPNOTSUPP, usocket_socketpair(AF_INET, SOCK_STREAM, 0, pair));
    HAPPENS(-EFAULT, usocket_bind(s, NULL));
    HAPPENS(-EFAULT, usocket_connect(s, NULL));
    HAPPENS(-EFAULT, usocket_send(s, NULL, 1, 0));
    HAPPENS(-EINVAL, usocket_send(s, buf, SIZE_MAX, 0));
    HAPPENS(-EFAULT, usocket_recv(s, NULL, 1, 0));
    HAPPENS(-EINVAL, usocket_recv(s, buf, SIZE_MAX, 0));
    HAPPENS(-EFAULT, usocket_sendmsg(s, NULL, 0));
    HAPPENS(-EFAULT, usocket_recvmsg(s, NULL, 0));
    HAPPENS(-EFAULT, usocket_getsockname(s, NULL));
    HAPPENS(-EFAULT, usocket_getpeername(s, NULL));
    HAPPENS(-ENOTCONN, usocket_getpeername(s, &addr));
    HAPPENS(-EFAULT, usocket_gettimeout(s, NULL));
    piece.len = SIZE_MAX;
    HAPPENS(-EINVAL, usocket_sendmsg(s, &msg, 0));
    HAPPENS(-EINVAL, usocket_recvmsg(s, &msg, 0));
    static usocket_iovec many[1025];
    msg = (usocket_msg){.data = many, .count = 1025};
    HAPPENS(-EMSGSIZE, usocket_sendmsg(s, &msg, 0));
    HAPPENS(-EMSGSIZE, usocket_recvmsg(s, &msg, 0));
    OK(usocket_close(s));
    OK(usocket_close(other));
}

// --- making ---

static void of_making_sockets(void **state)
{
    (void)state;
    HAPPENS(-EAFNOSUPPORT, usocket_socket(77, SOCK_STREAM, 0));
    HAPPENS(-EPROTONOSUPPORT, usocket_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    HAPPENS(-ESOCKTNOSUPPORT, usocket_socket(AF_INET, SOCK_RDM, 0));
    HAPPENS(-EINVAL, usocket_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    HAPPENS(-EINVAL, usocket_socket(AF_INET, 99, 0));
    usocket_t listener = listening_socket(AF_INET, 3), client = client_of(listener), s = tcp();
    pid_t child = fork();
    if (child == 0) {
        struct rlimit few = {50, 50};
        CHILD(setrlimit(RLIMIT_NOFILE, &few) == 0);
        while (open("/dev/null", O_RDONLY) >= 0)
            ;
        CHILD_HAPPENS(-EMFILE, usocket_socket(AF_INET, SOCK_STREAM, 0));
        CHILD_HAPPENS(-EMFILE, usocket_dup(s));
        CHILD_HAPPENS(-EMFILE, usocket_accept(listener, NULL));
        if (geteuid() == 0)
            CHILD(setresuid(65534, 65534, 65534) == 0);
        CHILD_HAPPENS(-EPERM, usocket_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
        _exit(0);
    }
    child_ends_well(child);
    OK(usocket_close(client));
    OK(usocket_close(listener));
    OK(usocket_close(s));
}

// --- naming and listening ---

static char dir[] = "/tmp/usocket-errors-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void of_binding(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    usocket_t taken = bound_socket(AF_INET, SOCK_STREAM), s = tcp();
    usocket_t u = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    usocket_addr to = name_of(taken), v6 = ip(AF_INET6, "::1", 1);
    usocket_addr elsewhere = ip(AF_INET, "192.0.2.1", 0), free_port = ip(AF_INET, "127.0.0.1", 0);
    HAPPENS(-EADDRINUSE, usocket_bind(s, &to));
    HAPPENS(-EADDRNOTAVAIL, usocket_bind(s, &elsewhere));
    HAPPENS(-EAFNOSUPPORT, usocket_bind(s, &v6));
    HAPPENS(-EINVAL, usocket_bind(taken, &free_port));
    addr = unix_path(in_dir("none/x"));
    HAPPENS(-ENOENT, usocket_bind(u, &addr));
    close(open(in_dir("file"), O_CREAT | O_RDWR, 0600));
    addr = unix_path(in_dir("file/x"));
    HAPPENS(-ENOTDIR, usocket_bind(u, &addr));
    HAPPENS(-ENOTDIR, usocket_connect(u, &addr));
    assert_int_equal(symlink("loop", in_dir("loop")), 0);
    addr = unix_path(in_dir("loop/x"));
    HAPPENS(-ELOOP, usocket_bind(u, &addr));
    HAPPENS(-ELOOP, usocket_connect(u, &addr));
    usocket_addr own = unix_path(in_dir("own"));
    usocket_t owner = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    OK(usocket_bind(owner, &own));
    OK(usocket_listen(owner, 1));
    assert_int_equal(chmod(dir, 0500), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0)
            CHILD(setresuid(65534, 65534, 65534) == 0);
        usocket_addr in;
        CHILD(usocket_addr_unix(in_dir("new"), strlen(in_dir("new")), &in) == 0);
        CHILD_HAPPENS(-EACCES, usocket_bind(u, &in));
        CHILD_HAPPENS(-EACCES, usocket_connect(u, &own));
        _exit(0);
    }
    child_ends_well(child);
    // Two that may share a port do, until one listens.
    usocket_t both[2];
    usocket_addr port = free_port;
    for (int i = 0; i < 2; i++) {
        both[i] = tcp();
        OK(usocket_setsockopt_int(both[i], SOL_SOCKET, SO_REUSEADDR, 1));
        OK(usocket_bind(both[i], &port));
        port = name_of(both[i]);
    }
    OK(usocket_listen(both[0], 1));
    HAPPENS(-EADDRINUSE, usocket_listen(both[1], 1));
    HAPPENS(-EINVAL, usocket_listen(u, 1));
    usocket_t datagram = udp();
    HAPPENS(-EOPNOTSUPP, usocket_listen(datagram, 1));
    HAPPENS(-EOPNOTSUPP, usocket_accept(datagram, NULL));
    HAPPENS(-EINVAL, usocket_accept(s, NULL));
    HAPPENS(-EINVAL, usocket_accept4(both[0], 1, NULL));
    OK(usocket_settimeout(both[0], 0));
    HAPPENS(-EAGAIN, usocket_accept(both[0], NULL));
    OK(usocket_settimeout(both[0], MS));
    HAPPENS(-ETIMEDOUT, usocket_accept(both[0], NULL));
    const usocket_t all[] = {taken, s, u, owner, both[0], both[1], datagram};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
    chmod(dir, 0700);
    for (const char *const *name = (const char *[]){"file", "loop", "own", NULL}; *name; name++)
        unlink(in_dir(*name));
    rmdir(dir);
}

// --- sending and receiving ---

static void on_alarm(int number)
{
    (void)number;
}

static int32_t stop(void *arg)
{
    (void)arg;
    return 1;
}

static void interrupt_soon(void)
{
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 20 * MS}}, NULL);
}

static void of_what_waits(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    fill(pair[0]);
    for (int64_t time = 0; time <= MS; time += MS) {
        int code = time ? -ETIMEDOUT : -EAGAIN;
        OK(usocket_settimeout(pair[0], time));
        HAPPENS(code, usocket_send(pair[0], buf, 1, 0));
        HAPPENS(code, usocket_recv(pair[0], buf, 1, 0));
    }
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    OK(usocket_set_event_hook(stop, NULL));
    OK(usocket_settimeout(pair[0], GENEROUS));
    interrupt_soon();
    HAPPENS(-EINTR, usocket_send(pair[0], buf, 1, 0));
    interrupt_soon();
    HAPPENS(-EINTR, usocket_recv(pair[0], buf, 1, 0));
    usocket_t full, clients[8], s = tcp();
    size_t n = full_listener(AF_INET, &full, clients, 8);
    usocket_addr to = name_of(full);
    OK(usocket_settimeout(s, GENEROUS));
    interrupt_soon();
    HAPPENS(-EINTR, usocket_connect(s, &to));
    usocket_t idle = listening_socket(AF_INET, 1);
    interrupt_soon();
    HAPPENS(-EINTR, usocket_accept(idle, NULL));
    OK(usocket_set_event_hook(NULL, NULL));
    while (n--)
        OK(usocket_close(clients[n]));
    const usocket_t all[] = {full, s, idle, pair[0], pair[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

// Ends a connection with a reset.
static void reset(usocket_t s)
{
    struct linger at_once = {1, 0};
    OK(usocket_setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    OK(usocket_close(s));
}

static void of_sending_and_receiving(void **state)
{
    (void)state;
    usocket_t pair[2], s = tcp(), u = udp(), ux = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    usocket_t ud = OK(usocket_socket(AF_UNIX, SOCK_DGRAM, 0)), sec = OK(usocket_socket(AF_INET, SOCK_STREAM, USOCKET_IPPROTO_SEC));
    usocket_addr v6 = ip(AF_INET6, "::1", 1), everybody = ip(AF_INET, "255.255.255.255", 1);
    usocket_addr lies = {.storage = {AF_INET}, .len = 4}, none = unix_path("/none/such");
    usocket_addr under_a_file = unix_path("/dev/null/x"), here;
    HAPPENS(USOCKET_ETLS_NOT_WRAPPED, usocket_send(sec, buf, 1, 0));
    HAPPENS(USOCKET_ETLS_NOT_WRAPPED, usocket_recv(sec, buf, 1, 0));
    HAPPENS(-ENOTCONN, usocket_recv(s, buf, 1, 0));
    HAPPENS(-ENOTCONN, usocket_shutdown(s, SHUT_RDWR));
    HAPPENS(-EINVAL, usocket_shutdown(s, 9));
    HAPPENS(-EPIPE, usocket_send(s, buf, 1, 0));
    HAPPENS(-ENOTCONN, usocket_send(ud, buf, 1, 0));
    HAPPENS(-EDESTADDRREQ, usocket_send(u, buf, 1, 0));
    HAPPENS(-EOPNOTSUPP, usocket_send(ud, buf, 1, MSG_OOB));
    HAPPENS(-EOPNOTSUPP, usocket_recv(ud, buf, 1, MSG_OOB));
    HAPPENS(-EACCES, usocket_sendto(u, buf, 1, 0, &everybody));
    HAPPENS(-EAFNOSUPPORT, usocket_sendto(u, buf, 1, 0, &v6));
    HAPPENS(-EINVAL, usocket_sendto(u, buf, 1, 0, &lies));
    HAPPENS(-EOPNOTSUPP, usocket_sendto(ux, buf, 1, 0, &none));
    HAPPENS(-ENOENT, usocket_sendto(ud, buf, 1, 0, &none));
    HAPPENS(-ENOTDIR, usocket_sendto(ud, buf, 1, 0, &under_a_file));
    here = own_path();
    OK(usocket_bind(ux, &here));
    HAPPENS(-EPROTOTYPE, usocket_sendto(ud, buf, 1, 0, &here));
    own_path(); // gone again
    char loop[60], through[64];
    OK(usocket_addr_path(&here, memset(loop, 0, sizeof loop), sizeof loop));
    assert_int_equal(symlink(loop, loop), 0);
    snprintf(through, sizeof through, "%s/x", loop);
    here = unix_path(through);
    HAPPENS(-ELOOP, usocket_sendto(ud, buf, 1, 0, &here));
    own_path();
    connected_pair(AF_INET, SOCK_DGRAM, pair);
    HAPPENS(-EMSGSIZE, usocket_send(pair[0], buf, sizeof buf, 0));
    OK(usocket_close(pair[1]));
    OK(usocket_settimeout(pair[0], GENEROUS));
    GIVES(1, usocket_send(pair[0], buf, 1, 0));
    HAPPENS(-ECONNREFUSED, usocket_recv(pair[0], buf, 1, 0));
    GIVES(1, usocket_send(pair[0], buf, 1, 0));
    usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    HAPPENS(-ECONNREFUSED, usocket_send(pair[0], buf, 1, 0));
    OK(usocket_close(pair[0]));
    for (int i = 0; i < 2; i++) {
        connected_pair(AF_INET, SOCK_STREAM, pair);
        HAPPENS(-EINVAL, usocket_recv(pair[0], buf, 1, MSG_OOB));
        OK(usocket_settimeout(pair[0], GENEROUS));
        reset(pair[1]);
        p.socket = pair[0];
        GIVES(1, usocket_poll(&p, 1, GENEROUS));
        if (i)
            HAPPENS(-ECONNRESET, usocket_send(pair[0], buf, 1, 0));
        else
            HAPPENS(-ECONNRESET, usocket_recv(pair[0], buf, 1, 0));
        OK(usocket_close(pair[0]));
    }
    HAPPENS(-EOPNOTSUPP, usocket_readline(u, buf, 1));
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    here = name_of(pair[1]);
    HAPPENS(-EISCONN, usocket_sendto(pair[0], buf, 1, 0, &here));
    // Ancillary data.
    usocket_iovec piece = {buf, 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    usocket_msg msg = {.data = &piece, .count = 1, .control = control, .control_len = sizeof control};
    struct cmsghdr *c = (struct cmsghdr *)control;
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memset(CMSG_DATA(c), 0xff, sizeof(int));
    HAPPENS(-EBADF, usocket_sendmsg(pair[0], &msg, 0));
    c->cmsg_len = 3;
    HAPPENS(-EINVAL, usocket_sendmsg(pair[0], &msg, 0));
    msg.control_len = (size_t)1 << 40;
    HAPPENS(-ENOBUFS, usocket_sendmsg(pair[0], &msg, 0));
    msg.control_len = 0;
    msg.addr = &here;
    HAPPENS(-EISCONN, usocket_sendmsg(pair[0], &msg, 0));
    pid_t child = fork();
    if (child == 0) {
        // Somebody else's process and more descriptors under way than it may have open.
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof(struct ucred))};
        char creds[CMSG_SPACE(sizeof(struct ucred))] = {0};
        memcpy(creds, c, sizeof *c);
        struct ucred init = {.pid = 1};
        memcpy(creds + CMSG_LEN(0), &init, sizeof init);
        struct rlimit few = {9, 9};
        CHILD(setrlimit(RLIMIT_NOFILE, &few) == 0);
        if (geteuid() == 0)
            CHILD(setresuid(65534, 65534, 65534) == 0);
        usocket_msg as_init = {.data = &piece, .count = 1, .control = creds, .control_len = sizeof creds};
        CHILD_HAPPENS(-EPERM, usocket_sendmsg(pair[0], &as_init, 0));
        int fds[1] = {0}, sent = 0;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fds);
        memcpy(CMSG_DATA(c), fds, sizeof fds);
        usocket_msg right = {.data = &piece, .count = 1, .control = control, .control_len = sizeof control};
        while (sent < 100 && usocket_sendmsg(pair[0], &right, 0) == 1)
            sent++;
        CHILD_HAPPENS(-ETOOMANYREFS, usocket_sendmsg(pair[0], &right, 0));
        _exit(0);
    }
    child_ends_well(child);
    const usocket_t all[] = {pair[0], pair[1], s, u, ux, ud, sec};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

// --- options ---

static void of_options(void **state)
{
    (void)state;
    usocket_t s = tcp(), u = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0)), listener = listening_socket(AF_INET, 1);
    usocket_t v6 = OK(usocket_socket(AF_INET6, SOCK_DGRAM, 0)), client = client_of(listener), d = udp();
    struct timeval far = {0, -5};
    int value = 1;
    struct ip_mreqn group = {.imr_multiaddr = {htonl(0xe0000101)}, .imr_ifindex = 1};
    HAPPENS(-ENOPROTOOPT, usocket_setsockopt(s, SOL_SOCKET, 9999, &value, sizeof value));
    HAPPENS(-ENOPROTOOPT, usocket_getsockopt(s, SOL_SOCKET, 9999, &value, sizeof value));
    HAPPENS(-EOPNOTSUPP, usocket_setsockopt(u, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
    HAPPENS(-EOPNOTSUPP, usocket_getsockopt(u, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
    HAPPENS(-EINVAL, usocket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &value, 1));
    HAPPENS(-EFAULT, usocket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
    HAPPENS(-EDOM, usocket_setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &far, sizeof far));
    HAPPENS(-ENOTCONN, usocket_getsockopt(s, SOL_SOCKET, SO_PEERNAME, buf, 64));
    HAPPENS(-EFAULT, usocket_getsockopt(s, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
    HAPPENS(-EINVAL, usocket_getsockopt(client, SOL_SOCKET, SO_PEERNAME, buf, 64));
    HAPPENS(-ENODEV, usocket_setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "no-such-dev", 12));
    HAPPENS(-EADDRNOTAVAIL, usocket_setsockopt(d, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof group));
    OK(usocket_setsockopt(d, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    HAPPENS(-EADDRINUSE, usocket_setsockopt(d, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    struct ipv6_mreq here = {.ipv6mr_multiaddr = {.s6_addr = {0xff, 1, [15] = 9}}, .ipv6mr_interface = 1};
    OK(usocket_setsockopt(v6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &here, sizeof here));
    value = AF_INET;
    HAPPENS(-ENOTCONN, usocket_setsockopt(v6, IPPROTO_IPV6, IPV6_ADDRFORM, &value, sizeof value));
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0)
            CHILD(setresuid(65534, 65534, 65534) == 0);
        CHILD_HAPPENS(-EPERM, usocket_setsockopt(s, SOL_SOCKET, SO_PRIORITY, &(int){7}, sizeof(int)));
        _exit(0);
    }
    child_ends_well(child);
    const usocket_t all[] = {s, u, listener, v6, client, d};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

// --- connecting ---

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

// In a network of its own, where nothing is reachable, one address unreachably so.
static void far_away(void)
{
    CHILD(unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) == 0);
    usocket_t lo = usocket_socket(AF_INET, SOCK_DGRAM, 0), route = usocket_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    CHILD(ioctl(usocket_fileno(lo), SIOCSIFFLAGS, &up) == 0);
    struct {
        struct nlmsghdr head;
        struct rtmsg what;
        struct rtattr to;
        unsigned char ip[4];
    } ask = {
        {sizeof ask, RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, 1, 0},
        {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
         .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNREACHABLE},
        {sizeof ask.to + 4, RTA_DST},
        {192, 0, 2, 2},
    };
    CHILD(usocket_send(route, &ask, sizeof ask, 0) == sizeof ask);
    CHILD(usocket_recv(route, buf, sizeof buf, 0) > 0);
    CHILD(((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)buf))->error == 0);
    usocket_addr nowhere, blocked;
    CHILD(usocket_addr_ip(AF_INET, "192.0.2.1", 9, 0, 0, &nowhere) == 0);
    CHILD(usocket_addr_ip(AF_INET, "192.0.2.2", 9, 0, 0, &blocked) == 0);
    usocket_t s = usocket_socket(AF_INET, SOCK_STREAM, 0), u = usocket_socket(AF_INET, SOCK_DGRAM, 0);
    CHILD_HAPPENS(-ENETUNREACH, usocket_connect(s, &nowhere));
    CHILD_HAPPENS(-EHOSTUNREACH, usocket_connect(s, &blocked));
    CHILD_HAPPENS(-ENETUNREACH, usocket_sendto(u, buf, 1, 0, &nowhere));
    CHILD_HAPPENS(-EHOSTUNREACH, usocket_sendto(u, buf, 1, 0, &blocked));
}

static void of_connecting(void **state)
{
    (void)state;
    usocket_t full, clients[8], s = tcp(), u = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    size_t n = full_listener(AF_INET, &full, clients, 8);
    usocket_addr to = name_of(full), v6 = ip(AF_INET6, "::1", 1), everybody = ip(AF_INET, "255.255.255.255", 1);
    usocket_addr lies = {.storage = {AF_INET}, .len = 4};
    OK(usocket_settimeout(s, 0));
    HAPPENS(-EINPROGRESS, usocket_connect(s, &to));
    HAPPENS(-EALREADY, usocket_connect(s, &to));
    OK(usocket_settimeout(s, MS));
    HAPPENS(-ETIMEDOUT, usocket_connect(s, &to));
    GIVES(0, usocket_connect(clients[0], &to)); // which was not done at once
    HAPPENS(-EISCONN, usocket_connect(clients[0], &to));
    HAPPENS(-EINVAL, usocket_listen(clients[0], 1));
    HAPPENS(-EINVAL, usocket_connect(s, &lies));
    usocket_t fresh = tcp(), datagram = udp();
    HAPPENS(-EAFNOSUPPORT, usocket_connect(fresh, &v6));
    HAPPENS(-EACCES, usocket_connect(datagram, &everybody));
    usocket_t gone = bound_socket(AF_INET, SOCK_STREAM);
    usocket_addr refused = name_of(gone);
    OK(usocket_close(gone));
    HAPPENS(-ECONNREFUSED, usocket_connect(fresh, &refused));
    while (n--)
        OK(usocket_close(clients[n]));
    OK(usocket_close(full));
    OK(usocket_close(s));
    // A Unix socket's.
    n = full_listener(AF_UNIX, &full, clients, 8);
    to = name_of(full);
    OK(usocket_settimeout(u, 0));
    HAPPENS(-EAGAIN, usocket_connect(u, &to));
    addr = unix_path("/none/such");
    HAPPENS(-ENOENT, usocket_connect(u, &addr));
    usocket_addr dname = own_path();
    usocket_t du = OK(usocket_socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(usocket_bind(du, &dname));
    HAPPENS(-EPROTOTYPE, usocket_connect(u, &dname));
    own_path(); // gone again
    while (n--)
        OK(usocket_close(clients[n]));
    // Ports that are taken, or were all given out.
    usocket_t listener = listening_socket(AF_INET, 9), first = tcp(), second = tcp();
    to = name_of(listener);
    OK(usocket_setsockopt_int(first, SOL_SOCKET, SO_REUSEADDR, 1));
    OK(usocket_setsockopt_int(second, SOL_SOCKET, SO_REUSEADDR, 1));
    usocket_addr port = ip(AF_INET, "127.0.0.1", 0);
    OK(usocket_bind(first, &port));
    port = name_of(first);
    OK(usocket_bind(second, &port));
    OK(usocket_connect(first, &to));
    HAPPENS(-EADDRNOTAVAIL, usocket_connect(second, &to));
    pid_t child = fork();
    if (child == 0) {
        far_away();
        _exit(0);
    }
    child_ends_well(child);
    const usocket_t all[] = {full, u, fresh, datagram, du, listener, first, second};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        OK(usocket_close(all[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_addresses),
        cmocka_unit_test(of_handles),
        cmocka_unit_test(of_making_sockets),
        cmocka_unit_test(of_binding),
        cmocka_unit_test(of_connecting),
        cmocka_unit_test(of_what_waits),
        cmocka_unit_test(of_sending_and_receiving),
        cmocka_unit_test(of_options),
    };
    return RUN(tests);
}
