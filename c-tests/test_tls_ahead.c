// How much a wrapped socket reads from the kernel, and feeding it bytes received before.

#include "tls_support.h"

#include <sys/ioctl.h>

static usocket_t client, server;

static int set_up(void **state)
{
    (void)state;
    if (!has_tls())
        return 0;
    client = context(USOCKET_TLS_CLIENT);
    server = context(USOCKET_TLS_SERVER);
    GIVES(1, usocket_tls_context_add_trust_file(client, in_certs("ca.pem")));
    OK(usocket_tls_context_add_cert_file(server, in_certs("server.pem"), in_certs("server-key.pem")));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (has_tls()) {
        OK(usocket_close(client));
        OK(usocket_close(server));
    }
    return 0;
}

// Wraps both ends of a new pair, the client's with `flags`.
static void pair_with(usocket_t pair[2], int32_t flags)
{
    pthread_t thread;
    void *theirs;
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_tls_wrap(pair[0], client, "localhost", flags));
    OK(usocket_tls_wrap(pair[1], server, NULL, 0));
    start_thread(&thread, do_handshake, &pair[1]);
    OK(usocket_tls_handshake(pair[0]));
    pthread_join(thread, &theirs);
    assert_int_equal((intptr_t)theirs, 0);
}

static int in_kernel(usocket_t s)
{
    int n = -1;
    OK(ioctl(OK(usocket_fileno(s)), FIONREAD, &n));
    return n;
}

// Whether select(2) says so.
static bool readable(usocket_t s)
{
    struct pollfd p = {.fd = OK(usocket_fileno(s)), .events = POLLIN};
    return OK(poll(&p, 1, 0)) == 1;
}

static void wait_for_bytes(usocket_t s, int n)
{
    for (int64_t begun = now_us(); in_kernel(s) < n; usleep(1000))
        assert_true(now_us() - begun < GENEROUS);
}

// select(2) reports data in the kernel, usocket_tls_pending data in the library.
static void one_record_at_a_time(void **state)
{
    (void)state;
    static char data[60000], buf[60000];
    usocket_t pair[2];
    for (int timed = 0; timed < 2; timed++) {
        pair_with(pair, USOCKET_TLS_NO_READ_AHEAD);
        if (timed)
            OK(usocket_settimeout(pair[0], GENEROUS));
        GIVES(1, usocket_send(pair[1], "1", 1, 0));
        GIVES(1, usocket_recv(pair[0], buf, 1, 0)); // the tickets as well
        assert_false(readable(pair[0]));
        for (char c = '0'; c < '5'; c++)
            GIVES(1, usocket_send(pair[1], &c, 1, 0));
        wait_for_bytes(pair[0], 5 * 23);
        for (char c = '0'; c < '5'; c++) {
            assert_true(readable(pair[0]));
            GIVES(1, usocket_recv(pair[0], buf, sizeof buf, 0));
            assert_int_equal(buf[0], c);
            GIVES(0, usocket_tls_pending(pair[0]));
        }
        assert_false(readable(pair[0]));
        // The rest of a partly read record is pending. Large records are read whole.
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (char)(i * 7 / 5);
        GIVES(sizeof data, usocket_send(pair[1], data, sizeof data, 0));
        size_t at = 0;
        while (at < sizeof data) {
            int64_t n = OK(usocket_recv(pair[0], buf + at, at % 3 ? 700 : sizeof buf - at, 0));
            at += (size_t)n;
            assert_true(at == sizeof data || usocket_tls_pending(pair[0]) || in_kernel(pair[0]) ||
                        OK(usocket_poll(&(usocket_pollfd){pair[0], -1, POLLIN, 0}, 1, GENEROUS)));
        }
        assert_memory_equal(buf, data, sizeof data);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

static void *unwrap(void *s)
{
    return (void *)(intptr_t)usocket_tls_unwrap(*(usocket_t *)s);
}

// Nothing after the peer's close_notify is read: the descriptor goes on where TLS has ended.
static void what_follows_the_goodbye_stays(void **state)
{
    (void)state;
    usocket_t pair[2];
    pthread_t thread;
    void *theirs;
    char buf[10];
    pair_with(pair, USOCKET_TLS_NO_READ_AHEAD);
    GIVES(1, usocket_send(pair[0], "x", 1, 0));
    GIVES(1, usocket_recv(pair[1], buf, 1, 0));
    start_thread(&thread, unwrap, &pair[1]);
    OK(usocket_tls_unwrap(pair[0]));
    pthread_join(thread, &theirs);
    assert_int_equal((intptr_t)theirs, 0);
    int fd = OK(usocket_detach(pair[0]));
    GIVES(5, usocket_send(pair[1], "plain", 5, 0));
    assert_int_equal(read(fd, buf, sizeof buf), 5);
    assert_memory_equal(buf, "plain", 5);
    close(fd);
    OK(usocket_close(pair[1]));
    // With close_notify there before the first receive.
    pair_with(pair, USOCKET_TLS_NO_READ_AHEAD);
    GIVES(2, usocket_send(pair[1], "ab", 2, 0));
    OK(usocket_shutdown(pair[1], SHUT_WR));
    GIVES(2, usocket_recv(pair[0], buf, sizeof buf, 0));
    GIVES(0, usocket_recv(pair[0], buf, sizeof buf, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

// A server looks at the ClientHello, and then decides how to answer.
static void what_was_received_before(void **state)
{
    (void)state;
    static char hello[1 << 17];
    const int32_t flags[] = {0, USOCKET_TLS_NO_READ_AHEAD};
    for (int i = 0; i < 4; i++) {
        usocket_t pair[2];
        pthread_t thread;
        void *theirs;
        connected_pair(AF_INET, SOCK_STREAM, pair);
        OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
        start_thread(&thread, do_handshake, &pair[0]);
        // A part of it or all there is.
        int64_t n = OK(usocket_recv(pair[1], hello, i / 2 ? 3 : sizeof hello, 0));
        GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_feed(pair[1], hello, (size_t)n));
        OK(usocket_tls_wrap(pair[1], server, NULL, flags[i % 2]));
        GIVES(-EMSGSIZE, usocket_tls_feed(pair[1], hello, sizeof hello));
        GIVES(0, usocket_tls_feed(pair[1], NULL, 0));
        GIVES(n, usocket_tls_feed(pair[1], hello, (size_t)n));
        // The kernel has no input, but the handshake can continue: poll and poller report it.
        usocket_pollfd p = {pair[1], -1, POLLIN, 0};
        GIVES(1, usocket_poll(&p, 1, GENEROUS));
        usocket_poller_t poller = OK(usocket_poller_create());
        usocket_event e;
        OK(usocket_poller_add(poller, pair[1], POLLIN, 0));
        GIVES(1, usocket_poller_wait(poller, &e, 1, GENEROUS));
        assert_int_equal(usocket_tls_wants(pair[1]), POLLIN | POLLOUT);
        OK(usocket_close(poller));
        OK(usocket_tls_handshake(pair[1]));
        GIVES(-EISCONN, usocket_tls_feed(pair[1], hello, 1));
        pthread_join(thread, &theirs);
        assert_int_equal((intptr_t)theirs, 0);
        GIVES(2, usocket_send(pair[1], "hi", 2, 0));
        GIVES(2, usocket_recv(pair[0], hello, 2, 0));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

// By default what has come is taken at once, and given at once.
static void all_that_has_come_at_once(void **state)
{
    (void)state;
    usocket_t pair[2];
    char buf[10];
    pair_with(pair, 0);
    // With the server's tickets out of the way.
    GIVES(1, usocket_send(pair[1], "0", 1, 0));
    GIVES(1, usocket_recv(pair[0], buf, 1, 0));
    assert_int_equal(in_kernel(pair[0]), 0);
    GIVES(1, usocket_send(pair[1], "1", 1, 0));
    wait_for_bytes(pair[0], 1);
    int one = in_kernel(pair[0]);
    GIVES(1, usocket_send(pair[1], "2", 1, 0));
    wait_for_bytes(pair[0], 2 * one);
    GIVES(2, usocket_recv(pair[0], buf, sizeof buf, 0));
    assert_memory_equal(buf, "12", 2);
    GIVES(1, usocket_send(pair[1], "3", 1, 0));
    GIVES(1, usocket_send(pair[1], "4", 1, 0));
    wait_for_bytes(pair[0], 2 * one);
    GIVES(1, usocket_recv(pair[0], buf, 1, 0));
    assert_int_equal(in_kernel(pair[0]), 0);
    GIVES(1, usocket_tls_pending(pair[0]));
    close_pair(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_record_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_follows_the_goodbye_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_received_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_that_has_come_at_once, set_up, tear_down),
    };
    return RUN_TLS(tests);
}
