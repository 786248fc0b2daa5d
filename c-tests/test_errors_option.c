// Every error that the header documents for what few get right on a socket, made to happen.

#include "errors.h"

#include <sys/syscall.h>

static void of_other_handles(void **state)
{
    (void)state;
    usocket_addr group = ip(AF_INET, "224.0.0.99", 0);
    usocket_t other = OK(usocket_poller_create());
    for (int i = 0; i < 2; i++) {
        usocket_t h = i ? 0 : other;
        int wrong = i ? -EBADF : -ENOTSOCK;
        GIVES(wrong, usocket_set_deadline(h, 1));
        GIVES(wrong, usocket_cancel(h, 1));
        GIVES(wrong, usocket_take_error(h));
        GIVES(wrong, usocket_set_keepalive(h, SECOND, SECOND, 1));
        GIVES(wrong, usocket_set_linger(h, -1));
        GIVES(wrong, usocket_join_group(h, &group, 0));
        GIVES(wrong, usocket_leave_group(h, &group, 0));
        GIVES(wrong, usocket_set_tos(h, 0));
        GIVES(wrong, usocket_bind_device(h, NULL));
    }
    CLOSE(other);
}

static void of_options(void **state)
{
    (void)state;
    if (emulated())
        skip();
    usocket_t d = udp(), s = tcp(), ready = tcp(), pair[2];
    OK(usocket_cancel(ready, 0)); // which makes it ready
    OK(usocket_bind_device(s, "lo"));
    char name[32];
    int64_t joined = 0;
    for (int i = 1; i < 4096 && joined >= 0; i++) {
        snprintf(name, sizeof name, "224.0.%d.%d", 1 + i / 250, 1 + i % 250);
        usocket_addr group = ip(AF_INET, name, 0);
        if ((joined = usocket_join_group(d, &group, 1)) < 0)
            GIVES(-ENOBUFS, usocket_join_group(d, &group, 1));
    }
    assert_true(joined < 0);
    connected_pair(AF_INET, SOCK_DGRAM, pair);
    OK(usocket_close(pair[1]));
    GIVES(1, usocket_send(pair[0], buf, 1, 0));
    usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    GIVES(-ECONNREFUSED, usocket_take_error(pair[0]));
    pid_t child = fork();
    if (child == 0) {
        if (has_tls()) {
            usocket_t server = usocket_tls_context_create(USOCKET_TLS_SERVER);
            CHILD(server > 0);
            CHILD_GIVES(USOCKET_ETLS_CERT_BAD_STAPLE, usocket_tls_context_add_ocsp(server, "0\3\12\1\6", 5));
        }
        usocket_t fresh = usocket_socket(AF_INET, SOCK_STREAM, 0);
        use_all_descriptors();
        CHILD_GIVES(-EMFILE, usocket_cancel(fresh, 0));
        CHILD_GIVES(-EMFILE, usocket_interfaces(NULL, 0));
        be_nobody();
        CHILD_GIVES(-EPERM, usocket_bind_device(s, NULL));
        _exit(0);
    }
    child_ends_well(child);
    child = fork();
    if (child == 0) {
        refuse((const int[]){SYS_getrandom}, 1);
        // The others do with /dev/urandom.
        if (strstr(usocket_features(), "aws-lc-rs"))
            CHILD_GIVES(-EPERM, usocket_tls_context_create(USOCKET_TLS_SERVER));
        _exit(0);
    }
    child_ends_well(child);
    CLOSE(d, s, ready, pair[0]);
}

static void of_what_is_cancelled(void **state)
{
    (void)state;
    usocket_t pair[2], full, clients[8], s = tcp(), client = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    size_t n = full_listener(AF_INET, &full, clients, 8);
    usocket_addr to = name_of(full);
    usocket_t idle = listening_socket(AF_INET, 1);
    connected_pair(AF_UNIX, SOCK_STREAM, pair);
    fill(pair[0]);
    OK(usocket_tls_context_set_verify(client, USOCKET_TLS_VERIFY_NONE_INSECURE));
    const usocket_t all[] = {pair[0], s, idle, pair[1]};
    for (int i = 0; i < 3; i++) {
        OK(usocket_cancel(all[i], 0));
        OK(usocket_cancel(all[i], 1));
    }
    GIVES(-ECANCELED, usocket_send(pair[0], buf, 1, 0));
    GIVES(-ECANCELED, usocket_recv(pair[0], buf, 1, 0));
    GIVES(-ECANCELED, usocket_connect(s, &to));
    GIVES(-ECANCELED, usocket_accept(idle, NULL));
    OK(usocket_tls_wrap(pair[0], client, "localhost", 0));
    GIVES(-ECANCELED, usocket_tls_handshake(pair[0]));
    close_all(clients, n);
    CLOSE(full, client, s, idle, pair[0], pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_other_handles),
        cmocka_unit_test(of_options),
        cmocka_unit_test(of_what_is_cancelled),
    };
    return RUN(tests);
}
