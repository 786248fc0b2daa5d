// Connections and servers by name, in one call.

#include "support.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

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

// Where the port is another listener's on another address, some other program may have it here for a
// while.
static usocket_t server_on(const char *host, int port, int flags)
{
    usocket_addr a;
    usocket_t server;
    OK(usocket_addr_ip(0, host, port, 0, 0, &a));
    for (int64_t until = now_us() + GENEROUS; port && now_us() < until; usleep(20 * 1000))
        if ((server = usocket_create_server(&a, USOCKET_BACKLOG_DEFAULT, flags)) != -EADDRINUSE)
            return OK(server);
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

// A full listener on 127.0.0.1 and a server on 127.0.0.2 with the same port: the host "two" is both.
static usocket_t hole, clients[64];
static size_t n_clients;

static usocket_t hole_and_server(void)
{
    n_clients = full_listener(AF_INET, &hole, clients, 64);
    usocket_addr a = name_of(hole);
    return server_on("127.0.0.2", (int)OK(usocket_addr_port(&a)), 0);
}

static void close_hole(void)
{
    while (n_clients > 0)
        OK(usocket_close(clients[--n_clients]));
    OK(usocket_close(hole));
}

static bool connected_to(usocket_t c, const char *host)
{
    usocket_addr peer;
    char text[64];
    OK(usocket_getpeername(c, &peer));
    OK(usocket_addr_host(&peer, text, sizeof text));
    return strcmp(text, host) == 0;
}

// The first attempt, which hangs, has the one port there is to connect from.
static void attempts_share_the_port_of_the_source(void **state)
{
    (void)state;
    need_both();
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
    need_both();
    usocket_t server = hole_and_server();
    usocket_t c = OK(usocket_create_connection("two", port_of(server), 240 * MS, NULL));
    assert_true(connected_to(c, "127.0.0.2"));
    OK(usocket_close(c));
    OK(usocket_close(server));
    close_hole();
}

// The first attempt, which hangs, has the one descriptor there is.
static void what_an_attempt_lacks_another_one_gives(void **state)
{
    (void)state;
    need_both();
    usocket_t server = hole_and_server();
    char port[8];
    strcpy(port, port_of(server));
    int fill[1024], n = 0;
    struct rlimit was, few = {.rlim_cur = 512, .rlim_max = 512};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < 1024 && (fill[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    close(fill[--n]);
    int64_t c = usocket_create_connection("two", port, GENEROUS, NULL);
    while (n > 0)
        close(fill[--n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_true(connected_to(OK(c), "127.0.0.2"));
    OK(usocket_close(c));
    OK(usocket_close(server));
    close_hole();
}

static void addresses_of_another_family_than_the_source_are_left_out(void **state)
{
    (void)state;
    need_both();
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
    need_both();
    n_clients = full_listener(AF_INET, &hole, clients, 64);
    char refused[64], late[64], detail[512];
    sprintf(refused, "[::1]:%s: Connection refused after 0.", port_of(hole));
    sprintf(late, "127.0.0.1:%s: Connection timed out after 0.", port_of(hole));
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
    assert_in_range(after, 0, 400 * MS);
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
    need_both();
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

// Closing ends it: for who waits, and for its descriptors, at once. In a child it is nobody's.
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
        alarm(20);
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

static int stop_it(void *arg)
{
    (void)arg;
    return 1;
}

static void nothing(int signal)
{
    (void)signal;
}

static void a_signal_ends_the_wait_when_the_host_says_so(void **state)
{
    (void)state;
    n_clients = full_listener(AF_INET, &hole, clients, 64);
    char port[8];
    strcpy(port, port_of(hole));
    struct sigaction ignore = {.sa_handler = nothing}, was;
    sigaction(SIGALRM, &ignore, &was);
    OK(usocket_set_event_hook(stop_it, NULL));
    // Again and again: one may come before the wait begins.
    struct itimerval often = {{0, 20 * MS}, {0, 20 * MS}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    GIVES(-EINTR, usocket_create_connection("127.0.0.1", port, -1, NULL));
    usocket_connection_t c = usocket_connection_create("127.0.0.1", port, -1, NULL);
    GIVES(-EINTR, usocket_connection_take(c, -1));
    setitimer(ITIMER_REAL, &never, NULL);
    OK(usocket_set_event_hook(NULL, NULL));
    sigaction(SIGALRM, &was, NULL);
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
    int fill[1024], n = 0;
    struct rlimit was, few = {.rlim_cur = 512, .rlim_max = 512};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (n < 1024 && (fill[n] = open("/dev/null", O_RDONLY)) >= 0)
        n++;
    usocket_addrinfo *list = NULL;
    GIVES(-EMFILE, usocket_create_connection("127.0.0.1", port, GENEROUS, NULL));
    GIVES(-EMFILE, usocket_connection_create("127.0.0.1", port, GENEROUS, NULL));
    GIVES(-EMFILE, usocket_query_create("127.0.0.1", port, 0, 0, 0, 0));
    // Not even the files are there that say whom to ask.
    GIVES(-EMFILE, usocket_getaddrinfo("some.name.invalid", port, 0, 0, 0, 0, GENEROUS, &list));
    assert_null(list);
    while (n > 0)
        close(fill[--n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
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
    char hosts[2048] = "::1 both localhost\n127.0.0.1 both localhost\n127.0.0.1 two\n127.0.0.2 two\n";
    for (int i = 1; i <= 20; i++)
        sprintf(hosts + strlen(hosts), "127.0.1.%d twenty\n", i);
    has_both = own_hosts(hosts);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name_and_by_number),
        cmocka_unit_test(the_next_address_is_tried_when_one_is_refused),
        cmocka_unit_test(a_black_hole_costs_a_quarter_of_a_second),
        cmocka_unit_test(one_deadline_for_it_all),
        cmocka_unit_test(what_cannot_be_reached),
        cmocka_unit_test(from_an_address_of_choice),
        cmocka_unit_test(attempts_share_the_port_of_the_source),
        cmocka_unit_test(a_short_time_is_shared_out),
        cmocka_unit_test(what_an_attempt_lacks_another_one_gives),
        cmocka_unit_test(addresses_of_another_family_than_the_source_are_left_out),
        cmocka_unit_test(the_end_of_the_time_tells_what_happened),
        cmocka_unit_test(attempts_under_way_are_few),
        cmocka_unit_test(a_connection_under_way_is_polled),
        cmocka_unit_test(a_connection_under_way_is_given_up),
        cmocka_unit_test(a_signal_ends_the_wait_when_the_host_says_so),
        cmocka_unit_test(without_descriptors),
        cmocka_unit_test(many_connections_under_way),
        cmocka_unit_test(servers),
    };
    return RUN(tests);
}
