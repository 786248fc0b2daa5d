// Memory that is refused: an error code, never the end of the process; and closing, removing and
// waiting need none.

#include "support.h"

// The C library's own; musl has them where it is linked statically.
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

// Refused to this thread: the `from`-th allocation from now, and `more` after it.
static _Thread_local long from, more;
static _Thread_local bool refused;

static bool turn_down(void)
{
    if (from == 0 || --from > 0)
        return false;
    from = more-- > 0 ? 1 : 0;
    refused = true;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return turn_down() ? NULL : __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
    return turn_down() ? NULL : __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
    return turn_down() ? NULL : __libc_realloc(p, n);
}
#ifdef __GLIBC__
extern void *__libc_memalign(size_t, size_t);
void *memalign(size_t align, size_t n)
{
    return turn_down() ? NULL : __libc_memalign(align, n);
}
void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}
#endif
int posix_memalign(void **p, size_t align, size_t n)
{
#ifdef __GLIBC__
    *p = memalign(align, n);
#else
    *p = turn_down() ? NULL : aligned_alloc(align, n); // which has no second name in musl
#endif
    return *p ? 0 : ENOMEM;
}

// A call that may be refused memory: its value, or a code that says so.
static int64_t may_fail(int64_t value, const char *call)
{
    if (value < 0 && value != -ENOMEM && value != USOCKET_EAI_MEMORY) {
        fprintf(stderr, "%s gives %lld\n", call, (long long)value);
        _exit(1);
    }
    return value;
}
#define MAY(call) may_fail((call), #call)
// One that needs none.
#define MUST(condition) CHILD(condition)

static void close_all(usocket_t *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] > 0)
            MUST(usocket_close(s[i]) == 0);
}

static void sockets(void)
{
    enum { MANY = 200 };
    usocket_t s[MANY] = {0}, more_[4] = {0};
    for (int i = 0; i < MANY; i++)
        s[i] = MAY(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    if (s[0] > 0) {
        more_[0] = MAY(usocket_dup(s[0]));
        MUST(usocket_settimeout(s[0], 1000) == 0);
        int fd = usocket_detach(s[0]);
        MUST(fd >= 0);
        s[0] = MAY(usocket_from_fd(fd));
        if (s[0] < 0)
            MUST(close(fd) == 0);
    }
    MAY(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, more_ + 1));
    if (more_[1] > 0) {
        char c;
        MUST(usocket_send(more_[1], "x", 1, 0) == 1);
        MUST(usocket_recv(more_[2], &c, 1, 0) == 1);
    }
    close_all(s, MANY);
    close_all(more_, 4);
}

static void pollers(void)
{
    enum { MANY = 12 };
    usocket_t pairs[MANY][2] = {0}, p[2] = {0};
    p[0] = MAY(usocket_poller_create());
    p[1] = MAY(usocket_poller_create());
    if (p[0] > 0 && p[1] > 0)
        MAY(usocket_poller_add(p[0], p[1], POLLIN, 1));
    usocket_event e[200];
    for (int i = 0; i < MANY; i++) {
        MAY(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
        if (pairs[i][0] > 0 && p[0] > 0 && MAY(usocket_poller_add(p[0], pairs[i][0], POLLOUT, 2)) == 0) {
            MUST(usocket_poller_wait(p[0], e, 1, 0) == 1);
            MUST(usocket_poller_wait(p[0], e, 200, 0) >= 1);
            MUST(usocket_poller_modify(p[0], pairs[i][0], POLLIN | POLLOUT, 3) == 0);
            if (i % 3 == 0)
                MUST(usocket_poller_remove(p[0], pairs[i][0]) == 0);
        }
    }
    for (int i = 0; i < MANY; i++)
        close_all(pairs[i], 2);
    if (p[0] > 0) {
        MUST(usocket_poller_wake(p[0]) == 0);
        MUST(usocket_poller_wait(p[0], e, 200, -1) >= 0);
    }
    close_all(p, 2);
}

static void polls(void)
{
    enum { MANY = 40 };
    usocket_t pair[2] = {0};
    MAY(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    if (pair[0] <= 0)
        return;
    usocket_pollfd p[MANY];
    for (int i = 0; i < MANY; i++)
        p[i] = (usocket_pollfd){.socket = pair[0], .events = POLLOUT};
    MUST(usocket_poll(p, 16, 0) == 16);
    MAY(usocket_poll(p, MANY, 0));
    close_all(pair, 2);
}

static void texts(void)
{
    static const int64_t codes[] = {0, -EBADF, -4000, -9999, -10001, -10004, -10900, -20002, -20900, INT64_MIN};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        MUST(usocket_strerror(codes[i])[0] != '\0');
    char text[256];
    unsigned char four[4] = {127, 0, 0, 1};
    usocket_addr addr;
    MAY(usocket_inet_ntop(AF_INET, four, sizeof four, text, sizeof text));
    MAY(usocket_inet_pton(AF_INET, "127.0.0.1", four, sizeof four));
    if (MAY(usocket_addr_ip(AF_INET6, "::1", 80, 0, 0, &addr)) == 0) {
        MAY(usocket_addr_text(&addr, text, sizeof text));
        MAY(usocket_addr_host(&addr, text, sizeof text));
    }
    MAY(usocket_error_detail(0, text, sizeof text));
    usocket_addrinfo *list;
    if (MAY(usocket_getaddrinfo("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0, SECOND, &list)) == 0)
        usocket_freeaddrinfo(list);
    MAY(usocket_set_event_hook(NULL, NULL));
}

static void servers(void)
{
    usocket_addr any, at;
    usocket_t s[3] = {0};
    if (MAY(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &any)) < 0)
        return;
    s[0] = MAY(usocket_create_server(&any, 8, 0));
    if (s[0] > 0 && usocket_getsockname(s[0], &at) == 0) {
        s[1] = MAY(usocket_socket(AF_INET, SOCK_STREAM, 0));
        if (s[1] > 0) {
            MUST(usocket_connect(s[1], &at) == 0);
            usocket_addr peer;
            s[2] = MAY(usocket_accept(s[0], &peer));
        }
    }
    close_all(s, 3);
}

// Descriptors that the library's own thread keeps for a while.
static int kept;

// Without memory for its thread there is none.
static usocket_t under_way(const char *port)
{
    usocket_t c = usocket_connection_create("127.0.0.1", port, 10 * SECOND, NULL);
    return c == -EAGAIN ? c : MAY(c);
}

// Names, and connecting by them.
static void names(void)
{
    kept = 1;
    usocket_addr any, at;
    usocket_t server, s, c;
    char text[256], host[64];
    usocket_addrinfo *list;
    usocket_t q = MAY(usocket_query_create("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0));
    if (q > 0) {
        if (MAY(usocket_query_result(q, -1, &list)) == 0)
            MUST(usocket_freeaddrinfo(list) == 0);
        MUST(usocket_close(q) == 0);
    }
    // A sentence about a name as it was given.
    int r = usocket_getaddrinfo("h\xc3\xb6st.example", "80", 0, 0, 0, 0, SECOND, &list);
    MUST(r == USOCKET_EAI_NONAME && usocket_error_detail(0, text, sizeof text) > 0);
    if (MAY(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &any)) < 0)
        return;
    MAY(usocket_getnameinfo(&any, host, sizeof host, text, sizeof text, NI_NUMERICHOST | NI_NUMERICSERV, SECOND));
    if ((server = MAY(usocket_create_server(&any, 8, 0))) < 0)
        return;
    MUST(usocket_getsockname(server, &at) == 0);
    char port[8];
    snprintf(port, sizeof port, "%d", (int)usocket_addr_port(&at));
    if ((s = MAY(usocket_create_connection("127.0.0.1", port, 10 * SECOND, NULL))) > 0)
        MUST(usocket_close(s) == 0);
    if ((c = under_way(port)) > 0) {
        if ((s = usocket_connection_take(c, -1)) == -ENOMEM)
            s = MAY(usocket_connection_take(c, -1)); // It has not been lost.
        if (s > 0)
            MUST(usocket_close(s) == 0);
        MUST(usocket_close(c) == 0);
    }
    MUST(usocket_close(server) == 0);
    // Refused: what became of each address is told.
    s = usocket_create_connection("127.0.0.1", port, 10 * SECOND, NULL);
    if (s != -ECONNREFUSED)
        MAY(s);
    MAY(usocket_error_detail(0, text, sizeof text));
    if ((c = under_way(port)) > 0) {
        s = usocket_connection_take(c, -1);
        if (s != -ECONNREFUSED)
            MAY(s);
        MAY(usocket_error_detail(c, text, sizeof text));
        MUST(usocket_close(c) == 0);
    }
}

// Runs a part with each of its allocations refused, and with all from each on.
static void refused_memory(void (*part)(void), const char *name)
{
    for (int all = 0; all < 2; all++) {
        for (long k = 1;; k++) {
            pid_t child = fork();
            if (child == 0) {
                alarm(60);
                int before = open_descriptors();
                from = k;
                more = all ? LONG_MAX : 0;
                part();
                from = 0;
                CHILD(open_descriptors() <= before + kept);
                part();
                CHILD(open_descriptors() <= before + kept);
                _exit(refused ? 0 : 42);
            }
            int status;
            assert_int_equal(waitpid(child, &status, 0), child);
            if (WIFEXITED(status) && WEXITSTATUS(status) == 42) {
                assert_true(k > 1); // Something was refused.
                break;
            }
            if (status != 0)
                fail_msg("%s: allocation %ld%s: status %x", name, k, all ? " and all after" : "", status);
        }
    }
}

#define PART(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        refused_memory(name, #name); \
    }
PART(sockets)
PART(pollers)
PART(polls)
PART(texts)
PART(servers)
PART(names)

// The table of handles cannot grow: a connection that was made or has come stays where it is, and a
// descriptor its owner's.
static void test_no_handle_to_be_had(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        usocket_addr any, at;
        CHILD(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &any) == 0);
        usocket_t server = usocket_create_server(&any, 8, 0);
        CHILD(server > 0 && usocket_getsockname(server, &at) == 0);
        char port[8], c;
        snprintf(port, sizeof port, "%d", (int)usocket_addr_port(&at));
        usocket_t under_way = usocket_connection_create("127.0.0.1", port, -1, NULL);
        usocket_pollfd ready = {.socket = under_way, .events = POLLIN};
        CHILD(under_way > 0 && usocket_poll(&ready, 1, 10 * SECOND) == 1);
        int fds[2];
        CHILD(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
        // The next handle needs memory: a chunk is 128 slots.
        for (usocket_t last = 0; (last & 127) != 127;) {
            last = usocket_socket(AF_INET, SOCK_DGRAM, 0);
            CHILD(last > 0);
        }
        int before = open_descriptors();
        for (int again = 0; again < 2; again++) {
            more = LONG_MAX;
            from = 1;
            usocket_t taken = usocket_connection_take(under_way, 0);
            from = 1;
            usocket_t accepted = usocket_accept(server, NULL);
            from = 1;
            usocket_t owned = usocket_from_fd(fds[0]);
            from = 0;
            CHILD(taken == -ENOMEM && accepted == -ENOMEM && owned == -ENOMEM);
            CHILD(open_descriptors() == before && fcntl(fds[0], F_GETFD) == 0);
        }
        usocket_t taken = usocket_connection_take(under_way, 0);
        usocket_t accepted = usocket_accept(server, NULL);
        CHILD(taken > 0 && accepted > 0);
        CHILD(usocket_send(taken, "x", 1, 0) == 1 && usocket_recv(accepted, &c, 1, 0) == 1);
        usocket_t owned = usocket_from_fd(fds[0]);
        CHILD(owned > 0 && usocket_send(owned, "y", 1, 0) == 1 && read(fds[1], &c, 1) == 1);
        _exit(0);
    }
    child_ends_well(child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets), cmocka_unit_test(test_pollers), cmocka_unit_test(test_polls),
        cmocka_unit_test(test_texts),   cmocka_unit_test(test_servers), cmocka_unit_test(test_names),
        cmocka_unit_test(test_no_handle_to_be_had),
    };
    return RUN(tests);
}
