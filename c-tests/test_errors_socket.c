// Every error that the header documents for making, naming and connecting sockets, made to happen.

#include "errors.h"

#include <linux/rtnetlink.h>

static usocket_addr addr;

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
        GIVES(wrong, usocket_detach(h));
        GIVES(wrong, usocket_dup(h));
        GIVES(wrong, usocket_bind(h, &a));
        GIVES(wrong, usocket_listen(h, 1));
        GIVES(wrong, usocket_accept(h, NULL));
        GIVES(wrong, usocket_connect(h, &a));
        GIVES(wrong, usocket_shutdown(h, SHUT_RD));
        GIVES(wrong, usocket_send(h, buf, 1, 0));
        GIVES(wrong, usocket_recv(h, buf, 1, 0));
        GIVES(wrong, usocket_getsockname(h, &addr));
        GIVES(wrong, usocket_getpeername(h, &addr));
        GIVES(wrong, usocket_settimeout(h, 1));
        GIVES(wrong, usocket_gettimeout(h, &time));
        GIVES(wrong, usocket_setblocking(h, 1));
        GIVES(wrong, usocket_family(h));
        GIVES(wrong, usocket_type(h));
        GIVES(wrong, usocket_proto(h));
        GIVES(wrong, usocket_setsockopt(h, SOL_SOCKET, SO_REUSEADDR, &value, 4));
        GIVES(wrong, usocket_getsockopt(h, SOL_SOCKET, SO_REUSEADDR, &value, 4));
    }
    GIVES(-EBADF, usocket_close(0));
    GIVES(-EBADF, usocket_fileno(0));
    usocket_t context = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    GIVES(-ENOTSOCK, usocket_fileno(context));
    OK(usocket_close(context));
    GIVES(-EBADF, usocket_from_fd(-1));
    int file = open("/dev/null", O_RDONLY);
    GIVES(-ENOTSOCK, usocket_from_fd(file));
    close(file);
    usocket_t s = tcp(), pair[2];
    GIVES(-EFAULT, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, NULL));
    GIVES(-EOPNOTSUPP, usocket_socketpair(AF_INET, SOCK_STREAM, 0, pair));
    GIVES(-EFAULT, usocket_bind(s, NULL));
    GIVES(-EFAULT, usocket_connect(s, NULL));
    GIVES(-EFAULT, usocket_send(s, NULL, 1, 0));
    GIVES(-EINVAL, usocket_send(s, buf, SIZE_MAX, 0));
    GIVES(-EFAULT, usocket_recv(s, NULL, 1, 0));
    GIVES(-EINVAL, usocket_recv(s, buf, SIZE_MAX, 0));
    GIVES(-EFAULT, usocket_sendmsg(s, NULL, 0));
    GIVES(-EFAULT, usocket_recvmsg(s, NULL, 0));
    GIVES(-EFAULT, usocket_getsockname(s, NULL));
    GIVES(-EFAULT, usocket_getpeername(s, NULL));
    GIVES(-ENOTCONN, usocket_getpeername(s, &addr));
    GIVES(-EFAULT, usocket_gettimeout(s, NULL));
    piece.len = SIZE_MAX;
    GIVES(-EINVAL, usocket_sendmsg(s, &msg, 0));
    GIVES(-EINVAL, usocket_recvmsg(s, &msg, 0));
    static usocket_iovec many[1025];
    msg = (usocket_msg){.data = many, .count = 1025};
    GIVES(-EMSGSIZE, usocket_sendmsg(s, &msg, 0));
    GIVES(-EMSGSIZE, usocket_recvmsg(s, &msg, 0));
    OK(usocket_close(s));
    OK(usocket_close(other));
}

// --- making ---

static void of_making_sockets(void **state)
{
    (void)state;
    if (emulated())
        skip();
    GIVES(-EAFNOSUPPORT, usocket_socket(77, SOCK_STREAM, 0));
    GIVES(-EPROTONOSUPPORT, usocket_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    GIVES(-ESOCKTNOSUPPORT, usocket_socket(AF_INET, SOCK_RDM, 0));
    GIVES(-EINVAL, usocket_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    GIVES(-EINVAL, usocket_socket(AF_INET, 99, 0));
    usocket_t listener = listening_socket(AF_INET, 3), client = client_of(listener), s = tcp();
    pid_t child = fork();
    if (child == 0) {
        use_all_descriptors();
        CHILD_GIVES(-EMFILE, usocket_socket(AF_INET, SOCK_STREAM, 0));
        CHILD_GIVES(-EMFILE, usocket_dup(s));
        CHILD_GIVES(-EMFILE, usocket_accept(listener, NULL));
        be_nobody();
        CHILD_GIVES(-EPERM, usocket_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
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
    GIVES(-EADDRINUSE, usocket_bind(s, &to));
    GIVES(-EADDRNOTAVAIL, usocket_bind(s, &elsewhere));
    GIVES(-EAFNOSUPPORT, usocket_bind(s, &v6));
    GIVES(-EINVAL, usocket_bind(taken, &free_port));
    addr = unix_path(in_dir("none/x"));
    GIVES(-ENOENT, usocket_bind(u, &addr));
    close(open(in_dir("file"), O_CREAT | O_RDWR, 0600));
    addr = unix_path(in_dir("file/x"));
    GIVES(-ENOTDIR, usocket_bind(u, &addr));
    GIVES(-ENOTDIR, usocket_connect(u, &addr));
    assert_int_equal(symlink("loop", in_dir("loop")), 0);
    addr = unix_path(in_dir("loop/x"));
    GIVES(-ELOOP, usocket_bind(u, &addr));
    GIVES(-ELOOP, usocket_connect(u, &addr));
    usocket_addr own = unix_path(in_dir("own"));
    usocket_t owner = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    OK(usocket_bind(owner, &own));
    OK(usocket_listen(owner, 1));
    assert_int_equal(chmod(dir, 0500), 0);
    pid_t child = fork();
    if (child == 0) {
        be_nobody();
        usocket_addr in;
        CHILD(usocket_addr_unix(in_dir("new"), strlen(in_dir("new")), &in) == 0);
        CHILD_GIVES(-EACCES, usocket_bind(u, &in));
        CHILD_GIVES(-EACCES, usocket_connect(u, &own));
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
    GIVES(-EADDRINUSE, usocket_listen(both[1], 1));
    GIVES(-EINVAL, usocket_listen(u, 1));
    usocket_t datagram = udp();
    GIVES(-EOPNOTSUPP, usocket_listen(datagram, 1));
    GIVES(-EOPNOTSUPP, usocket_accept(datagram, NULL));
    GIVES(-EINVAL, usocket_accept(s, NULL));
    GIVES(-EINVAL, usocket_accept4(both[0], 1, NULL));
    OK(usocket_settimeout(both[0], 0));
    GIVES(-EAGAIN, usocket_accept(both[0], NULL));
    OK(usocket_settimeout(both[0], MS));
    GIVES(-ETIMEDOUT, usocket_accept(both[0], NULL));
    CLOSE(taken, s, u, owner, both[0], both[1], datagram);
    chmod(dir, 0700);
    for (const char *const *name = (const char *[]){"file", "loop", "own", NULL}; *name; name++)
        unlink(in_dir(*name));
    rmdir(dir);
}

// --- connecting ---

// In a network of its own, where nothing is reachable, one address unreachably so.
static void far_away(void)
{
    CHILD(own_network(0));
    usocket_t route = usocket_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
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
    CHILD_GIVES(-ENETUNREACH, usocket_connect(s, &nowhere));
    CHILD_GIVES(-EHOSTUNREACH, usocket_connect(s, &blocked));
    CHILD_GIVES(-ENETUNREACH, usocket_sendto(u, buf, 1, 0, &nowhere));
    CHILD_GIVES(-EHOSTUNREACH, usocket_sendto(u, buf, 1, 0, &blocked));
}

static void of_connecting(void **state)
{
    (void)state;
    usocket_t full, clients[8], s = tcp(), u = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    size_t n = full_listener(AF_INET, &full, clients, 8);
    usocket_addr to = name_of(full), v6 = ip(AF_INET6, "::1", 1), everybody = ip(AF_INET, "127.255.255.255", 1);
    usocket_addr lies = {.len = 4};
    ((struct sockaddr *)&lies)->sa_family = AF_INET;
    OK(usocket_settimeout(s, 0));
    GIVES(-EINPROGRESS, usocket_connect(s, &to));
    GIVES(-EALREADY, usocket_connect(s, &to));
    OK(usocket_settimeout(s, MS));
    GIVES(-ETIMEDOUT, usocket_connect(s, &to));
    GIVES(0, usocket_connect(clients[0], &to)); // which was not done at once
    GIVES(-EISCONN, usocket_connect(clients[0], &to));
    GIVES(-EINVAL, usocket_listen(clients[0], 1));
    GIVES(-EINVAL, usocket_connect(s, &lies));
    usocket_t fresh = tcp(), datagram = udp();
    GIVES(-EAFNOSUPPORT, usocket_connect(fresh, &v6));
    GIVES(-EACCES, usocket_connect(datagram, &everybody));
    usocket_t gone = bound_socket(AF_INET, SOCK_STREAM);
    usocket_addr refused = name_of(gone);
    GIVES(-ECONNREFUSED, usocket_connect(fresh, &refused));
    OK(usocket_close(gone));
    while (n--)
        OK(usocket_close(clients[n]));
    OK(usocket_close(full));
    OK(usocket_close(s));
    // A Unix socket's.
    n = full_listener(AF_UNIX, &full, clients, 8);
    to = name_of(full);
    OK(usocket_settimeout(u, 0));
    GIVES(-EAGAIN, usocket_connect(u, &to));
    addr = unix_path("/none/such");
    GIVES(-ENOENT, usocket_connect(u, &addr));
    usocket_addr dname = own_path();
    usocket_t du = OK(usocket_socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(usocket_bind(du, &dname));
    GIVES(-EPROTOTYPE, usocket_connect(u, &dname));
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
    GIVES(-EADDRNOTAVAIL, usocket_connect(second, &to));
    pid_t child = fork();
    if (child == 0) {
        far_away();
        _exit(0);
    }
    child_ends_well(child);
    CLOSE(full, u, fresh, datagram, du, listener, first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_handles),
        cmocka_unit_test(of_making_sockets),
        cmocka_unit_test(of_binding),
        cmocka_unit_test(of_connecting),
    };
    return RUN(tests);
}
