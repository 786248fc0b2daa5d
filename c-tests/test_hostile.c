// Every function of the header, called with what no caller should pass: stale, zero, negative and
// huge handles; NULL pointers; huge lengths. No crash, no hang, a clear code. Also run under
// valgrind. The header itself says which functions there are: one that is not walked here fails
// (those of TLS are walked in test_hostile_tls.c).

#include "walk.h"

// --- handles ---

static char buf[256];
static usocket_addr addr;

static void every_function_on_a_handle(usocket_t h)
{
    usocket_pollfd p = {h, -1, POLLIN, 0};
    usocket_addrinfo *list;
    usocket_event event;
    int64_t timeout;
    int32_t value;
    usocket_t poller = OK(usocket_poller_create());
    STALE(usocket_error_detail(h, buf, sizeof buf));
    STALE(usocket_detach(h));
    STALE(usocket_dup(h));
    STALE(usocket_fileno(h));
    STALE(usocket_close(h));
    STALE(usocket_bind(h, &addr));
    STALE(usocket_listen(h, 1));
    STALE(usocket_accept(h, &addr));
    STALE(usocket_accept4(h, 0, &addr));
    STALE(usocket_sendmsg(h, &(usocket_msg){0}, 0));
    STALE(usocket_recvmsg(h, &(usocket_msg){0}, 0));
    STALE(usocket_connect(h, &addr));
    STALE(usocket_shutdown(h, SHUT_RDWR));
    STALE(usocket_send(h, buf, 1, 0));
    STALE(usocket_sendall(h, buf, 1, 0));
    STALE(usocket_sendto(h, buf, 1, 0, &addr));
    STALE(usocket_recv(h, buf, 1, 0));
    STALE(usocket_recvfrom(h, buf, 1, 0, &addr));
    STALE(usocket_getsockname(h, &addr));
    STALE(usocket_getpeername(h, &addr));
    STALE(usocket_settimeout(h, 0));
    STALE(usocket_gettimeout(h, &timeout));
    STALE(usocket_setblocking(h, 1));
    STALE(usocket_family(h));
    STALE(usocket_type(h));
    STALE(usocket_proto(h));
    STALE(usocket_setsockopt(h, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value));
    STALE(usocket_setsockopt_int(h, SOL_SOCKET, SO_REUSEADDR, 1));
    STALE(usocket_getsockopt(h, SOL_SOCKET, SO_TYPE, &value, sizeof value));
    STALE(usocket_getsockopt_int(h, SOL_SOCKET, SO_TYPE, &value));
    STALE(usocket_take_error(h));
    STALE(usocket_set_keepalive(h, SECOND, SECOND, 1));
    STALE(usocket_set_linger(h, SECOND));
    STALE(usocket_join_group(h, &addr, 1));
    STALE(usocket_leave_group(h, &addr, 1));
    STALE(usocket_set_tos(h, 0));
    STALE(usocket_set_deadline(h, 0));
    STALE(usocket_cancel(h, 0));
    STALE(usocket_bind_device(h, "lo"));
    STALE(usocket_sendfile(h, 0, 0, 1));
    STALE(usocket_read(h, buf, 1));
    STALE(usocket_readline(h, buf, 1));
    STALE(usocket_write(h, buf, 1));
    STALE(usocket_query_result(h, -1, &list));
    STALE(usocket_connection_take(h, -1));
    STALE(usocket_connection_failure(h, 0, &addr, NULL, NULL));
    STALE(usocket_poller_add_fd(h, 0, POLLIN, 0));
    STALE(usocket_poller_modify_fd(h, 0, POLLIN, 0));
    STALE(usocket_poller_remove_fd(h, 0));
    STALE(usocket_poller_wait(h, &event, 1, -1));
    STALE(usocket_poller_wake(h));
    STALE(usocket_poller_arm_timer(h, 0, 0));
    STALE(usocket_poller_cancel_timer(h, 1));
    STALE(usocket_poller_add(h, poller, POLLIN, 0));
    STALE(usocket_poller_modify(h, poller, POLLIN, 0));
    STALE(usocket_poller_remove(h, poller));
    STALE(usocket_poller_add(poller, h, POLLIN, 0));
    STALE(usocket_poller_modify(poller, h, POLLIN, 0));
    STALE(usocket_poller_remove(poller, h));
    GIVES(1, usocket_poll(&p, 1, -1));
    assert_int_equal(p.revents, POLLNVAL);
    mark(walked_stale, "usocket_poll");
    OK(usocket_close(poller));
}

// Functions that take no handle.
static const char *const WITHOUT[] = {
    "usocket_version", "usocket_features", "usocket_strerror", "usocket_error_category", "usocket_gai_code",
    "usocket_set_event_hook", "usocket_set_log_hook", "usocket_set_resolver_threads", "usocket_addr_ip", "usocket_addr_unix", "usocket_addr_from_bytes",
    "usocket_addr_bytes", "usocket_addr_family", "usocket_addr_port", "usocket_addr_flowinfo",
    "usocket_addr_scope_id", "usocket_addr_host", "usocket_addr_path", "usocket_addr_text",
    "usocket_inet_pton", "usocket_inet_ntop", "usocket_socket", "usocket_socketpair",
    "usocket_from_fd", "usocket_getaddrinfo", "usocket_getnameinfo", "usocket_freeaddrinfo", "usocket_query_create",
    "usocket_create_connection", "usocket_connection_create", "usocket_create_server",
    "usocket_poller_create", "usocket_interfaces", "usocket_now", "usocket_finish",
};

static void a_stale_handle_is_ebadf_everywhere(void **state)
{
    (void)state;
    OK(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &addr));
    usocket_t closed = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0)), fd;
    OK(usocket_close(closed));
    usocket_t detached = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    close(fd = OK(usocket_detach(detached)));
    usocket_t poller = OK(usocket_poller_create());
    OK(usocket_close(poller));
    // A socket that lives in the place the closed ones had: their handles must not reach it.
    usocket_t live = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    const usocket_t handles[] = {
        closed, detached, poller, live ^ 1LL << 40, live ^ 1LL << 52, live + (1LL << 53), -live,
        1, 2, 1 << 20, -1, -2, -EBADF, INT32_MIN, INT32_MAX, 1LL << 32, (1LL << 53) - 1,
        1LL << 53, INT64_MAX, INT64_MAX - 1, INT64_MIN, INT64_MIN + 1,
    };
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        every_function_on_a_handle(handles[i]);
    assert_int_equal(usocket_family(live), AF_INET);
    OK(usocket_close(live));
    for (size_t i = 0; i < sizeof WITHOUT / sizeof *WITHOUT; i++)
        mark(walked_stale, WITHOUT[i]);
    all_walked(walked_stale, false, "stale handles");
}

static void zero_is_never_a_handle(void **state)
{
    (void)state;
    // Zero has a meaning of its own in usocket_error_detail, usocket_poll and the poller's
    // registrations (no handle); everywhere else it is stale.
    int64_t timeout;
    GIVES(-EBADF, usocket_close(0));
    GIVES(-EBADF, usocket_recv(0, buf, 1, 0));
    GIVES(-EBADF, usocket_send(0, buf, 1, 0));
    GIVES(-EBADF, usocket_accept(0, NULL));
    GIVES(-EBADF, usocket_connect(0, &addr));
    GIVES(-EBADF, usocket_gettimeout(0, &timeout));
    GIVES(-EBADF, usocket_fileno(0));
    GIVES(-EBADF, usocket_detach(0));
    GIVES(-EBADF, usocket_dup(0));
    GIVES(-EBADF, usocket_poller_wake(0));
    usocket_addrinfo *list;
    GIVES(-EBADF, usocket_query_result(0, 0, &list));
}

// --- everything else ---

static void addresses(void)
{
    usocket_addr a;
    usocket_addr lies = addr;
    lies.len = UINT32_MAX;
    BAD(-EFAULT, usocket_addr_ip(AF_INET, NULL, 1, 0, 0, &a));
    BAD(-EFAULT, usocket_addr_ip(AF_INET, "127.0.0.1", 1, 0, 0, NULL));
    BAD(-EFAULT, usocket_addr_unix(NULL, 1, &a));
    BAD(-EFAULT, usocket_addr_unix("x", 1, NULL));
    BAD(-ENAMETOOLONG, usocket_addr_unix("x", SSIZE_MAX, &a));
    BAD(-EINVAL, usocket_addr_unix("x", OVER, &a));
    BAD(-EFAULT, usocket_addr_from_bytes(NULL, 16, &a));
    BAD(-EFAULT, usocket_addr_from_bytes("x", 1, NULL));
    BAD(-EINVAL, usocket_addr_from_bytes("x", SSIZE_MAX, &a));
    BAD(-EINVAL, usocket_addr_from_bytes("x", MAX, &a));
    BAD(-EFAULT, usocket_addr_bytes(NULL, buf, sizeof buf));
    BAD(-EFAULT, usocket_addr_bytes(&addr, NULL, 16));
    BAD(-EINVAL, usocket_addr_bytes(&addr, buf, OVER));
    BAD(-EFAULT, usocket_addr_family(NULL));
    BAD(-EFAULT, usocket_addr_port(NULL));
    BAD(-EFAULT, usocket_addr_flowinfo(NULL));
    BAD(-EFAULT, usocket_addr_scope_id(NULL));
    BAD(-EFAULT, usocket_addr_host(NULL, buf, sizeof buf));
    BAD(-EFAULT, usocket_addr_host(&addr, NULL, 1));
    BAD(-ENOSPC, usocket_addr_host(&addr, buf, 0));
    BAD(-EINVAL, usocket_addr_host(&addr, buf, MAX));
    BAD(-EAFNOSUPPORT, usocket_addr_host(&lies, buf, sizeof buf));
    BAD(-EFAULT, usocket_addr_path(NULL, buf, sizeof buf));
    BAD(-EAFNOSUPPORT, usocket_addr_path(&addr, NULL, 1));
    BAD(-EFAULT, usocket_addr_text(NULL, buf, sizeof buf));
    BAD(-EFAULT, usocket_addr_text(&addr, NULL, 1));
    BAD(-EINVAL, usocket_addr_text(&addr, buf, OVER));
    BAD(-EFAULT, usocket_inet_pton(AF_INET, NULL, buf, 4));
    BAD(-EFAULT, usocket_inet_pton(AF_INET, "1.2.3.4", NULL, 4));
    BAD(-EINVAL, usocket_inet_pton(AF_INET, "1.2.3.4", buf, OVER));
    BAD(-EFAULT, usocket_inet_ntop(AF_INET, NULL, 4, buf, sizeof buf));
    BAD(-EFAULT, usocket_inet_ntop(AF_INET, buf, 4, NULL, sizeof buf));
    BAD(-EINVAL, usocket_inet_ntop(AF_INET, buf, SSIZE_MAX, buf, sizeof buf));
    BAD(-EINVAL, usocket_inet_ntop(AF_INET, buf, MAX, buf, sizeof buf));
    BAD(-EINVAL, usocket_inet_ntop(AF_INET, buf, 4, buf, MAX));
}

static void sockets(usocket_t s)
{
    usocket_addr lies = addr;
    lies.len = UINT32_MAX;
    BAD(-EAFNOSUPPORT, usocket_socket(INT32_MAX, SOCK_STREAM, 0));
    BAD(-EAFNOSUPPORT, usocket_socket(INT32_MIN, SOCK_STREAM, 0));
    if (!emulated())
        BAD(-EINVAL, usocket_socket(AF_INET, INT32_MIN, 0));
    BAD(-EINVAL, usocket_socket(AF_INET, SOCK_STREAM, INT32_MIN));
    BAD(-EFAULT, usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, NULL));
    BAD(-EBADF, usocket_from_fd(-1));
    BAD(-EBADF, usocket_from_fd(INT32_MIN));
    BAD(-EBADF, usocket_from_fd(INT32_MAX));
    CALL(usocket_close(OK(usocket_dup(s))));
    CALL(usocket_dup(0));
    CALL(usocket_detach(0));
    CALL(usocket_fileno(s));
    BAD(-EFAULT, usocket_bind(s, NULL));
    BAD(-EINVAL, usocket_bind(s, &lies));
    BAD(-EFAULT, usocket_connect(s, NULL));
    BAD(-EINVAL, usocket_connect(s, &lies));
    BAD(-EOPNOTSUPP, usocket_listen(s, INT32_MIN));
    BAD(-EOPNOTSUPP, usocket_accept(s, NULL));
    BAD(-EINVAL, usocket_accept4(s, ~SOCK_NONBLOCK, NULL));
    BAD(-EINVAL, usocket_accept4(s, 1, NULL));
    BAD(-EFAULT, usocket_sendmsg(s, NULL, 0));
    BAD(-EFAULT, usocket_recvmsg(s, NULL, 0));
    BAD(-EINVAL, usocket_shutdown(s, INT32_MAX));
    BAD(-EINVAL, usocket_shutdown(s, INT32_MIN));
    BAD(-EFAULT, usocket_send(s, NULL, 1, 0));
    BAD(-EINVAL, usocket_send(s, buf, OVER, 0));
    BAD(-EINVAL, usocket_send(s, NULL, MAX, 0));
    BAD(-EFAULT, usocket_sendall(s, NULL, 1, 0));
    BAD(-EINVAL, usocket_sendall(s, buf, MAX, 0));
    BAD(-EFAULT, usocket_sendto(s, NULL, 1, 0, &addr));
    BAD(-EINVAL, usocket_sendto(s, buf, MAX, 0, &addr));
    BAD(-EFAULT, usocket_sendto(s, buf, 1, 0, NULL));
    BAD(-EINVAL, usocket_sendto(s, buf, 1, 0, &lies));
    BAD(-EFAULT, usocket_recv(s, NULL, 1, 0));
    BAD(-EINVAL, usocket_recv(s, buf, OVER, 0));
    BAD(-EFAULT, usocket_recvfrom(s, NULL, 1, 0, NULL));
    BAD(-EINVAL, usocket_recvfrom(s, NULL, MAX, 0, &addr));
    BAD(-EFAULT, usocket_getsockname(s, NULL));
    BAD(-EFAULT, usocket_getpeername(s, NULL));
    BAD(-EFAULT, usocket_read(s, NULL, 1));
    BAD(-EINVAL, usocket_read(s, buf, OVER));
    BAD(-EFAULT, usocket_readline(s, NULL, 1));
    BAD(-EINVAL, usocket_readline(s, buf, MAX));
    BAD(-EFAULT, usocket_write(s, NULL, 1));
    BAD(-EINVAL, usocket_write(s, buf, OVER));
}

static void options(usocket_t s)
{
    int32_t value;
    CALL(usocket_settimeout(s, INT64_MIN));
    CALL(usocket_settimeout(s, INT64_MAX));
    BAD(-EFAULT, usocket_gettimeout(s, NULL));
    CALL(usocket_setblocking(s, INT32_MIN));
    CALL(usocket_family(s));
    CALL(usocket_type(s));
    CALL(usocket_proto(s));
    BAD(-EFAULT, usocket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
    BAD(-EINVAL, usocket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, buf, OVER));
    BAD(-EINVAL, usocket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, NULL, 0));
#if SIZE_MAX > UINT32_MAX
    BAD(-EINVAL, usocket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, buf, (size_t)UINT32_MAX + 5));
#endif
    BAD(-ENOPROTOOPT, usocket_setsockopt_int(s, INT32_MAX, SO_REUSEADDR, 1));
    BAD(-EFAULT, usocket_getsockopt(s, SOL_SOCKET, SO_TYPE, NULL, 4));
    BAD(-EINVAL, usocket_getsockopt(s, SOL_SOCKET, SO_TYPE, &value, MAX));
#if SIZE_MAX > UINT32_MAX
    BAD(-EINVAL, usocket_getsockopt(s, SOL_SOCKET, SO_TYPE, &value, (size_t)UINT32_MAX + 5));
#endif
    BAD(-EFAULT, usocket_getsockopt_int(s, SOL_SOCKET, SO_TYPE, NULL));
    BAD(-ENOPROTOOPT, usocket_getsockopt_int(s, SOL_SOCKET, INT32_MIN, &value));
    CALL(usocket_take_error(s));
    BAD(-EINVAL, usocket_set_keepalive(s, INT64_MAX, 0, 0));
    BAD(-EINVAL, usocket_set_keepalive(s, SECOND, SECOND, INT32_MIN));
    BAD(0, usocket_set_keepalive(s, INT64_MIN, INT64_MIN, INT32_MIN));
    BAD(-EINVAL, usocket_set_linger(s, INT64_MAX));
    BAD(0, usocket_set_linger(s, INT64_MIN));
    usocket_addr lies = addr;
    lies.len = UINT32_MAX;
    BAD(-EFAULT, usocket_join_group(s, NULL, 1));
    BAD(-EINVAL, usocket_join_group(s, &lies, 1));
    if (!emulated())
        BAD(-EINVAL, usocket_join_group(s, &addr, UINT32_MAX));
    BAD(-EFAULT, usocket_leave_group(s, NULL, 1));
    BAD(-EINVAL, usocket_leave_group(s, &lies, 1));
    BAD(-EINVAL, usocket_cancel(s, 1));
    BAD(-EINVAL, usocket_cancel(s, INT32_MIN));
    BAD(0, usocket_set_deadline(s, INT64_MAX));
    BAD(0, usocket_set_deadline(s, INT64_MIN));
    BAD(-EINVAL, usocket_set_tos(s, INT32_MIN));
    BAD(-EINVAL, usocket_set_tos(s, 256));
    BAD(-ENODEV, usocket_bind_device(s, "a name that is too long for one"));
    BAD(-EFAULT, usocket_interfaces(NULL, 1));
    BAD(-EINVAL, usocket_interfaces((usocket_interface *)buf, MAX));
    BAD(-EOPNOTSUPP, usocket_sendfile(s, 0, 0, 1));
    BAD(-EINVAL, usocket_sendfile(s, 0, INT64_MIN, 1));
    BAD(-EINVAL, usocket_sendfile(s, 0, 0, MAX));
}

static void names_and_polling(usocket_t s)
{
    usocket_addrinfo *list;
    usocket_event event;
    BAD(-EFAULT, usocket_getaddrinfo("127.0.0.1", "1", 0, 0, 0, 0, -1, NULL));
    BAD(USOCKET_EAI_FAMILY, usocket_getaddrinfo("127.0.0.1", "1", INT32_MIN, 0, 0, 0, -1, &list));
    BAD(-EINVAL, usocket_freeaddrinfo((usocket_addrinfo *)1));
    BAD(-EINVAL, usocket_freeaddrinfo((usocket_addrinfo *)&addr));
    BAD(-EFAULT, usocket_getnameinfo(NULL, buf, sizeof buf, NULL, 0, 0, 0));
    BAD(-EFAULT, usocket_getnameinfo(&addr, NULL, 1, NULL, 0, 0, 0));
    BAD(-EINVAL, usocket_getnameinfo(&addr, buf, OVER, NULL, 0, 0, 0));
    BAD(-EINVAL, usocket_getnameinfo(&addr, buf, sizeof buf, buf, MAX, 0, 0));
    BAD(USOCKET_EAI_BADFLAGS, usocket_getnameinfo(&addr, buf, sizeof buf, NULL, 0, INT32_MIN, 0));
    BAD(USOCKET_EAI_SERVICE, usocket_query_create("127.0.0.1", "70000", 0, 0, 0, 0));
    BAD(-EBADR, usocket_query_result(s, -1, &list));
    BAD(-EFAULT, usocket_query_result(s, -1, NULL));
    BAD(-EFAULT, usocket_create_connection("127.0.0.1", NULL, SECOND, NULL));
    BAD(-EINVAL, usocket_create_connection("127.0.0.1", "1", 0, NULL));
    BAD(-EFAULT, usocket_getnameinfo(NULL, buf, sizeof buf, NULL, 0, 0, -1));
    BAD(-EFAULT, usocket_getnameinfo(&addr, NULL, 1, NULL, 0, 0, -1));
    BAD(-EINVAL, usocket_getnameinfo(&addr, buf, OVER, NULL, 0, 0, -1));
    BAD(-EINVAL, usocket_getnameinfo(&addr, buf, sizeof buf, buf, MAX, 0, -1));
    BAD(USOCKET_EAI_BADFLAGS, usocket_getnameinfo(&addr, buf, sizeof buf, NULL, 0, INT32_MIN, -1));
    usocket_addr lies = addr;
    lies.len = UINT32_MAX;
    BAD(-EINVAL, usocket_getnameinfo(&lies, buf, sizeof buf, NULL, 0, 0, -1));
    BAD(-EINVAL, usocket_create_connection("127.0.0.1", "1", SECOND, &lies));
    BAD(-EFAULT, usocket_connection_create("127.0.0.1", NULL, SECOND, NULL));
    BAD(-EINVAL, usocket_connection_create("127.0.0.1", "1", 0, NULL));
    BAD(-EINVAL, usocket_connection_create("127.0.0.1", "1", SECOND, &lies));
    BAD(-EBADR, usocket_connection_take(s, 0));
    BAD(-EBADR, usocket_connection_failure(s, MAX, NULL, NULL, NULL));
    BAD(-EFAULT, usocket_create_server(NULL, 1, 0));
    BAD(-EINVAL, usocket_create_server(&addr, 1, INT32_MIN));
    BAD(-EFAULT, usocket_poll(NULL, 1, 0));
    BAD(-EINVAL, usocket_poll(NULL, MAX, 0));
    BAD(-EINVAL, usocket_poll((usocket_pollfd *)buf, SSIZE_MAX, 0));
    usocket_t poller = OK(usocket_poller_create());
    CALL(usocket_poller_create); // above
    BAD(-EBADR, usocket_poller_add(s, s, POLLIN, 0)); // a socket is no poller
    BAD(-EINVAL, usocket_poller_add(poller, poller, POLLIN, 0));
    BAD(-EINVAL, usocket_poller_add(poller, s, 0, 0));
    BAD(-EINVAL, usocket_poller_add(poller, s, UINT32_MAX, 0));
    BAD(-EBADF, usocket_poller_add_fd(poller, -1, POLLIN, 0));
    BAD(-EBADF, usocket_poller_add_fd(poller, INT32_MAX, POLLIN, 0));
    BAD(-EBADF, usocket_poller_add(poller, 0, POLLIN, 0));
    BAD(-EINVAL, usocket_poller_add_fd(poller, 0, 0, 0));
    BAD(-EBADF, usocket_poller_modify_fd(poller, INT32_MIN, POLLIN, 0));
    BAD(-ENOENT, usocket_poller_modify_fd(poller, INT32_MAX, POLLIN, 0));
    BAD(-EBADF, usocket_poller_remove_fd(poller, -1));
    BAD(-ENOENT, usocket_poller_remove_fd(poller, INT32_MAX));
    BAD(-ENOENT, usocket_poller_modify(poller, s, POLLIN, 0));
    BAD(-ENOENT, usocket_poller_remove(poller, s));
    BAD(-EBADR, usocket_poller_remove(s, s));
    BAD(-EFAULT, usocket_poller_wait(poller, NULL, 1, 0));
    BAD(-EINVAL, usocket_poller_wait(poller, &event, 0, 0));
    BAD(-EINVAL, usocket_poller_wait(poller, &event, MAX, 0));
    BAD(-EBADR, usocket_poller_wait(s, &event, 1, 0));
    BAD(0, usocket_poller_wait(poller, &event, SSIZE_MAX / sizeof event, 0));
    BAD(-EBADR, usocket_poller_wake(s));
    BAD(-EINVAL, usocket_poller_arm_timer(poller, INT64_MIN, 0));
    BAD(-EBADR, usocket_poller_arm_timer(s, 0, 0));
    BAD(-ENOENT, usocket_poller_cancel_timer(poller, INT64_MIN));
    BAD(-ENOENT, usocket_poller_cancel_timer(poller, INT64_MAX));
    // A poller is no socket.
    GIVES(-ENOTSOCK, usocket_recv(poller, buf, 1, 0));
    GIVES(-ENOTSOCK, usocket_detach(poller));
    OK(usocket_close(poller));
}

static void bad_arguments_have_their_codes(void **state)
{
    (void)state;
    OK(usocket_addr_ip(AF_INET, "127.0.0.1", 0, 0, 0, &addr));
    usocket_t s = bound_socket(AF_INET, SOCK_DGRAM);
    CALL(usocket_version());
    CALL(usocket_features());
    CALL(usocket_now());
    CALL(usocket_strerror(INT64_MIN));
    CALL(usocket_gai_code(INT64_MIN));
    CALL(usocket_error_category(INT64_MIN));
    CALL(usocket_error_category(INT64_MAX));
    BAD(-EFAULT, usocket_error_detail(0, NULL, 1));
    BAD(-EINVAL, usocket_error_detail(0, buf, OVER));
    BAD(0, usocket_set_event_hook(NULL, (void *)1));
    BAD(0, usocket_set_log_hook(NULL, (void *)1));
    BAD(-EINVAL, usocket_set_resolver_threads(0));
    BAD(-EINVAL, usocket_set_resolver_threads(1025));
    addresses();
    sockets(s);
    options(s);
    names_and_polling(s);
    BAD(0, usocket_finish(INT64_MIN)); // which closes what is open
    GIVES(-EBADF, usocket_close(s));
    GIVES(0, usocket_finish(INT64_MAX));
    all_walked(walked_bad, false, "bad arguments");
}

static void nothing_with_no_room_is_legal(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    GIVES(0, usocket_send(pair[0], NULL, 0, 0));
    GIVES(0, usocket_sendall(pair[0], NULL, 0, 0));
    GIVES(0, usocket_write(pair[0], NULL, 0));
    GIVES(0, usocket_read(pair[0], NULL, 0));
    GIVES(0, usocket_readline(pair[0], NULL, 0));
    GIVES(-EAGAIN, usocket_recv(pair[0], NULL, 0, MSG_DONTWAIT)); // as recv(2) has it
    GIVES(0, usocket_poll(NULL, 0, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_handle_is_ebadf_everywhere),
        cmocka_unit_test(zero_is_never_a_handle),
        cmocka_unit_test(bad_arguments_have_their_codes),
        cmocka_unit_test(nothing_with_no_room_is_legal),
    };
    return RUN(tests);
}
