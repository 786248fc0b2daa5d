// Connections and servers by name, in one call.

#include "support.h"

#include <sched.h>
#include <sys/mount.h>

// Whether the host "both" is ::1 and 127.0.0.1: in this process, which has an /etc/hosts of its own.
static bool has_both;

static bool own_hosts(const char *text)
{
    char path[] = "/tmp/usocket-hosts-XXXXXX";
    int fd = mkstemp(path);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
                unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                mount(path, "/etc/hosts", NULL, MS_BIND, NULL) == 0;
    close(fd);
    unlink(path);
    return done;
}

static void need_both(void)
{
    if (!has_both) {
        print_message("needs a mount namespace, which this user may not make\n");
        skip();
    }
}

static char *port_of(usocket_t s)
{
    static char text[8];
    usocket_addr a = name_of(s);
    snprintf(text, sizeof text, "%d", (int)OK(usocket_addr_port(&a)));
    return text;
}

static usocket_t server_on(const char *host, int port, int flags)
{
    usocket_addr a;
    OK(usocket_addr_ip(0, host, port, 0, 0, &a));
    return OK(usocket_create_server(&a, USOCKET_BACKLOG_DEFAULT, flags));
}

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

// Only the second address has a server: the first is refused at once.
static void the_next_address_is_tried_when_one_is_refused(void **state)
{
    (void)state;
    need_both();
    usocket_t server = server_on("127.0.0.1", 0, 0);
    int64_t begun = now_us();
    usocket_t c = OK(usocket_create_connection("both", port_of(server), GENEROUS, NULL));
    assert_true(now_us() - begun < 10 * SECOND);
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
    need_both();
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
    assert_true(took >= 250 * MS && took < 10 * SECOND);
    assert_int_equal(open_descriptors(), before + 1);
    OK(usocket_close(c));
    OK(usocket_close(server));
    while (n > 0)
        OK(usocket_close(clients[--n]));
    OK(usocket_close(hole));
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
    assert_true(took >= 300 * MS && took < 10 * SECOND);
    assert_int_equal(open_descriptors(), before);
    while (n > 0)
        OK(usocket_close(clients[--n]));
    OK(usocket_close(hole));
}

static void what_cannot_be_reached(void **state)
{
    (void)state;
    usocket_t gone = server_on("127.0.0.1", 0, 0);
    char port[8];
    strcpy(port, port_of(gone));
    OK(usocket_close(gone));
    // Refused on both families: that, and not that there is no way to one of them.
    GIVES(-ECONNREFUSED, usocket_create_connection(has_both ? "both" : "127.0.0.1", port, GENEROUS,
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
    OK(usocket_addr_unix("\0create-server-test", 19, &a));
    s = OK(usocket_create_server(&a, 1, 0));
    assert_int_equal(usocket_family(s), AF_UNIX);
    OK(usocket_close(s));
    GIVES(-EINVAL, usocket_create_server(&a, 1, USOCKET_SERVER_DUAL_STACK));
    GIVES(-EINVAL, usocket_create_server(&a, 1, 4));
    GIVES(-EFAULT, usocket_create_server(NULL, 1, 0));
}

int main(void)
{
    has_both = own_hosts("::1 both localhost\n127.0.0.1 both localhost\n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name_and_by_number),
        cmocka_unit_test(the_next_address_is_tried_when_one_is_refused),
        cmocka_unit_test(a_black_hole_costs_a_quarter_of_a_second),
        cmocka_unit_test(one_deadline_for_it_all),
        cmocka_unit_test(what_cannot_be_reached),
        cmocka_unit_test(from_an_address_of_choice),
        cmocka_unit_test(servers),
    };
    return RUN(tests);
}
