// Connections and servers by name, in one call. Attempts side by side: test_connection_race.c.

#include "connection_support.h"

#include <sched.h>
#include <sys/resource.h>

static void by_name_and_by_number(void **state)
{
    (void)state;
    usocket_t server = server_on("::", 0, USOCKET_SERVER_DUAL_STACK);
    const char *hosts[] = {"localhost", "127.0.0.1", "::1", NULL, ""};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        usocket_t c = OK(usocket_create_connection(hosts[i], port_of(server), GENEROUS, NULL));
        usocket_t peer = OK(usocket_accept(server, NULL));
        OK(usocket_write(c, "hello", 5));
        char buf[5];
        GIVES(5, usocket_read(peer, buf, 5));
        int64_t timeout;
        OK(usocket_gettimeout(c, &timeout));
        assert_int_equal(timeout, GENEROUS);
        OK(usocket_close(c));
        OK(usocket_close(peer));
    }
    // Without a limit the socket blocks.
    usocket_t c = OK(usocket_create_connection("::1", port_of(server), -1, NULL));
    int64_t timeout;
    OK(usocket_gettimeout(c, &timeout));
    assert_int_equal(timeout, -1);
    assert_int_equal(fcntl((int)OK(usocket_fileno(c)), F_GETFL) & O_NONBLOCK, 0);
    OK(usocket_close(c));
    OK(usocket_close(server));
}

static void one_deadline_for_it_all(void **state)
{
    (void)state;
    usocket_t hole, clients[64];
    size_t n = full_listener(AF_INET, &hole, clients, 64);
    int before = open_descriptors();
    int64_t begun = now_us();
    GIVES(-ETIMEDOUT, usocket_create_connection("127.0.0.1", port_of(hole), 300 * MS, NULL));
    int64_t took = now_us() - begun;
    assert_true(took >= 300 * MS && took < GENEROUS);
    assert_int_equal(open_descriptors(), before);
    while (n > 0)
        OK(usocket_close(clients[--n]));
    OK(usocket_close(hole));
}

static void what_cannot_be_reached(void **state)
{
    (void)state;
    usocket_t held[2];
    char port[8];
    refusing(held, port);
    // Refused on both families: that, and not that there is no way to one of them.
    GIVES(-ECONNREFUSED, usocket_create_connection(has_hosts ? "both" : "127.0.0.1", port, GENEROUS,
                                                   NULL));
    GIVES(-ECONNREFUSED, usocket_create_connection("127.0.0.1", port, -1, NULL));
    GIVES(-EINVAL, usocket_create_connection("127.0.0.1", port, 0, NULL));
    GIVES(-EFAULT, usocket_create_connection("127.0.0.1", NULL, GENEROUS, NULL));
    GIVES(USOCKET_EAI_SERVICE, usocket_create_connection("127.0.0.1", "65536", GENEROUS, NULL));
    GIVES(USOCKET_EAI_SERVICE, usocket_create_connection("127.0.0.1", "no-such", GENEROUS, NULL));
    usocket_addr bad = {.len = 1000};
    GIVES(-EINVAL, usocket_create_connection("127.0.0.1", port, GENEROUS, &bad));
    usocket_addr elsewhere;
    OK(usocket_addr_ip(0, "192.0.2.1", 0, 0, 0, &elsewhere));
    GIVES(-EADDRNOTAVAIL, usocket_create_connection("127.0.0.1", port, GENEROUS, &elsewhere));
    no_more_refusing(held);
}

static void from_an_address_of_choice(void **state)
{
    (void)state;
    usocket_t server = server_on("127.0.0.1", 0, 0);
    usocket_addr from, peer;
    OK(usocket_addr_ip(0, "127.0.0.2", 0, 0, 0, &from));
    usocket_t c = OK(usocket_create_connection("127.0.0.1", port_of(server), GENEROUS, &from));
    usocket_t s = OK(usocket_accept(server, &peer));
    char host[64];
    OK(usocket_addr_host(&peer, host, sizeof host));
    assert_string_equal(host, "127.0.0.2");
    OK(usocket_close(c));
    OK(usocket_close(s));
    OK(usocket_close(server));
}

static void servers(void **state)
{
    (void)state;
    // IPv6 only, unless asked otherwise.
    usocket_t six = server_on("::", 0, 0);
    GIVES(-ECONNREFUSED, usocket_create_connection("127.0.0.1", port_of(six), GENEROUS, NULL));
    usocket_addr a = name_of(six);
    // A port in use is in use.
    GIVES(-EADDRINUSE, usocket_create_server(&a, 1, 0));
    OK(usocket_close(six));
    // Shared ports.
    usocket_t first = server_on("127.0.0.1", 0, USOCKET_SERVER_REUSE_PORT);
    a = name_of(first);
    usocket_t second = OK(usocket_create_server(&a, 1, USOCKET_SERVER_REUSE_PORT));
    GIVES(-EADDRINUSE, usocket_create_server(&a, 1, 0));
    OK(usocket_close(first));
    OK(usocket_close(second));
    // A port whose last connections linger in TIME_WAIT can be had again at once.
    usocket_t s = server_on("127.0.0.1", 0, 0);
    a = name_of(s);
    usocket_t c = client_of(s), peer = OK(usocket_accept(s, NULL));
    OK(usocket_close(peer));
    OK(usocket_close(c));
    OK(usocket_close(s));
    OK(usocket_close(OK(usocket_create_server(&a, 1, 0))));
    // Unix.
    char name[64] = "";
    int len = 1 + snprintf(name + 1, sizeof name - 1, "create-server-test-%d", getpid());
    OK(usocket_addr_unix(name, len, &a));
    s = OK(usocket_create_server(&a, 1, 0));
    assert_int_equal(usocket_family(s), AF_UNIX);
    OK(usocket_close(s));
    GIVES(-EINVAL, usocket_create_server(&a, 1, USOCKET_SERVER_DUAL_STACK));
    GIVES(-EINVAL, usocket_create_server(&a, 1, 4));
    GIVES(-EFAULT, usocket_create_server(NULL, 1, 0));
}

static void a_connection_under_way_is_polled(void **state)
{
    (void)state;
    usocket_t server = server_on("127.0.0.1", 0, 0);
    const char *hosts[] = {"127.0.0.1", "localhost"};
    for (int i = 0; i < 2; i++) {
        usocket_connection_t c = OK(usocket_connection_create(hosts[i], port_of(server), 5 * SECOND, NULL));
        usocket_poller_t poller = OK(usocket_poller_create());
        usocket_event event;
        OK(usocket_poller_add(poller, c, POLLIN, 7));
        GIVES(1, usocket_poller_wait(poller, &event, 1, GENEROUS));
        assert_true(event.events == POLLIN && event.data == 7);
        OK(usocket_close(poller));
        usocket_pollfd p = {.socket = c, .events = POLLIN};
        GIVES(1, usocket_poll(&p, 1, GENEROUS));
        assert_int_equal(p.revents, POLLIN);
        usocket_t s = OK(usocket_connection_take(c, 0));
        GIVES(-EALREADY, usocket_connection_take(c, 0));
        int64_t timeout;
        OK(usocket_gettimeout(s, &timeout));
        assert_int_equal(timeout, 5 * SECOND);
        OK(usocket_close(c));
        GIVES(-EBADF, usocket_connection_take(c, 0));
        usocket_t peer = OK(usocket_accept(server, NULL));
        OK(usocket_write(s, "hello", 5));
        char buf[5];
        GIVES(5, usocket_read(peer, buf, 5));
        OK(usocket_close(s));
        OK(usocket_close(peer));
    }
    GIVES(-EBADR, usocket_connection_take(OK(usocket_poller_create()), 0));
    GIVES(-EINVAL, usocket_connection_create("127.0.0.1", "1", 0, NULL));
    GIVES(-EFAULT, usocket_connection_create("127.0.0.1", NULL, GENEROUS, NULL));
    GIVES(USOCKET_EAI_SERVICE, usocket_connection_create("127.0.0.1", "no-such", GENEROUS, NULL));
    OK(usocket_close(server));
}

static usocket_connection_t under_way;
static int64_t taken;

static void *take_it(void *arg)
{
    *(pid_t *)arg = this_thread();
    taken = usocket_connection_take(under_way, -1);
    return NULL;
}

// Closing ends it at once: for waiting threads, and for its descriptors. A child cannot use it.
static void a_connection_under_way_is_given_up(void **state)
{
    (void)state;
    n_clients = full_listener(AF_INET, &hole, clients, 64);
    int before = open_descriptors();
    under_way = OK(usocket_connection_create("127.0.0.1", port_of(hole), -1, NULL));
    GIVES(-EAGAIN, usocket_connection_take(under_way, 0));
    GIVES(-ETIMEDOUT, usocket_connection_take(under_way, 10 * MS));
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        CHILD(usocket_connection_take(under_way, GENEROUS) == -ECANCELED);
        CHILD(usocket_connection_failure(under_way, 0, NULL, NULL, NULL) == -ENOENT);
        CHILD(usocket_close(under_way) == 0);
        _exit(0);
    }
    child_ends_well(child);
    usocket_pollfd p = {.socket = under_way, .events = POLLIN};
    GIVES(0, usocket_poll(&p, 1, 0));
    volatile pid_t id = 0;
    pthread_t thread;
    start_thread(&thread, take_it, (void *)&id);
    while (!id)
        sched_yield();
    wait_until_asleep(id);
    OK(usocket_close(under_way));
    pthread_join(thread, NULL);
    GIVES(-EBADF, taken);
    int64_t until = now_us() + GENEROUS;
    while (open_descriptors() > before && now_us() < until)
        sched_yield();
    assert_int_equal(open_descriptors(), before); // the thread's, too
    close_hole();
}

static void a_signal_ends_the_wait_when_the_host_says_so(void **state)
{
    (void)state;
    n_clients = full_listener(AF_INET, &hole, clients, 64);
    char port[8];
    strcpy(port, port_of(hole));
    OK(usocket_set_event_hook(stop_hook, NULL));
    // Again and again: one may come before the wait begins.
    alarms(20 * MS, true);
    GIVES(-EINTR, usocket_create_connection("127.0.0.1", port, -1, NULL));
    usocket_connection_t c = usocket_connection_create("127.0.0.1", port, -1, NULL);
    GIVES(-EINTR, usocket_connection_take(c, -1));
    alarms(0, false);
    OK(usocket_set_event_hook(NULL, NULL));
    // It is under way still.
    GIVES(-EAGAIN, usocket_connection_take(c, 0));
    OK(usocket_close(c));
    close_hole();
}

static void without_descriptors(void **state)
{
    (void)state;
    usocket_t server = server_on("127.0.0.1", 0, 0);
    char port[8];
    strcpy(port, port_of(server));
    struct used_up all;
    use_up_descriptors(&all);
    usocket_addrinfo *list = NULL;
    GIVES(-EMFILE, usocket_create_connection("127.0.0.1", port, GENEROUS, NULL));
    GIVES(-EMFILE, usocket_connection_create("127.0.0.1", port, GENEROUS, NULL));
    GIVES(-EMFILE, usocket_query_create("127.0.0.1", port, 0, 0, 0, 0));
    // Not even the files are there that say whom to ask.
    GIVES(-EMFILE, usocket_getaddrinfo("some.name.invalid", port, 0, 0, 0, 0, GENEROUS, &list));
    assert_null(list);
    give_descriptors_back(&all);
    OK(usocket_close(OK(usocket_create_connection("127.0.0.1", port, GENEROUS, NULL))));
    OK(usocket_close(server));
}

static void many_connections_under_way(void **state)
{
    (void)state;
    usocket_t server = server_on("127.0.0.1", 0, 0);
    OK(usocket_listen(server, 128));
    usocket_connection_t all[100];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++)
            all[i] = OK(usocket_connection_create("localhost", port_of(server), GENEROUS, NULL));
        for (int i = 0; i < 100; i++) {
            usocket_pollfd p = {.socket = all[i], .events = POLLIN};
            GIVES(1, usocket_poll(&p, 1, GENEROUS));
            if (i % 3) // One that is not taken is closed with its handle.
                OK(usocket_close(OK(usocket_connection_take(all[i], 0))));
            OK(usocket_close(all[i]));
            OK(usocket_close(OK(usocket_accept(server, NULL))));
        }
    }
    OK(usocket_close(server));
}

int main(void)
{
    hosts_of_our_own();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name_and_by_number),
        cmocka_unit_test(one_deadline_for_it_all),
        cmocka_unit_test(what_cannot_be_reached),
        cmocka_unit_test(from_an_address_of_choice),
        cmocka_unit_test(a_connection_under_way_is_polled),
        cmocka_unit_test(a_connection_under_way_is_given_up),
        cmocka_unit_test(a_signal_ends_the_wait_when_the_host_says_so),
        cmocka_unit_test(without_descriptors),
        cmocka_unit_test(many_connections_under_way),
        cmocka_unit_test(servers),
    };
    return RUN(tests);
}
