// Memory that is refused: an error code, never the end of the process; and closing, removing and
// waiting need none.

#include "support.h"

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);

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
void *memalign(size_t align, size_t n)
{
    return turn_down() ? NULL : __libc_memalign(align, n);
}
void *aligned_alloc(size_t align, size_t n)
{
    return memalign(align, n);
}
int posix_memalign(void **p, size_t align, size_t n)
{
    *p = memalign(align, n);
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
        MAY(usocket_poller_add(p[0], p[1], 0, POLLIN, 1));
    usocket_event e[200];
    for (int i = 0; i < MANY; i++) {
        MAY(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
        if (pairs[i][0] > 0 && p[0] > 0 && MAY(usocket_poller_add(p[0], pairs[i][0], 0, POLLOUT, 2)) == 0) {
            MUST(usocket_poller_wait(p[0], e, 1, 0) == 1);
            MUST(usocket_poller_wait(p[0], e, 200, 0) >= 1);
            MUST(usocket_poller_modify(p[0], pairs[i][0], 0, POLLIN | POLLOUT, 3) == 0);
            if (i % 3 == 0)
                MUST(usocket_poller_remove(p[0], pairs[i][0], 0) == 0);
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
                CHILD(open_descriptors() == before);
                part();
                CHILD(open_descriptors() == before);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets), cmocka_unit_test(test_pollers), cmocka_unit_test(test_polls),
        cmocka_unit_test(test_texts),   cmocka_unit_test(test_servers),
    };
    return RUN(tests);
}
