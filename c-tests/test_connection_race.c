// Connections to hosts with several addresses: attempts side by side.

#include "connection_support.h"

#include <sys/resource.h>

// Only the second address has a server: the first is refused at once.
static void the_next_address_is_tried_when_one_is_refused(void **state)
{
    (void)state;
    need_hosts();
    usocket_t server = server_on("127.0.0.1", 0, 0);
    int64_t begun = now_us();
    usocket_t c = OK(usocket_create_connection("both", port_of(server), GENEROUS, NULL));
    assert_true(now_us() - begun < GENEROUS);
    usocket_addr peer;
    OK(usocket_getpeername(c, &peer));
    assert_int_equal(usocket_addr_family(&peer), AF_INET);
    OK(usocket_close(c));
    OK(usocket_close(server));
}

// The first address, ::1, swallows connections (a full backlog): the second one gets its chance
// after the 250 ms of RFC 8305, and the first leaves nothing behind.
static void a_black_hole_costs_a_quarter_of_a_second(void **state)
{
    (void)state;
    need_hosts();
    usocket_t hole, clients[64];
    size_t n = full_listener(AF_INET6, &hole, clients, 64);
    usocket_addr a = name_of(hole);
    int port = (int)OK(usocket_addr_port(&a));
    usocket_t server = server_on("127.0.0.1", port, 0);
    int before = open_descriptors();
    int64_t begun = now_us();
    usocket_t c = OK(usocket_create_connection("both", port_of(server), GENEROUS, NULL));
    int64_t took = now_us() - begun;
    usocket_addr peer;
    OK(usocket_getpeername(c, &peer));
    assert_int_equal(usocket_addr_family(&peer), AF_INET);
    assert_true(took >= 250 * MS && took < GENEROUS);
    assert_int_equal(open_descriptors(), before + 1);
    OK(usocket_close(c));
    OK(usocket_close(server));
    while (n > 0)
        OK(usocket_close(clients[--n]));
    OK(usocket_close(hole));
}

// The first attempt, which hangs, has the one port there is to connect from.
static void attempts_share_the_port_of_the_source(void **state)
{
    (void)state;
    need_hosts();
    usocket_t server = hole_and_server();
    usocket_addr from = local_address(AF_INET, 0);
    usocket_t port = bound_socket(AF_INET, SOCK_STREAM);
    from = name_of(port);
    OK(usocket_close(port));
    usocket_t c = OK(usocket_create_connection("two", port_of(server), GENEROUS, &from));
    assert_true(connected_to(c, "127.0.0.2"));
    assert_string_equal(text_of(&from), text_of((usocket_addr[]){name_of(c)}));
    OK(usocket_close(c));
    OK(usocket_close(server));
    close_hole();
}

static void a_short_time_is_shared_out(void **state)
{
    (void)state;
    need_hosts();
    usocket_t server = hole_and_server();
    // A busy machine may be late for a part of that; were it not shared out, it would be too late each time.
    int64_t c = -ETIMEDOUT;
    for (int i = 0; i < 20 && c == -ETIMEDOUT; i++)
        c = usocket_create_connection("two", port_of(server), 240 * MS, NULL);
    OK(c);
    assert_true(connected_to(c, "127.0.0.2"));
    OK(usocket_close(c));
    OK(usocket_close(server));
    close_hole();
}

// The first attempt, which hangs, has the one descriptor there is.
static void what_an_attempt_lacks_another_one_gives(void **state)
{
    (void)state;
    need_hosts();
    usocket_t server = hole_and_server();
    char port[8];
    strcpy(port, port_of(server));
    struct used_up all;
    use_up_descriptors(&all);
    close(all.fds[--all.n]);
    int64_t c = usocket_create_connection("two", port, GENEROUS, NULL);
    give_descriptors_back(&all);
    assert_true(connected_to(OK(c), "127.0.0.2"));
    OK(usocket_close(c));
    OK(usocket_close(server));
    close_hole();
}

static void addresses_of_another_family_than_the_source_are_left_out(void **state)
{
    (void)state;
    need_hosts();
    usocket_t six = server_on("::1", 0, 0);
    usocket_addr a = name_of(six), from;
    usocket_t four = server_on("127.0.0.1", (int)OK(usocket_addr_port(&a)), 0);
    const char *sources[][2] = {{"127.0.0.2", "127.0.0.1"}, {"::1", "::1"}};
    for (int i = 0; i < 2; i++) {
        OK(usocket_addr_ip(0, sources[i][0], 0, 0, 0, &from));
        usocket_t c = OK(usocket_create_connection("both", port_of(six), GENEROUS, &from));
        assert_true(connected_to(c, sources[i][1]));
        OK(usocket_close(c));
    }
    GIVES(-EAFNOSUPPORT, usocket_create_connection("127.0.0.1", port_of(six), GENEROUS, &from));
    OK(usocket_addr_unix("/nowhere", 8, &from));
    GIVES(-EAFNOSUPPORT, usocket_create_connection("127.0.0.1", port_of(six), GENEROUS, &from));
    OK(usocket_close(four));
    OK(usocket_close(six));
}

// One address refuses, the other swallows: at the deadline the refusal is told, and both are listed.
static void the_end_of_the_time_tells_what_happened(void **state)
{
    (void)state;
    need_hosts();
    if (!has_ipv6())
        skip();
    n_clients = full_listener(AF_INET, &hole, clients, 64);
    char refused[64], late[64], detail[512];
    sprintf(refused, "[::1]:%s: %s after ", port_of(hole), strerror(ECONNREFUSED));
    sprintf(late, "127.0.0.1:%s: %s after ", port_of(hole), strerror(ETIMEDOUT));
    GIVES(-ECONNREFUSED, usocket_create_connection("both", port_of(hole), 400 * MS, NULL));
    OK(usocket_error_detail(0, detail, sizeof detail));
    assert_non_null(strstr(detail, refused));
    assert_non_null(strstr(detail, late));
    usocket_connection_t c = OK(usocket_connection_create("both", port_of(hole), 400 * MS, NULL));
    GIVES(-ECONNREFUSED, usocket_connection_take(c, GENEROUS));
    GIVES(-ECONNREFUSED, usocket_connection_take(c, 0));
    OK(usocket_error_detail(c, detail, sizeof detail));
    assert_non_null(strstr(detail, refused));
    assert_non_null(strstr(detail, late));
    usocket_addr addr;
    int32_t error;
    int64_t after;
    OK(usocket_connection_failure(c, 0, &addr, &error, &after));
    assert_int_equal(usocket_addr_family(&addr), AF_INET6);
    assert_int_equal(error, -ECONNREFUSED);
    assert_in_range(after, 0, GENEROUS);
    OK(usocket_connection_failure(c, 1, &addr, &error, &after));
    assert_int_equal(error, -ETIMEDOUT);
    assert_true(after >= 400 * MS);
    OK(usocket_connection_failure(c, 1, NULL, NULL, NULL));
    GIVES(-ENOENT, usocket_connection_failure(c, 2, &addr, &error, &after));
    OK(usocket_close(c));
    close_hole();
}

// Twenty addresses that swallow: each is tried, at most sixteen at a time.
static void attempts_under_way_are_few(void **state)
{
    (void)state;
    need_hosts();
    usocket_t all = server_on("0.0.0.0", 0, 0);
    OK(usocket_listen(all, 0));
    usocket_addr a = name_of(all);
    int port = (int)OK(usocket_addr_port(&a));
    OK(usocket_addr_ip(0, "127.0.0.1", port, 0, 0, &a));
    n_clients = 0;
    for (int64_t r = 0; r != -ETIMEDOUT; n_clients++) {
        assert_true(n_clients < 64);
        clients[n_clients] = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
        OK(usocket_settimeout(clients[n_clients], 200 * MS));
        r = usocket_connect(clients[n_clients], &a);
    }
    int before = open_descriptors(), most = 0;
    usocket_connection_t c = OK(usocket_connection_create("twenty", port_of(all), 4 * SECOND, NULL));
    int64_t r;
    while ((r = usocket_connection_take(c, 20 * MS)) == -ETIMEDOUT && open_descriptors() > before + 1)
        most = open_descriptors() > most ? open_descriptors() : most;
    GIVES(-ETIMEDOUT, usocket_connection_take(c, GENEROUS));
    assert_in_range(most - before, 10, 16 + 2); // the handle's own, and the thread's
    int n = 0;
    while (usocket_connection_failure(c, n, NULL, NULL, NULL) == 0)
        n++;
    assert_int_equal(n, 20);
    OK(usocket_close(c));
    hole = all;
    close_hole();
}

int main(void)
{
    hosts_of_our_own();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_address_is_tried_when_one_is_refused),
        cmocka_unit_test(a_black_hole_costs_a_quarter_of_a_second),
        cmocka_unit_test(attempts_share_the_port_of_the_source),
        cmocka_unit_test(a_short_time_is_shared_out),
        cmocka_unit_test(what_an_attempt_lacks_another_one_gives),
        cmocka_unit_test(addresses_of_another_family_than_the_source_are_left_out),
        cmocka_unit_test(the_end_of_the_time_tells_what_happened),
        cmocka_unit_test(attempts_under_way_are_few),
    };
    return RUN(tests);
}
