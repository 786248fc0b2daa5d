// The memory of a thousand connections goes back to the system after they have ended.

#include "tls_support.h"

#include <sys/resource.h>

enum { MANY = 1000, MESSAGE = 4000 };

static usocket_t pairs[MANY][2];
static char bytes[MESSAGE];

// Of this process alone, without the pages of files.
static long resident_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (kib < 0 && fgets(line, sizeof line, f))
        sscanf(line, "RssAnon: %ld", &kib);
    fclose(f);
    return kib;
}

static void connections_come_and_go(int n, usocket_t client, usocket_t server)
{
    usocket_t poller = OK(usocket_poller_create());
    for (int i = 0; i < n; i++) {
        GIVES(0, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
        for (int end = 0; end < 2; end++)
            OK(usocket_setblocking(pairs[i][end], 0));
        OK(usocket_tls_wrap(pairs[i][0], client, "localhost", 0));
        OK(usocket_tls_wrap(pairs[i][1], server, NULL, 0));
        for (int done = 0; done < 2;)
            done = (usocket_tls_handshake(pairs[i][0]) == 0) + (usocket_tls_handshake(pairs[i][1]) == 0);
        OK(usocket_poller_add(poller, pairs[i][1], POLLIN, (uint64_t)i));
    }
    for (int i = 0; i < n; i++)
        GIVES(MESSAGE, usocket_send(pairs[i][0], bytes, MESSAGE, 0));
    // All of them have something to be read, which is decrypted.
    static usocket_event events[2 * MANY];
    GIVES(n, usocket_poller_wait(poller, events, 2 * MANY, -1));
    for (int i = 0; i < n; i++) {
        GIVES(MESSAGE, usocket_recv(pairs[i][1], bytes, MESSAGE, 0));
        GIVES(MESSAGE, usocket_send(pairs[i][1], bytes, MESSAGE, 0));
        GIVES(MESSAGE, usocket_recv(pairs[i][0], bytes, MESSAGE, 0));
    }
    for (int i = 0; i < n; i++)
        close_pair(pairs[i]);
    OK(usocket_close(poller));
}

static void what_a_crowd_had_goes_back(void **state)
{
    (void)state;
#ifndef __GLIBC__
    skip();
#endif
    // Whose memory is seen there?
    if (emulated())
        skip();
    struct rlimit few, enough;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &few), 0);
    enough = (struct rlimit){few.rlim_cur < 3 * MANY ? 3 * MANY : few.rlim_cur, few.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &enough) != 0)
        skip();
    usocket_t client = client_context(), server = server_context("server");
    connections_come_and_go(1, client, server);
    long before = resident_kib();
    for (int round = 0; round < 2; round++) {
        connections_come_and_go(MANY, client, server);
        long kept = resident_kib() - before;
        if (kept > 2048)
            fail_msg("round %d: %ld KiB stay", round, kept);
    }
    OK(usocket_close(client));
    OK(usocket_close(server));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_crowd_had_goes_back),
    };
    return RUN_TLS(tests);
}
