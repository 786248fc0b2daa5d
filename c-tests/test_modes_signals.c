// Signals: deadlines hold, no byte is lost, and the event hook says what goes on.

#include "support.h"

static char scratch[1 << 10];

static void a_timeout_survives_a_storm_of_signals(void **state)
{
    (void)state;
    usocket_t s = bound_socket(AF_INET, SOCK_DGRAM), listener = listening_socket(AF_INET, 1);
    usocket_t full, clients[8], c = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    full_listener(AF_INET, &full, clients, 8);
    usocket_addr to = name_of(full);
    OK(usocket_settimeout(s, 500 * MS));
    OK(usocket_settimeout(listener, 500 * MS));
    OK(usocket_settimeout(c, 500 * MS));
    usocket_pollfd p = {.socket = s, .events = POLLIN};
    for (int i = 0; i < 4; i++) {
        alarms(1 * MS, true);
        int64_t began = now_us(), r = 0;
        switch (i) {
        case 0: r = usocket_recv(s, scratch, 1, 0); break;
        case 1: r = usocket_accept(listener, NULL); break;
        case 2: r = usocket_connect(c, &to); break;
        case 3: r = usocket_poll(&p, 1, 500 * MS); break;
        }
        int64_t took = now_us() - began;
        alarms(0, false);
        assert_int_equal(r, i == 3 ? 0 : -ETIMEDOUT);
        // It neither ends early nor starts again with each signal.
        assert_in_range(took, 500 * MS, GENEROUS);
    }
    OK(usocket_close(s));
    OK(usocket_close(listener));
    OK(usocket_close(c));
}

// In blocking mode the kernel ends a call that has done a part with that part, and not with EINTR.
static void the_hook_stops_what_has_done_a_part(void **state)
{
    (void)state;
    static char much[16 << 20];
    usocket_t pair[2];
    OK(usocket_set_event_hook(stop_hook, NULL));
    for (int64_t timeout = -1; timeout < GENEROUS; timeout += 1 + GENEROUS) {
        connected_pair(AF_INET, SOCK_STREAM, pair);
        OK(usocket_settimeout(pair[0], timeout));
        alarms(20 * MS, true);
        int64_t sent = usocket_sendall(pair[0], much, sizeof much, 0);
        alarms(0, false);
        assert_int_equal(sent, -EINTR);
        // The bytes are returned, and the next call reports the reason of the short read.
        OK(usocket_send(pair[1], "part", 4, 0));
        alarms(20 * MS, true);
        int64_t got = usocket_read(pair[0], scratch, 100);
        alarms(0, false);
        assert_int_equal(got, 4);
        GIVES(-EINTR, usocket_read(pair[0], scratch, 100));
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    OK(usocket_set_event_hook(NULL, NULL));
}

static void blocking_operations_go_on_through_signals(void **state)
{
    (void)state;
    FOR_EACH_KIND(k) {
        usocket_t pair[2];
        connected_pair(k->family, k->type, pair);
        pid_t child = fork();
        if (child == 0) {
            poll(NULL, 0, 30);
            CHILD(usocket_send(pair[1], "x", 1, 0) == 1);
            _exit(0);
        }
        alarms(1 * MS, true);
        int64_t r = usocket_recv(pair[0], scratch, 1, 0);
        alarms(0, false);
        assert_int_equal(r, 1);
        child_ends_well(child);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
    // Not a byte is lost or doubled by a transfer under fire.
    static unsigned char block[8 << 20], back[sizeof block];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = i * 2654435761u >> 24;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    pid_t child = fork();
    if (child == 0) {
        alarms(1 * MS, true);
        CHILD(usocket_sendall(pair[1], block, sizeof block, 0) == 0);
        CHILD(usocket_close(pair[1]) == 0);
        _exit(0);
    }
    alarms(1 * MS, true);
    int64_t n = usocket_read(pair[0], back, sizeof back);
    alarms(0, false);
    assert_int_equal(n, sizeof back);
    assert_memory_equal(back, block, sizeof back);
    child_ends_well(child);
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeout_survives_a_storm_of_signals),
        cmocka_unit_test(the_hook_stops_what_has_done_a_part),
        cmocka_unit_test(blocking_operations_go_on_through_signals),
    };
    return RUN(tests);
}
