// TLS on sockets that do not block, and polls of them.

#include "inside.h"
#include "tls_support.h"

#include <fcntl.h>
#include <sys/resource.h>

// Exported keying material is available after the handshake, not during it.
static void nothing_is_exported_before_the_handshake_ends(void **state)
{
    (void)state;
    usocket_t pair[2];
    usocket_t client = client_context(), server = server_context("server");
    unsigned char bytes[32];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    for (int i = 0; i < 2; i++)
        OK(usocket_settimeout(pair[i], 0));
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    int64_t done[2] = {-EAGAIN, -EAGAIN};
    int64_t begun = now_us();
    while (done[0] || done[1]) {
        assert_true(now_us() - begun < GENEROUS);
        for (int i = 0; i < 2; i++) {
            if (done[i]) {
                GIVES(-ENOTCONN, usocket_tls_channel_binding(pair[i], bytes, sizeof bytes));
                GIVES(-ENOTCONN, usocket_tls_export(pair[i], "label", NULL, 0, bytes, sizeof bytes));
                GIVES(0, usocket_tls_version(pair[i]));
            }
            done[i] = done[i] ? usocket_tls_handshake(pair[i]) : 0;
            assert_true(done[i] == 0 || done[i] == -EAGAIN);
        }
    }
    GIVES(32, usocket_tls_channel_binding(pair[0], bytes, sizeof bytes));
    OK(usocket_close(client));
    OK(usocket_close(server));
    close_pair(pair);
}

static struct {
    usocket_poller_t poller;
    int32_t its_own; // what a wait in the callback gave
    _Atomic bool inside, goes_on;
} slow;

static int32_t slow_callback(void *arg, const uint8_t *der, size_t len, int32_t depth)
{
    (void)arg, (void)der, (void)len;
    usocket_event event;
    if (depth)
        return 0;
    slow.its_own = usocket_poller_wait(slow.poller, &event, 1, 10 * MS);
    slow.inside = true;
    for (int64_t begun = now_us(); !slow.goes_on && now_us() - begun < GENEROUS;)
        usleep(1000);
    return 0;
}

// While a verify callback runs, the kernel says that the socket is writable, and it is not.
static void a_poller_keeps_its_time_beside_a_slow_callback(void **state)
{
    (void)state;
    usocket_t pair[2];
    usocket_t client = client_context(), server = server_context("server");
    usocket_event event;
    pthread_t threads[2];
    void *ended;
    OK(usocket_tls_context_set_verify_callback(client, slow_callback, NULL));
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    slow.poller = OK(usocket_poller_create());
    OK(usocket_poller_add(slow.poller, pair[0], POLLIN | POLLOUT, 7));
    for (int i = 0; i < 2; i++)
        start_thread(&threads[i], do_handshake, &pair[i]);
    int64_t begun = now_us();
    while (!slow.inside && now_us() - begun < GENEROUS)
        usleep(1000);
    GIVES(0, slow.its_own);
    begun = now_us();
    GIVES(0, usocket_poller_wait(slow.poller, &event, 1, 50 * MS));
    assert_in_range(now_us() - begun, 50 * MS, GENEROUS / 2);
    GIVES(0, usocket_poller_wait(slow.poller, &event, 1, 0));
    assert_true(now_us() - begun < GENEROUS / 2);
    slow.goes_on = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &ended), 0);
        assert_null(ended);
    }
    GIVES(1, usocket_poller_wait(slow.poller, &event, 1, GENEROUS));
    assert_int_equal(event.events, POLLOUT);
    OK(usocket_close(slow.poller));
    OK(usocket_close(client));
    OK(usocket_close(server));
    close_pair(pair);
}

// Buffers of the smallest, and a poll that is believed.
static void a_state_machine_with_almost_no_buffers(void **state)
{
    (void)state;
    enum { TOTAL = 60000 };
    static unsigned char out[TOTAL], in[TOTAL];
    usocket_t pair[2];
    usocket_t client = client_context(), server = server_context("server");
    for (int i = 0; i < TOTAL; i++)
        out[i] = i * 7;
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    for (int i = 0; i < 2; i++) {
        OK(usocket_setsockopt_int(pair[i], SOL_SOCKET, SO_SNDBUF, 1));
        OK(usocket_setsockopt_int(pair[i], SOL_SOCKET, SO_RCVBUF, 1));
        OK(usocket_settimeout(pair[i], 0));
    }
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    size_t sent = 0, got = 0;
    int64_t begun = now_us();
    while (got < TOTAL) {
        assert_true(now_us() - begun < GENEROUS);
        usocket_pollfd p[2] = {{pair[0], -1, POLLOUT, 0}, {pair[1], -1, POLLIN, 0}};
        assert_true(OK(usocket_poll(p, 2, GENEROUS)) > 0);
        if (p[0].revents) {
            int64_t n = sent < TOTAL ? usocket_send(pair[0], out + sent, TOTAL - sent, 0) : 0;
            assert_true(n >= 0 || n == -EAGAIN);
            sent += n > 0 ? n : 0;
        }
        if (p[1].revents) {
            int64_t n = usocket_recv(pair[1], in + got, TOTAL - got < 999 ? TOTAL - got : 999, 0);
            assert_true(n > 0 || n == -EAGAIN);
            got += n > 0 ? n : 0;
        }
    }
    assert_memory_equal(in, out, TOTAL);
    OK(usocket_close(client));
    OK(usocket_close(server));
    close_pair(pair);
}

static void poll_tells_the_truth(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[100];
    tls_pair(AF_INET, pair);
    usocket_pollfd p = {pair[0], -1, POLLIN, 0};
    // The server's tickets have come: nothing a recv would give.
    GIVES(0, usocket_poll(&p, 1, 20 * MS));
    GIVES(100, usocket_send(pair[1], buf, 100, 0));
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    GIVES(60, usocket_recv(pair[0], buf, 60, 0));
    GIVES(40, usocket_tls_pending(pair[0]));
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    assert_int_equal(p.revents, POLLIN);
    GIVES(40, usocket_recv(pair[0], buf, 60, 0));
    GIVES(0, usocket_poll(&p, 1, 0));
    close_pair(pair);
}

// One poller's check reads the bytes from the kernel: the other pollers are still notified.
static void every_poller_is_told(void **state)
{
    (void)state;
    char buf[100];
    usocket_event e;
    for (int edge = 0; edge < 2; edge++) {
        usocket_t pair[2], pollers[] = {OK(usocket_poller_create()), OK(usocket_poller_create())};
        tls_pair(AF_INET, pair);
        usocket_pollfd p = {pair[0], -1, POLLIN, 0};
        uint32_t mask = POLLIN | (edge ? USOCKET_POLLER_EDGE : 0);
        for (int i = 0; i < 2; i++) {
            OK(usocket_poller_add(pollers[i], pair[0], mask, 7));
            GIVES(0, usocket_poller_wait(pollers[i], &e, 1, 20 * MS));
        }
        for (int first = 0; first < 3; first++) {
            GIVES(10, usocket_send(pair[1], buf, 10, 0));
            for (int i = 0; i < 3; i++) {
                int who = (first + i) % 3;
                GIVES(1, who == 2 ? usocket_poll(&p, 1, GENEROUS) : usocket_poller_wait(pollers[who], &e, 1, GENEROUS));
            }
            if (edge)
                GIVES(0, usocket_poller_wait(pollers[0], &e, 1, 20 * MS)); // once
            GIVES(10, usocket_recv(pair[0], buf, 10, 0));
            for (int i = 0; i < 2; i++)
                GIVES(0, usocket_poller_wait(pollers[i], &e, 1, 20 * MS));
        }
        close_pair(pair);
        OK(usocket_close(pollers[0]));
        OK(usocket_close(pollers[1]));
    }
}

// As many entries as there may be descriptors, and then none to be had for what the poll itself needs.
static void poll_of_all_that_there_may_be(void **state)
{
    (void)state;
    usocket_t pair[2];
    usocket_pollfd all[100];
    int fill[100], n = 0;
    char c;
    tls_pair(AF_INET, pair);
    struct rlimit was, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few = (struct rlimit){100, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (size_t i = 0; i < 100; i++)
        all[i] = (usocket_pollfd){0, -1, POLLIN, 0};
    all[50].socket = pair[0];
    for (int i = 0; i < 2; i++) {
        // The server's tickets are nothing to tell of.
        GIVES(0, usocket_poll(all, 100, 20 * MS));
        GIVES(1, usocket_send(pair[1], "x", 1, 0));
        GIVES(1, usocket_poll(all, 100, GENEROUS));
        GIVES(1, usocket_recv(pair[0], &c, 1, 0));
        while (n < 100 && (fill[n] = dup(0)) >= 0)
            n++;
    }
    while (n > 0)
        close(fill[--n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    close_pair(pair);
}

// What was not asked for is not reported, whatever is there.
static void a_poll_for_output_alone_says_nothing_of_input(void **state)
{
    (void)state;
    usocket_t pair[2];
    char c;
    tls_pair(AF_UNIX, pair);
    GIVES(1, usocket_send(pair[1], "x", 1, 0));
    usocket_pollfd one = {pair[0], -1, POLLOUT, 0};
    for (int i = 0; i < 2; i++) {
        GIVES(1, usocket_poll(&one, 1, GENEROUS));
        assert_int_equal(one.revents, POLLOUT);
        // The second time the data is in the session already.
        usocket_pollfd both = {pair[0], -1, POLLIN | POLLOUT, 0};
        GIVES(1, usocket_poll(&both, 1, GENEROUS));
        assert_int_equal(both.revents, POLLIN | POLLOUT);
    }
    GIVES(1, usocket_recv(pair[0], &c, 1, 0));
    close_pair(pair);
    // Nor in a handshake, which can go on: that is told as what was asked for.
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    usocket_t client = client_context(), server = server_context("server");
    OK(usocket_settimeout(pair[0], 0));
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    GIVES(-EAGAIN, usocket_tls_handshake(pair[0]));
    for (int i = 0; i < 2; i++) {
        usocket_pollfd asked = {pair[1], -1, i ? POLLIN : POLLOUT, 0};
        GIVES(1, usocket_poll(&asked, 1, GENEROUS));
        assert_int_equal(asked.revents, asked.events);
    }
    OK(usocket_close(client));
    OK(usocket_close(server));
    close_pair(pair);
}

// An error of TLS takes nothing away from what the kernel says.
static void an_error_of_tls_and_one_of_the_kernel(void **state)
{
    (void)state;
    usocket_t pair[2], client = client_context();
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_sendall(pair[1], "no TLS at all", 13, 0));
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    assert_true(usocket_tls_handshake(pair[0]) < 0);
    usocket_pollfd one = {pair[0], -1, POLLIN, 0};
    GIVES(1, usocket_poll(&one, 1, GENEROUS));
    assert_int_equal(one.revents & (POLLIN | POLLERR), POLLIN | POLLERR);
    struct linger now = {1, 0};
    OK(usocket_setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &now, sizeof now));
    OK(usocket_close(pair[1]));
    struct pollfd kernels = {(int)OK(usocket_fileno(pair[0])), 0, 0};
    assert_int_equal(poll(&kernels, 1, GENEROUS / 1000), 1);
    GIVES(1, usocket_poll(&one, 1, GENEROUS));
    assert_int_equal(one.revents & (POLLIN | POLLERR), POLLIN | POLLERR);
    OK(usocket_close(pair[0]));
    OK(usocket_close(client));
}

// O_NONBLOCK is the descriptor's: other code, in any process, may set it. The socket's mode is what counts.
static void a_descriptor_made_non_blocking_by_others_blocks(void **state)
{
    (void)state;
    usocket_t pair[2];
    tls_pair(AF_UNIX, pair);
    int fd = (int)OK(usocket_fileno(pair[0]));
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
    struct inside in = {.handle = pair[0], .operation = in_recv};
    begin(&in);
    GIVES(1, usocket_send(pair[1], "x", 1, 0));
    GIVES(1, end(&in));
    close_pair(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_exported_before_the_handshake_ends),
        cmocka_unit_test(a_state_machine_with_almost_no_buffers),
        cmocka_unit_test(poll_tells_the_truth),
        cmocka_unit_test(a_poller_keeps_its_time_beside_a_slow_callback),
        cmocka_unit_test(every_poller_is_told),
        cmocka_unit_test(poll_of_all_that_there_may_be),
        cmocka_unit_test(a_poll_for_output_alone_says_nothing_of_input),
        cmocka_unit_test(an_error_of_tls_and_one_of_the_kernel),
        cmocka_unit_test(a_descriptor_made_non_blocking_by_others_blocks),
    };
    return RUN_TLS(tests);
}
