// Every error that the header documents for names and connections, made to happen.

#include "errors.h"

#include <sched.h>
#include <sys/mount.h>

static usocket_addrinfo *list;

static int conf; // /etc/resolv.conf, written

// A network of its own, in which the one name server is this process, and says nothing.
static bool among_silence(void)
{
    char path[] = "/tmp/usocket-resolv-XXXXXX";
    static const char text[] = "nameserver 127.0.0.1\n";
    if (!own_network(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return false;
    conf = mkstemp(path);
    bool done = conf >= 0 && write(conf, text, strlen(text)) == (ssize_t)strlen(text) && chmod(path, 0644) == 0 &&
                mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
    unlink(path);
    usocket_addr server;
    usocket_t s = usocket_socket(AF_INET, SOCK_DGRAM, 0);
    return done && usocket_addr_ip(AF_INET, "127.0.0.1", 53, 0, 0, &server) == 0 && usocket_bind(s, &server) == 0;
}

static void of_arguments(void **state)
{
    (void)state;
    usocket_addr v4 = ip(AF_INET, "127.0.0.1", 80), netlink = {.len = 12}, lies = {.len = 4};
    ((struct sockaddr *)&netlink)->sa_family = AF_NETLINK;
    ((struct sockaddr *)&lies)->sa_family = AF_INET;
    GIVES(-EFAULT, usocket_getaddrinfo("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, NULL));
    GIVES(USOCKET_EAI_SERVICE, usocket_getaddrinfo("127.0.0.1", "65536", 0, SOCK_STREAM, 0, 0, GENEROUS, &list));
    GIVES(USOCKET_EAI_SERVICE, usocket_query_create("127.0.0.1", "65536", 0, SOCK_STREAM, 0, 0));
    GIVES(USOCKET_EAI_SERVICE, usocket_create_connection("127.0.0.1", "65536", GENEROUS, NULL));
    GIVES(USOCKET_EAI_SERVICE, usocket_connection_create("127.0.0.1", "65536", GENEROUS, NULL));
    GIVES(USOCKET_EAI_NONAME, usocket_getnameinfo(&v4, NULL, 0, NULL, 0, 0, GENEROUS));
    GIVES(USOCKET_EAI_FAMILY, usocket_getnameinfo(&netlink, buf, 99, NULL, 0, 0, GENEROUS));
    GIVES(USOCKET_EAI_BADFLAGS, usocket_getnameinfo(&v4, buf, 99, NULL, 0, 1 << 30, GENEROUS));
    GIVES(-ENOSPC, usocket_getnameinfo(&v4, buf, 9, NULL, 0, NI_NUMERICHOST, GENEROUS));
    GIVES(-EINVAL, usocket_getnameinfo(&lies, buf, 99, NULL, 0, NI_NUMERICHOST, GENEROUS));
    GIVES(-EFAULT, usocket_getnameinfo(NULL, buf, 99, NULL, 0, NI_NUMERICHOST, GENEROUS));
    GIVES(-EINVAL, usocket_freeaddrinfo((usocket_addrinfo *)buf));
    usocket_t s = tcp();
    GIVES(-EBADR, usocket_query_result(s, 0, &list));
    GIVES(-EBADR, usocket_connection_take(s, 0));
    GIVES(-EBADR, usocket_connection_failure(s, 0, NULL, NULL, NULL));
    CLOSE(s);
    GIVES(-EBADF, usocket_query_result(s, 0, &list));
    GIVES(-EBADF, usocket_connection_take(s, 0));
    GIVES(-EBADF, usocket_connection_failure(s, 0, NULL, NULL, NULL));
    usocket_addr v6 = ip(AF_INET6, "::1", 0), elsewhere = ip(AF_INET, "192.0.2.1", 0);
    GIVES(-EAFNOSUPPORT, usocket_create_connection("127.0.0.1", "1", GENEROUS, &v6));
    GIVES(-EAFNOSUPPORT, usocket_connection_create("127.0.0.1", "1", GENEROUS, &v6));
    GIVES(-EADDRNOTAVAIL, usocket_create_connection("127.0.0.1", "1", GENEROUS, &elsewhere));
    GIVES(-EINVAL, usocket_create_connection("127.0.0.1", "1", 0, NULL));
    GIVES(-EINVAL, usocket_connection_create("127.0.0.1", "1", 0, NULL));
    GIVES(-EINVAL, usocket_create_connection("127.0.0.1", "1", GENEROUS, &lies));
    GIVES(-EINVAL, usocket_connection_create("127.0.0.1", "1", GENEROUS, &lies));
    GIVES(-EFAULT, usocket_create_connection("127.0.0.1", NULL, GENEROUS, NULL));
    GIVES(-EFAULT, usocket_connection_create("127.0.0.1", NULL, GENEROUS, NULL));
    GIVES(-EINVAL, usocket_create_server(&v4, 1, 1 << 20));
    GIVES(-EINVAL, usocket_create_server(&v4, 1, USOCKET_SERVER_DUAL_STACK));
    GIVES(-EINVAL, usocket_create_server(&lies, 1, 0));
    GIVES(-EADDRNOTAVAIL, usocket_create_server(&elsewhere, 1, 0));
    GIVES(-EFAULT, usocket_create_server(NULL, 1, 0));
}

static char *port_of(usocket_t s)
{
    static char text[8];
    usocket_addr name = name_of(s);
    snprintf(text, sizeof text, "%d", (int)OK(usocket_addr_port(&name)));
    return text;
}

static void of_connections(void **state)
{
    (void)state;
    usocket_t full, clients[8], gone = bound_socket(AF_INET, SOCK_STREAM), open = listening_socket(AF_INET, 9);
    size_t n = full_listener(AF_INET, &full, clients, 8);
    GIVES(-ECONNREFUSED, usocket_create_connection("127.0.0.1", port_of(gone), GENEROUS, NULL));
    GIVES(-ETIMEDOUT, usocket_create_connection("127.0.0.1", port_of(full), 10 * MS, NULL));
    usocket_t waits = OK(usocket_connection_create("127.0.0.1", port_of(full), -1, NULL));
    GIVES(-EAGAIN, usocket_connection_take(waits, 0));
    GIVES(-ETIMEDOUT, usocket_connection_take(waits, MS));
    GIVES(-ENOENT, usocket_connection_failure(waits, 0, NULL, NULL, NULL));
    pid_t child = fork();
    if (child == 0) {
        CHILD_GIVES(-ECANCELED, usocket_connection_take(waits, 0));
        _exit(0);
    }
    child_ends_well(child);
    interrupted();
    GIVES(-EINTR, usocket_connection_take(waits, -1));
    GIVES(-EINTR, usocket_create_connection("127.0.0.1", port_of(full), GENEROUS, NULL));
    uninterrupted();
    usocket_t refused = OK(usocket_connection_create("127.0.0.1", port_of(gone), -1, NULL));
    GIVES(-ECONNREFUSED, usocket_connection_take(refused, GENEROUS));
    usocket_t done = OK(usocket_connection_create("127.0.0.1", port_of(open), -1, NULL));
    usocket_t s = OK(usocket_connection_take(done, GENEROUS));
    GIVES(-EALREADY, usocket_connection_take(done, 0));
    close_all(clients, n);
    CLOSE(waits, refused, done, s, open, full, gone);
}

static int32_t finish(void *arg)
{
    (void)arg;
    CHILD_GIVES(-EDEADLK, usocket_finish(0));
    return 1;
}

// Errors of names that need a query.
static void of_asking(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        static usocket_addr elsewhere;
        if (!among_silence())
            _exit(77);
        CHILD(usocket_addr_ip(AF_INET, "192.0.2.1", 80, 0, 0, &elsewhere) == 0);
        CHILD_GIVES(-ETIMEDOUT, usocket_getaddrinfo("a.test", "80", 0, SOCK_STREAM, 0, 0, 20 * MS, &list));
        CHILD_GIVES(-ETIMEDOUT, usocket_getnameinfo(&elsewhere, buf, 99, NULL, 0, 0, 20 * MS));
        usocket_t query = usocket_query_create("a.test", "80", 0, SOCK_STREAM, 0, 0);
        CHILD(query > 0);
        CHILD_GIVES(-EAGAIN, usocket_query_result(query, 0, &list));
        CHILD_GIVES(-ETIMEDOUT, usocket_query_result(query, MS, &list));
        CHILD_GIVES(-ETIMEDOUT, usocket_create_connection("a.test", "80", 20 * MS, NULL));
        interrupted();
        CHILD_GIVES(-EINTR, usocket_getaddrinfo("a.test", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list));
        CHILD_GIVES(-EINTR, usocket_getnameinfo(&elsewhere, buf, 99, NULL, 0, 0, GENEROUS));
        CHILD_GIVES(-EINTR, usocket_query_result(query, GENEROUS, &list));
        uninterrupted();
        interrupted();
        CHILD(usocket_set_event_hook(finish, NULL) == 0);
        CHILD_GIVES(-EINTR, usocket_query_result(query, GENEROUS, &list));
        uninterrupted();
        // Without descriptors, and without threads, in processes that have had none of them.
        for (int without = 0; without < 2; without++) {
            int status, code = without ? -EAGAIN : -EMFILE;
            pid_t grandchild = fork();
            if (grandchild) {
                CHILD(waitpid(grandchild, &status, 0) == grandchild && status == 0);
                continue;
            }
            if (without == 0) {
                use_all_descriptors();
            } else {
                // The library leaves this to the C library, and that needs a thread.
                CHILD(dprintf(conf, "options single-request\n") > 0);
                be_nobody();
                CHILD(setrlimit(RLIMIT_NPROC, &(struct rlimit){0, 0}) == 0);
            }
            CHILD_GIVES(code, usocket_getaddrinfo("b.test", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list));
            CHILD_GIVES(code, usocket_getnameinfo(&elsewhere, buf, 99, NULL, 0, 0, GENEROUS));
            CHILD_GIVES(code, usocket_query_create("b.test", "80", 0, SOCK_STREAM, 0, 0));
            CHILD_GIVES(code, usocket_connection_create("127.0.0.1", "80", GENEROUS, NULL));
            _exit(0);
        }
        // The C library still asks for the host of that address.
        CHILD_GIVES(-ETIMEDOUT, usocket_finish(MS));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status == 77 << 8) {
        print_message("needs a network namespace, which this user may not make\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_arguments),
        cmocka_unit_test(of_connections),
        cmocka_unit_test(of_asking),
    };
    return RUN(tests);
}
