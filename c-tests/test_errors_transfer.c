// Every error that the header documents for sending, receiving and options, made to happen.

#include "errors.h"

static void of_what_waits(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    fill(pair[0]);
    for (int64_t time = 0; time <= MS; time += MS) {
        int code = time ? -ETIMEDOUT : -EAGAIN;
        OK(usocket_settimeout(pair[0], time));
        GIVES(code, usocket_send(pair[0], buf, 1, 0));
        GIVES(code, usocket_recv(pair[0], buf, 1, 0));
    }
    usocket_t full, clients[8], s = tcp(), idle = listening_socket(AF_INET, 1);
    size_t n = full_listener(AF_INET, &full, clients, 8);
    usocket_addr to = name_of(full);
    OK(usocket_settimeout(pair[0], GENEROUS));
    OK(usocket_settimeout(s, GENEROUS));
    interrupted();
    GIVES(-EINTR, usocket_send(pair[0], buf, 1, 0));
    GIVES(-EINTR, usocket_recv(pair[0], buf, 1, 0));
    GIVES(-EINTR, usocket_connect(s, &to));
    GIVES(-EINTR, usocket_accept(idle, NULL));
    uninterrupted();
    while (n--)
        OK(usocket_close(clients[n]));
    CLOSE(full, s, idle, pair[0], pair[1]);
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
    if (emulated())
        skip();
    usocket_t pair[2], s = tcp(), u = udp(), ux = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    usocket_t ud = OK(usocket_socket(AF_UNIX, SOCK_DGRAM, 0)), sec = OK(usocket_socket(AF_INET, SOCK_STREAM, USOCKET_IPPROTO_SEC));
    usocket_addr v6 = ip(AF_INET6, "::1", 1), everybody = ip(AF_INET, "127.255.255.255", 1);
    usocket_addr lies = {.storage = {AF_INET}, .len = 4}, none = unix_path("/none/such");
    usocket_addr under_a_file = unix_path("/dev/null/x"), here;
    GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_send(sec, buf, 1, 0));
    GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_recv(sec, buf, 1, 0));
    GIVES(-ENOTCONN, usocket_recv(s, buf, 1, 0));
    GIVES(-ENOTCONN, usocket_shutdown(s, SHUT_RDWR));
    GIVES(-EINVAL, usocket_shutdown(s, 9));
    GIVES(-EPIPE, usocket_send(s, buf, 1, 0));
    GIVES(-ENOTCONN, usocket_send(ud, buf, 1, 0));
    GIVES(-EDESTADDRREQ, usocket_send(u, buf, 1, 0));
    GIVES(-EOPNOTSUPP, usocket_send(ud, buf, 1, MSG_OOB));
    GIVES(-EOPNOTSUPP, usocket_recv(ud, buf, 1, MSG_OOB));
    GIVES(-EACCES, usocket_sendto(u, buf, 1, 0, &everybody));
    GIVES(-EAFNOSUPPORT, usocket_sendto(u, buf, 1, 0, &v6));
    GIVES(-EINVAL, usocket_sendto(u, buf, 1, 0, &lies));
    GIVES(-EOPNOTSUPP, usocket_sendto(ux, buf, 1, 0, &none));
    GIVES(-ENOENT, usocket_sendto(ud, buf, 1, 0, &none));
    GIVES(-ENOTDIR, usocket_sendto(ud, buf, 1, 0, &under_a_file));
    here = own_path();
    OK(usocket_bind(ux, &here));
    GIVES(-EPROTOTYPE, usocket_sendto(ud, buf, 1, 0, &here));
    own_path(); // gone again
    char loop[60], through[64];
    OK(usocket_addr_path(&here, memset(loop, 0, sizeof loop), sizeof loop));
    assert_int_equal(symlink(loop, loop), 0);
    snprintf(through, sizeof through, "%s/x", loop);
    here = unix_path(through);
    GIVES(-ELOOP, usocket_sendto(ud, buf, 1, 0, &here));
    own_path();
    connected_pair(AF_INET, SOCK_DGRAM, pair);
    GIVES(-EMSGSIZE, usocket_send(pair[0], buf, sizeof buf, 0));
    OK(usocket_close(pair[1]));
    OK(usocket_settimeout(pair[0], GENEROUS));
    GIVES(1, usocket_send(pair[0], buf, 1, 0));
    GIVES(-ECONNREFUSED, usocket_recv(pair[0], buf, 1, 0));
    GIVES(1, usocket_send(pair[0], buf, 1, 0));
    usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    GIVES(-ECONNREFUSED, usocket_send(pair[0], buf, 1, 0));
    OK(usocket_close(pair[0]));
    for (int i = 0; i < 2; i++) {
        connected_pair(AF_INET, SOCK_STREAM, pair);
        GIVES(-EINVAL, usocket_recv(pair[0], buf, 1, MSG_OOB));
        OK(usocket_settimeout(pair[0], GENEROUS));
        reset(pair[1]);
        p.socket = pair[0];
        GIVES(1, usocket_poll(&p, 1, GENEROUS));
        if (i)
            GIVES(-ECONNRESET, usocket_send(pair[0], buf, 1, 0));
        else
            GIVES(-ECONNRESET, usocket_recv(pair[0], buf, 1, 0));
        OK(usocket_close(pair[0]));
    }
    GIVES(-EOPNOTSUPP, usocket_readline(u, buf, 1));
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    here = name_of(pair[1]);
    GIVES(-EISCONN, usocket_sendto(pair[0], buf, 1, 0, &here));
    // Ancillary data.
    usocket_iovec piece = {buf, 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    usocket_msg msg = {.data = &piece, .count = 1, .control = control, .control_len = sizeof control};
    struct cmsghdr *c = (struct cmsghdr *)control;
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memset(CMSG_DATA(c), 0xff, sizeof(int));
    GIVES(-EBADF, usocket_sendmsg(pair[0], &msg, 0));
    c->cmsg_len = 3;
    GIVES(-EINVAL, usocket_sendmsg(pair[0], &msg, 0));
#if SIZE_MAX > UINT32_MAX // where that many can lie in memory at all
    msg.control_len = (size_t)INT_MAX + 1;
    GIVES(-ENOBUFS, usocket_sendmsg(pair[0], &msg, 0));
#endif
    msg.control_len = 0;
    msg.addr = &here;
    GIVES(-EISCONN, usocket_sendmsg(pair[0], &msg, 0));
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
        be_nobody();
        usocket_msg as_init = {.data = &piece, .count = 1, .control = creds, .control_len = sizeof creds};
        CHILD_GIVES(-EPERM, usocket_sendmsg(pair[0], &as_init, 0));
        int fds[1] = {0}, sent = 0;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fds);
        memcpy(CMSG_DATA(c), fds, sizeof fds);
        usocket_msg right = {.data = &piece, .count = 1, .control = control, .control_len = sizeof control};
        while (sent < 100 && usocket_sendmsg(pair[0], &right, 0) == 1)
            sent++;
        CHILD_GIVES(-ETOOMANYREFS, usocket_sendmsg(pair[0], &right, 0));
        _exit(0);
    }
    child_ends_well(child);
    CLOSE(pair[0], pair[1], s, u, ux, ud, sec);
}

// --- options ---

static void of_options(void **state)
{
    (void)state;
    if (emulated())
        skip();
    usocket_t s = tcp(), u = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0)), listener = listening_socket(AF_INET, 1);
    usocket_t v6 = OK(usocket_socket(AF_INET6, SOCK_DGRAM, 0)), client = client_of(listener), d = udp();
    struct timeval far = {0, -5};
    int value = 1;
    struct ip_mreqn group = {.imr_multiaddr = {htonl(0xe0000101)}, .imr_ifindex = 1};
    GIVES(-ENOPROTOOPT, usocket_setsockopt(s, SOL_SOCKET, 9999, &value, sizeof value));
    GIVES(-ENOPROTOOPT, usocket_getsockopt(s, SOL_SOCKET, 9999, &value, sizeof value));
    GIVES(-EOPNOTSUPP, usocket_setsockopt(u, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
    GIVES(-EOPNOTSUPP, usocket_getsockopt(u, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
    GIVES(-EINVAL, usocket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &value, 1));
    GIVES(-EFAULT, usocket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
    GIVES(-EDOM, usocket_setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &far, sizeof far));
    GIVES(-ENOTCONN, usocket_getsockopt(s, SOL_SOCKET, SO_PEERNAME, buf, 64));
    GIVES(-EFAULT, usocket_getsockopt(s, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
    GIVES(-EINVAL, usocket_getsockopt(client, SOL_SOCKET, SO_PEERNAME, buf, 64));
    GIVES(-ENODEV, usocket_setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "no-such-dev", 12));
    GIVES(-EADDRNOTAVAIL, usocket_setsockopt(d, IPPROTO_IP, IP_DROP_MEMBERSHIP, &group, sizeof group));
    OK(usocket_setsockopt(d, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    GIVES(-EADDRINUSE, usocket_setsockopt(d, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    struct ipv6_mreq here = {.ipv6mr_multiaddr = {.s6_addr = {0xff, 1, [15] = 9}}, .ipv6mr_interface = 1};
    OK(usocket_setsockopt(v6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &here, sizeof here));
    value = AF_INET;
    GIVES(-ENOTCONN, usocket_setsockopt(v6, IPPROTO_IPV6, IPV6_ADDRFORM, &value, sizeof value));
    pid_t child = fork();
    if (child == 0) {
        be_nobody();
        CHILD_GIVES(-EPERM, usocket_setsockopt(s, SOL_SOCKET, SO_PRIORITY, &(int){7}, sizeof(int)));
        _exit(0);
    }
    child_ends_well(child);
    CLOSE(s, u, listener, v6, client, d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_what_waits),
        cmocka_unit_test(of_sending_and_receiving),
        cmocka_unit_test(of_options),
    };
    return RUN(tests);
}
