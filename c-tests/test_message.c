// Messages: data in pieces, descriptors and other ancillary data beside it.

#include "support.h"

static char scratch[256];

static usocket_msg message(usocket_iovec *data, size_t count, void *control, size_t control_len)
{
    return (usocket_msg){.data = data, .count = count, .control = control, .control_len = control_len};
}

// Descriptors as ancillary data, in `control`; gives its length.
static size_t rights(char *control, const int *fds, size_t n)
{
    struct msghdr m = {.msg_control = control, .msg_controllen = CMSG_SPACE(n * sizeof *fds)};
    memset(control, 0, m.msg_controllen);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof *fds);
    memcpy(CMSG_DATA(c), fds, n * sizeof *fds);
    return m.msg_controllen;
}

// The descriptors in `control`, which go to `fds`; gives how many.
static size_t rights_in(void *control, size_t len, int *fds)
{
    size_t found = 0;
    struct msghdr m = {.msg_control = control, .msg_controllen = len};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            size_t size = c->cmsg_len - CMSG_LEN(0);
            memcpy(fds + found, CMSG_DATA(c), size);
            found += size / sizeof *fds;
        }
    return found;
}

static void pieces_are_one_message(void **state)
{
    (void)state;
    const int64_t modes[] = {-1, GENEROUS, 0};
    FOR_EACH_KIND(k)
        for (int m = 0; m < 3; m++) {
            usocket_t pair[2];
            connected_pair(k->family, k->type, pair);
            OK(usocket_settimeout(pair[1], modes[m]));
            usocket_iovec out[] = {{"head ", 5}, {NULL, 0}, {"and body", 8}};
            usocket_msg msg = message(out, 3, NULL, 0);
            GIVES(13, usocket_sendmsg(pair[1], &msg, 0));
            usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
            GIVES(1, usocket_poll(&p, 1, GENEROUS));
            OK(usocket_settimeout(pair[0], modes[m]));
            char a[7] = "", b[9] = "";
            usocket_addr from = {.len = 99};
            usocket_iovec in[] = {{a, 6}, {b, 8}};
            msg = message(in, 2, NULL, 0);
            msg.addr = &from;
            msg.flags = 77;
            GIVES(13, usocket_recvmsg(pair[0], &msg, 0));
            assert_string_equal(a, "head a");
            assert_string_equal(b, "nd body");
            assert_int_equal(msg.flags, 0);
            assert_int_equal(msg.control_len, 0);
            if (k->type == SOCK_DGRAM) {
                usocket_addr sender = name_of(pair[1]);
                assert_string_equal(text_of(&from), text_of(&sender));
            } else if (k->family != AF_UNIX) { // a Unix stream says the peer's name
                assert_int_equal(usocket_addr_family(&from), AF_UNSPEC);
            }
            OK(usocket_close(pair[0]));
            OK(usocket_close(pair[1]));
        }
}

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

// Many datagrams for one system call, each way: cut by the kernel, and joined by it.
static void segments_and_what_was_joined(void **state)
{
    (void)state;
    if (emulated())
        skip();
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_DGRAM, pair);
    OK(usocket_setsockopt_int(pair[0], IPPROTO_UDP, UDP_GRO, 1));
    OK(usocket_settimeout(pair[0], GENEROUS));
    char bytes[2500], control[CMSG_SPACE(sizeof(int))] = {0}, in[4096];
    memset(bytes, 'x', sizeof bytes);
    usocket_iovec out = {bytes, sizeof bytes};
    usocket_msg msg = message(&out, 1, control, CMSG_SPACE(sizeof(uint16_t)));
    struct msghdr m = {.msg_control = control, .msg_controllen = msg.control_len};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    memcpy(CMSG_DATA(c), &(uint16_t){1000}, sizeof(uint16_t));
    GIVES(sizeof bytes, usocket_sendmsg(pair[1], &msg, 0));
    for (size_t got = 0; got < sizeof bytes;) {
        usocket_iovec room = {in, sizeof in};
        msg = message(&room, 1, control, sizeof control);
        int64_t n = OK(usocket_recvmsg(pair[0], &msg, 0));
        m = (struct msghdr){.msg_control = control, .msg_controllen = msg.control_len};
        c = CMSG_FIRSTHDR(&m);
        if (n > 1000) { // Joined: then it says of how many bytes each is.
            assert_non_null(c);
            assert_true(c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO);
            int size;
            memcpy(&size, CMSG_DATA(c), sizeof size);
            assert_int_equal(size, 1000);
        }
        got += (size_t)n;
    }
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void a_datagram_goes_to_the_address(void **state)
{
    (void)state;
    usocket_t a = bound_socket(AF_INET, SOCK_DGRAM), b = bound_socket(AF_INET, SOCK_DGRAM);
    usocket_addr to = name_of(b);
    usocket_iovec out = {"x", 1};
    usocket_msg msg = message(&out, 1, NULL, 0);
    GIVES(-EDESTADDRREQ, usocket_sendmsg(a, &msg, 0));
    msg.addr = &to;
    GIVES(1, usocket_sendmsg(a, &msg, 0));
    GIVES(1, usocket_recv(b, scratch, 9, 0));
    OK(usocket_close(a));
    OK(usocket_close(b));
}

static void it_follows_the_modes(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    usocket_iovec in = {scratch, sizeof scratch};
    usocket_msg msg = message(&in, 1, NULL, 0);
    GIVES(-EAGAIN, usocket_recvmsg(pair[0], &msg, MSG_DONTWAIT));
    OK(usocket_settimeout(pair[0], 50 * MS));
    int64_t began = now_us();
    GIVES(-ETIMEDOUT, usocket_recvmsg(pair[0], &msg, 0));
    assert_in_range(now_us() - began, 50 * MS, GENEROUS);
    fill(pair[0]);
    began = now_us();
    GIVES(-ETIMEDOUT, usocket_sendmsg(pair[0], &msg, 0));
    assert_in_range(now_us() - began, 50 * MS, GENEROUS);
    OK(usocket_setblocking(pair[0], 0));
    GIVES(-EAGAIN, usocket_recvmsg(pair[0], &msg, 0));
    GIVES(-EAGAIN, usocket_sendmsg(pair[0], &msg, 0));
    OK(usocket_close(pair[1]));
    GIVES(-EPIPE, usocket_sendmsg(pair[0], &msg, 0)); // and no SIGPIPE
    OK(usocket_close(pair[0]));
}

static void descriptors_come_close_on_exec(void **state)
{
    (void)state;
    const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    int before = open_descriptors();
    for (int t = 0; t < 3; t++) {
        usocket_t pair[2];
        int fds[2], got[8];
        OK(usocket_socketpair(AF_UNIX, types[t], 0, pair));
        assert_int_equal(pipe(fds), 0);
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fds)];
        usocket_iovec data = {scratch, 1};
        usocket_msg msg = message(&data, 1, control, rights(control, fds, 2));
        GIVES(1, usocket_sendmsg(pair[1], &msg, 0));
        close(fds[1]);
        msg = message(&data, 1, control, sizeof control);
        GIVES(1, usocket_recvmsg(pair[0], &msg, 0));
        assert_int_equal(rights_in(control, msg.control_len, got), 2);
        for (int i = 0; i < 2; i++)
            assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
        assert_int_equal(write(got[1], "p", 1), 1);
        assert_int_equal(read(fds[0], scratch, 1), 1);
        close(got[0]);
        close(got[1]);
        close(fds[0]);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    assert_int_equal(open_descriptors(), before);
}

// Descriptors that fit are returned, and no others are open afterwards.
static void cut_off_ancillary_data_leaks_nothing(void **state)
{
    (void)state;
    if (emulated())
        skip();
    int before = open_descriptors();
    for (size_t room = 0; room <= CMSG_SPACE(4 * sizeof(int)); room++) {
        usocket_t pair[2];
        int fds[4], got[8];
        OK(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
        for (int i = 0; i < 4; i++)
            fds[i] = open("/dev/null", O_RDONLY);
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fds)];
        usocket_iovec data = {scratch, 1};
        usocket_msg msg = message(&data, 1, control, rights(control, fds, 4));
        GIVES(1, usocket_sendmsg(pair[1], &msg, 0));
        for (int i = 0; i < 4; i++)
            close(fds[i]);
        int here = open_descriptors();
        if (room == 0) // and who does not know of such things gets none
            GIVES(1, usocket_recv(pair[0], scratch, 1, 0));
        else {
            msg = message(&data, 1, control, room);
            GIVES(1, usocket_recvmsg(pair[0], &msg, 0));
            assert_true(msg.control_len <= room);
            size_t n = rights_in(control, msg.control_len, got);
            assert_int_equal(!!(msg.flags & MSG_CTRUNC), n < 4);
            assert_int_equal(open_descriptors(), here + (int)n);
            while (n--)
                close(got[n]);
        }
        assert_int_equal(open_descriptors(), here);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    assert_int_equal(open_descriptors(), before);
}

struct receiver {
    usocket_t s;
    int64_t result;
};

static void *receives(void *arg)
{
    struct receiver *r = arg;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    usocket_msg msg = message(NULL, 0, control, sizeof control);
    r->result = usocket_recvmsg(r->s, &msg, 0);
    int got[8];
    if (r->result >= 0)
        for (size_t n = rights_in(control, msg.control_len, got); n--;)
            close(got[n]);
    return NULL;
}

// A message without data that comes while the handle is closed is -EBADF; its descriptor must not stay.
static void a_message_that_comes_with_the_close_leaks_nothing(void **state)
{
    (void)state;
    int null = open("/dev/null", O_RDONLY), before = open_descriptors(), late = 0, rounds = 0;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof null)];
    size_t len = rights(control, &null, 1);
    FOR_ROUNDS (i, 2000) {
        usocket_t pair[2];
        OK(usocket_socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
        struct receiver r = {.s = pair[0]};
        pthread_t thread;
        start_thread(&thread, receives, &r);
        usocket_msg msg = message(NULL, 0, control, len);
        rounds++;
        for (int spin = i % 100 * 20; spin--;)
            sched_yield();
        OK(usocket_sendmsg(pair[1], &msg, 0));
        OK(usocket_close(pair[0]));
        pthread_join(thread, NULL);
        late += r.result == -EBADF;
        OK(usocket_close(pair[1]));
    }
    print_message("    closed first: %d of %d\n", late, rounds);
    assert_int_equal(open_descriptors(), before);
    close(null);
}

static void the_number_is_never_more_than_the_room(void **state)
{
    (void)state;
    if (emulated())
        skip();
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_DGRAM, pair);
    GIVES(100, usocket_send(pair[1], scratch, 100, 0));
    char a[4], b[5];
    usocket_iovec in[] = {{a, 4}, {b, 5}};
    usocket_msg msg = message(in, 2, NULL, 0);
    GIVES(9, usocket_recvmsg(pair[0], &msg, MSG_PEEK | MSG_TRUNC));
    assert_true(msg.flags & MSG_TRUNC);
    msg = message(NULL, 0, NULL, 0);
    GIVES(100, usocket_recvmsg(pair[0], &msg, MSG_PEEK | MSG_TRUNC));
    usocket_iovec none = {a, 0};
    msg = message(&none, 1, NULL, 0);
    GIVES(0, usocket_recvmsg(pair[0], &msg, MSG_PEEK | MSG_TRUNC));
    msg = message(in, 2, NULL, 0);
    GIVES(9, usocket_recvmsg(pair[0], &msg, 0));
    assert_true(msg.flags & MSG_TRUNC);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void what_else_comes_beside_the_data(void **state)
{
    (void)state;
    if (emulated())
        skip();
    usocket_t s = bound_socket(AF_INET, SOCK_DGRAM);
    usocket_addr to = name_of(s);
    int on = 1;
    OK(usocket_setsockopt(s, IPPROTO_IP, IP_PKTINFO, &on, sizeof on));
    OK(usocket_setsockopt(s, IPPROTO_IP, IP_RECVTTL, &on, sizeof on));
    int ttl = 33;
    _Alignas(struct cmsghdr) char control[256] = {0};
    struct msghdr m = {.msg_control = control, .msg_controllen = CMSG_SPACE(sizeof ttl)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL, .cmsg_len = CMSG_LEN(sizeof ttl)};
    memcpy(CMSG_DATA(c), &ttl, sizeof ttl);
    usocket_iovec data = {scratch, 1};
    usocket_msg msg = message(&data, 1, control, m.msg_controllen);
    msg.addr = &to;
    GIVES(1, usocket_sendmsg(s, &msg, 0));
    msg = message(&data, 1, control, sizeof control);
    GIVES(1, usocket_recvmsg(s, &msg, 0));
    int seen = 0;
    m = (struct msghdr){.msg_control = control, .msg_controllen = msg.control_len};
    for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_type == IP_TTL)
            assert_int_equal(*(int *)CMSG_DATA(c), 33);
        seen |= 1 << c->cmsg_type;
    }
    assert_int_equal(seen, 1 << IP_TTL | 1 << IP_PKTINFO);
    OK(usocket_close(s));
}

static void what_is_refused(void **state)
{
    (void)state;
    if (emulated())
        skip();
    static usocket_iovec many[1025];
    usocket_t pair[2], sec = OK(usocket_socket(AF_INET, SOCK_STREAM, USOCKET_IPPROTO_SEC));
    OK(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    GIVES(1, usocket_send(pair[1], "x", 1, 0));
    int64_t (*const runs[])(usocket_t, usocket_msg *, int32_t) = {
        (int64_t(*)(usocket_t, usocket_msg *, int32_t))usocket_sendmsg, usocket_recvmsg};
    usocket_addr bad = {.storage = {AF_INET}, .len = 3};
    for (int i = 0; i < 2; i++) {
        usocket_iovec half = {(char *)NULL + 1, SIZE_MAX / 2}, two[] = {half, half}, null = {NULL, 1};
        usocket_iovec over = {scratch, (size_t)SSIZE_MAX + 1}, fine = {scratch, 1};
        const struct { int code; usocket_msg msg; } cases[] = {
            {-EFAULT, message(NULL, 1, NULL, 0)},
            {-EFAULT, message(&null, 1, NULL, 0)},
            {-EINVAL, message(&over, 1, NULL, 0)},
            {-EINVAL, message(two, 2, NULL, 0)},
            {-EINVAL, message(&fine, SIZE_MAX / 2, NULL, 0)},
            {-EFAULT, message((usocket_iovec *)((char *)&fine + 1), 1, NULL, 0)},
            {-EFAULT, message(&fine, 1, NULL, 1)},
            {-EINVAL, message(&fine, 1, scratch, (size_t)SSIZE_MAX + 1)},
            {-EMSGSIZE, message(many, 1025, NULL, 0)},
        };
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            usocket_msg msg = cases[c].msg;
            GIVES(cases[c].code, runs[i](pair[0], &msg, 0));
        }
        usocket_msg msg = message(&fine, 1, NULL, 0);
        GIVES(-EFAULT, runs[i](pair[0], NULL, 0));
        GIVES(-EBADF, runs[i](0, &msg, 0));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, runs[i](sec, &msg, 0));
        if (i == 0) {
            msg.addr = &bad;
            GIVES(-EINVAL, runs[i](pair[0], &msg, 0));
            _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
            msg = message(&fine, 1, control, rights(control, &(int){-1}, 1));
            GIVES(-EBADF, runs[i](pair[0], &msg, 0));
            ((struct cmsghdr *)control)->cmsg_len = 1;
            GIVES(-EINVAL, runs[i](pair[0], &msg, 0));
            usocket_addr here = name_of(pair[0]);
            msg = message(&fine, 1, NULL, 0);
            msg.addr = &here;
            GIVES(-EISCONN, runs[i](pair[0], &msg, 0));
        }
    }
    // Nothing of it has touched what was there.
    GIVES(1, usocket_recv(pair[0], scratch, 9, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
    OK(usocket_close(sec));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_one_message),
        cmocka_unit_test(segments_and_what_was_joined),
        cmocka_unit_test(a_datagram_goes_to_the_address),
        cmocka_unit_test(it_follows_the_modes),
        cmocka_unit_test(descriptors_come_close_on_exec),
        cmocka_unit_test(cut_off_ancillary_data_leaks_nothing),
        cmocka_unit_test(a_message_that_comes_with_the_close_leaks_nothing),
        cmocka_unit_test(the_number_is_never_more_than_the_room),
        cmocka_unit_test(what_else_comes_beside_the_data),
        cmocka_unit_test(what_is_refused),
    };
    return RUN(tests);
}
