// Names: getaddrinfo with every argument, its own range of errors, and its lists.
// Nothing here asks a name server: numeric text, the hosts file and the services file.

#include "support.h"

#include <stdatomic.h>

#include <sched.h>

static usocket_addrinfo *resolve(const char *host, const char *service, int family, int type,
                                 int proto, int flags)
{
    usocket_addrinfo *list;
    OK(usocket_getaddrinfo(host, service, family, type, proto, flags, GENEROUS, &list));
    assert_non_null(list);
    return list;
}

static void numeric_hosts_and_ports(void **state)
{
    (void)state;
    usocket_addrinfo *list = resolve("127.0.0.1", "8080", 0, SOCK_STREAM, 0, 0);
    assert_int_equal(list->family, AF_INET);
    assert_int_equal(list->type, SOCK_STREAM);
    assert_int_equal(list->proto, IPPROTO_TCP);
    assert_string_equal(text_of(&list->addr), "127.0.0.1:8080");
    assert_null(list->canonname);
    assert_null(list->next);
    OK(usocket_freeaddrinfo(list));
    list = resolve("2001:db8::1", "65535", 0, SOCK_DGRAM, 0, 0);
    assert_string_equal(text_of(&list->addr), "[2001:db8::1]:65535");
    assert_int_equal(list->proto, IPPROTO_UDP);
    OK(usocket_freeaddrinfo(list));
    list = resolve("fe80::1%lo", "1", 0, SOCK_DGRAM, 0, 0);
    assert_int_equal(usocket_addr_scope_id(&list->addr), 1);
    OK(usocket_freeaddrinfo(list));
}

static void the_answer_connects(void **state)
{
    (void)state;
    usocket_t listener = listening_socket(AF_INET, 1);
    usocket_addr name = name_of(listener);
    char port[8];
    snprintf(port, sizeof port, "%d", usocket_addr_port(&name));
    usocket_addrinfo *list = resolve("localhost", port, AF_INET, SOCK_STREAM, 0, 0);
    usocket_t client = OK(usocket_socket(list->family, list->type, list->proto));
    OK(usocket_connect(client, &list->addr));
    OK(usocket_freeaddrinfo(list));
    OK(usocket_close(OK(usocket_accept(listener, NULL))));
    OK(usocket_close(client));
    OK(usocket_close(listener));
}

static void filters_choose_among_the_answers(void **state)
{
    (void)state;
    // Unfiltered, a numeric host is offered for every type; filtered, for that one only.
    usocket_addrinfo *all = resolve("127.0.0.1", "80", 0, 0, 0, 0);
    int seen[16] = {0};
    for (usocket_addrinfo *a = all; a; a = a->next)
        seen[a->type & 15]++;
    assert_true(seen[SOCK_STREAM] && seen[SOCK_DGRAM]);
    OK(usocket_freeaddrinfo(all));
    const struct { int type, proto; } filters[] = {
        {SOCK_STREAM, 0}, {SOCK_DGRAM, 0}, {0, IPPROTO_TCP}, {0, IPPROTO_UDP},
    };
    for (int i = 0; i < 4; i++) {
        usocket_addrinfo *list = resolve("127.0.0.1", "80", AF_INET, filters[i].type,
                                         filters[i].proto, 0);
        for (usocket_addrinfo *a = list; a; a = a->next) {
            assert_int_equal(a->family, AF_INET);
            assert_true(!filters[i].type || a->type == filters[i].type);
            assert_true(!filters[i].proto || a->proto == filters[i].proto);
        }
        OK(usocket_freeaddrinfo(list));
    }
    // A TLS socket is a TCP socket to the resolver.
    usocket_addrinfo *list = resolve("127.0.0.1", "443", 0, SOCK_STREAM, USOCKET_IPPROTO_SEC, 0);
    assert_int_equal(list->proto, IPPROTO_TCP);
    OK(usocket_freeaddrinfo(list));
}

static void no_host_and_no_service(void **state)
{
    (void)state;
    usocket_addrinfo *list;
    const char *none[] = {NULL, ""};
    for (int i = 0; i < 2; i++) {
        list = resolve(none[i], "80", AF_INET, SOCK_STREAM, 0, 0);
        assert_string_equal(text_of(&list->addr), "127.0.0.1:80");
        OK(usocket_freeaddrinfo(list));
        list = resolve(none[i], "80", AF_INET, SOCK_STREAM, 0, AI_PASSIVE);
        assert_string_equal(text_of(&list->addr), "0.0.0.0:80");
        OK(usocket_freeaddrinfo(list));
        list = resolve("127.0.0.1", none[i], AF_INET, SOCK_STREAM, 0, 0);
        assert_string_equal(text_of(&list->addr), "127.0.0.1:0");
        OK(usocket_freeaddrinfo(list));
        list = resolve(none[i], none[i], AF_INET, SOCK_STREAM, 0, 0);
        assert_string_equal(text_of(&list->addr), "127.0.0.1:0");
        OK(usocket_freeaddrinfo(list));
    }
}

static void service_names(void **state)
{
    (void)state;
    if (access("/etc/services", R_OK)) {
        print_message("there is no /etc/services here\n");
        skip();
    }
    usocket_addrinfo *list = resolve("127.0.0.1", "https", AF_INET, SOCK_STREAM, 0, 0);
    assert_int_equal(usocket_addr_port(&list->addr), 443);
    OK(usocket_freeaddrinfo(list));
}

static void a_canonical_name_in_the_first_answer(void **state)
{
    (void)state;
    usocket_addrinfo *list = resolve("127.0.0.1", "80", 0, SOCK_STREAM, 0, AI_CANONNAME);
    assert_string_equal(list->canonname, "127.0.0.1");
    OK(usocket_freeaddrinfo(list));
    list = resolve("localhost", "80", AF_INET, 0, 0, AI_CANONNAME);
    assert_non_null(list->canonname);
    assert_non_null(list->next);
    assert_null(list->next->canonname);
    OK(usocket_freeaddrinfo(list));
}

static void errors_have_their_own_range(void **state)
{
    (void)state;
    const struct { const char *host, *service; int family, type, flags, code; } rows[] = {
        {"www.micropython.org", "80", 0, 0, AI_NUMERICHOST, USOCKET_EAI_NONAME},
        {"127.0.0.1", "http", 0, 0, AI_NUMERICSERV, USOCKET_EAI_NONAME},
        {"127.0.0.1", "80", 0, 0, 0x40000000, USOCKET_EAI_BADFLAGS},
        {"127.0.0.1", "80", 12345, 0, 0, USOCKET_EAI_FAMILY},
        {"127.0.0.1", "80", 0, 77, 0, USOCKET_EAI_SOCKTYPE},
        {"127.0.0.1", "no-such-service", 0, SOCK_STREAM, 0, USOCKET_EAI_SERVICE},
        {"::1", "80", AF_INET, SOCK_STREAM, AI_NUMERICHOST, USOCKET_EAI_ADDRFAMILY},
        {"::1", "80", AF_INET, SOCK_STREAM, 0, USOCKET_EAI_ADDRFAMILY},
        {"127.0.0.1", "80", AF_INET6, SOCK_STREAM, 0, USOCKET_EAI_ADDRFAMILY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        usocket_addrinfo *list = (void *)&list;
        GIVES(rows[i].code, usocket_getaddrinfo(rows[i].host, rows[i].service, rows[i].family,
                                                rows[i].type, 0, rows[i].flags, -1, &list));
        assert_ptr_equal(list, &list); // written only on success
        assert_in_range(-usocket_gai_code(rows[i].code), 1, 999);
    }
}

static void ports_outside_their_range_are_refused(void **state)
{
    (void)state;
    usocket_addrinfo *list;
    const char *bad[] = {"65536", "65616", "99999999999999999999", "-1", "-65456", "00065536",
                         "+65616", " 65616", "\t99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        GIVES(USOCKET_EAI_SERVICE, usocket_getaddrinfo("127.0.0.1", bad[i], 0, SOCK_STREAM, 0, 0,
                                                       -1, &list));
    GIVES(USOCKET_EAI_SERVICE, usocket_getaddrinfo(NULL, "65536", 0, SOCK_STREAM, 0, 0, -1, &list));
}

static void a_list_is_freed_once(void **state)
{
    (void)state;
    usocket_addrinfo *list = resolve("127.0.0.1", "80", 0, 0, 0, 0);
    assert_non_null(list->next);
    GIVES(-EINVAL, usocket_freeaddrinfo(list->next)); // by its first answer only
    assert_string_equal(text_of(&list->next->addr), "127.0.0.1:80");
    GIVES(0, usocket_freeaddrinfo(list));
    GIVES(-EINVAL, usocket_freeaddrinfo(list));
    GIVES(-EINVAL, usocket_freeaddrinfo((usocket_addrinfo *)&list));
    GIVES(0, usocket_freeaddrinfo(NULL));
}

static void *resolve_often(void *bad)
{
    for (int i = 0; i < 500; i++) {
        usocket_addrinfo *list;
        if (usocket_getaddrinfo("127.0.0.1", "80", 0, 0, 0, 0, -1, &list) ||
            usocket_addr_port(&list->addr) != 80 || usocket_freeaddrinfo(list))
            *(bool *)bad = true;
    }
    return NULL;
}

static void many_threads_ask_at_once(void **state)
{
    (void)state;
    pthread_t threads[8];
    bool bad[8] = {false};
    for (int i = 0; i < 8; i++)
        start_thread(&threads[i], resolve_often, &bad[i]);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_false(bad[i]);
    }
}

static void a_query_is_polled_like_a_socket(void **state)
{
    (void)state;
    // One that must ask (the hosts file, on another thread), and one that is answered on the spot.
    const char *hosts[] = {"localhost", "127.0.0.1"};
    for (int i = 0; i < 2; i++) {
        usocket_t query = OK(usocket_query_create(hosts[i], "80", AF_INET, SOCK_STREAM, 0, 0));
        usocket_pollfd p = {.socket = query, .events = POLLIN};
        GIVES(1, usocket_poll(&p, 1, GENEROUS));
        assert_int_equal(p.revents, POLLIN);
        for (int twice = 0; twice < 2; twice++) {
            usocket_addrinfo *list;
            OK(usocket_query_result(query, 0, &list));
            assert_string_equal(text_of(&list->addr), "127.0.0.1:80");
            OK(usocket_freeaddrinfo(list));
        }
        OK(usocket_close(query));
        GIVES(-EBADF, usocket_query_result(query, -1, &(usocket_addrinfo *){NULL}));
    }
    usocket_t bad = OK(usocket_query_create("127.0.0.1", "no-such-service", 0, SOCK_STREAM, 0, 0));
    usocket_addrinfo *list = NULL;
    GIVES(USOCKET_EAI_SERVICE, usocket_query_result(bad, GENEROUS, &list));
    GIVES(-EFAULT, usocket_query_result(bad, GENEROUS, NULL));
    assert_null(list);
    OK(usocket_close(bad));
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    GIVES(-EBADR, usocket_query_result(s, GENEROUS, &list));
    OK(usocket_close(s));
}

static void abandoned_queries_leave_nothing_behind(void **state)
{
    (void)state;
    int before = open_descriptors();
    for (int i = 0; i < 500; i++)
        OK(usocket_close(OK(usocket_query_create("localhost", "80", 0, SOCK_STREAM, 0, 0))));
    // The last ones may still be asked for; one more, and they have been.
    usocket_addrinfo *list = resolve("localhost", "80", 0, SOCK_STREAM, 0, 0);
    OK(usocket_freeaddrinfo(list));
    int64_t until = now_us() + GENEROUS;
    while (open_descriptors() > before && now_us() < until)
        sched_yield();
    // Less is right too: at the beginning a thread may have had the hosts file open.
    assert_true(open_descriptors() <= before);
}

static void an_address_has_names(void **state)
{
    (void)state;
    const struct {
        const char *host;
        int port;
        int flags;
        const char *name, *service;
    } rows[] = {
        {"127.0.0.1", 80, NI_NUMERICHOST | NI_NUMERICSERV, "127.0.0.1", "80"},
        {"2001:db8::7", 443, NI_NUMERICHOST | NI_NUMERICSERV, "2001:db8::7", "443"},
        {"fe80::1%lo", 443, NI_NUMERICHOST | NI_NUMERICSERV, "fe80::1%lo", "443"},
        {"127.0.0.1", 22, 0, "localhost", "ssh"},
        {"127.0.0.1", 1, NI_NAMEREQD | NI_NUMERICSERV, "localhost", "1"},
    };
    char host[64], service[32];
    usocket_addr a;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OK(usocket_addr_ip(0, rows[i].host, rows[i].port, 0, 0, &a));
        GIVES(0, usocket_getnameinfo(&a, host, sizeof host, service, sizeof service, rows[i].flags,
                                     GENEROUS));
        assert_string_equal(host, rows[i].name);
        assert_string_equal(service, rows[i].service);
    }
    // One of them alone.
    GIVES(0, usocket_getnameinfo(&a, NULL, 0, service, sizeof service, NI_NUMERICSERV, -1));
    GIVES(0, usocket_getnameinfo(&a, host, sizeof host, NULL, 0, NI_NUMERICHOST, -1));
    assert_string_equal(host, "127.0.0.1");
    // Both or neither; just enough is enough.
    strcpy(service, "?");
    GIVES(-ENOSPC, usocket_getnameinfo(&a, host, 9, service, 32, NI_NUMERICHOST | NI_NUMERICSERV, -1));
    assert_string_equal(service, "?");
    GIVES(0, usocket_getnameinfo(&a, host, 10, service, 2, NI_NUMERICHOST | NI_NUMERICSERV, -1));
    GIVES(USOCKET_EAI_NONAME, usocket_getnameinfo(&a, NULL, 0, NULL, 0, 0, -1));
    GIVES(USOCKET_EAI_BADFLAGS, usocket_getnameinfo(&a, host, 64, NULL, 0, 1 << 30, GENEROUS));
    GIVES(-EFAULT, usocket_getnameinfo(NULL, host, 64, NULL, 0, 0, -1));
    GIVES(-EFAULT, usocket_getnameinfo(&a, NULL, 64, NULL, 0, 0, -1));
    a.len = 3;
    GIVES(-EINVAL, usocket_getnameinfo(&a, host, 64, NULL, 0, 0, -1));
    OK(usocket_addr_from_bytes((struct sockaddr *)&(struct sockaddr){.sa_family = AF_PACKET},
                               sizeof(struct sockaddr), &a));
    GIVES(USOCKET_EAI_FAMILY, usocket_getnameinfo(&a, host, 64, NULL, 0, NI_NUMERICHOST, -1));
}

static void a_name_that_is_not_ascii_is_refused_with_a_sentence(void **state)
{
    (void)state;
    usocket_addrinfo *list;
    char detail[128];
    const char *name = "b\xc3\xbc" "cher.example";
    GIVES(USOCKET_EAI_NONAME, usocket_getaddrinfo(name, "80", 0, 0, 0, 0, GENEROUS, &list));
    OK(usocket_error_detail(0, detail, sizeof detail));
    assert_non_null(strstr(detail, "xn--"));
    GIVES(USOCKET_EAI_NONAME, usocket_query_create(name, "80", 0, 0, 0, 0));
    GIVES(USOCKET_EAI_NONAME, usocket_create_connection(name, "80", GENEROUS, NULL));
    OK(usocket_error_detail(0, detail, sizeof detail));
    assert_non_null(strstr(detail, "xn--"));
    GIVES(USOCKET_EAI_NONAME, usocket_connection_create(name, "80", GENEROUS, NULL));
}

static atomic_bool stop;

static void *lists_come_and_go(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        usocket_addrinfo *list;
        if (usocket_getaddrinfo("127.0.0.1", "80", 0, 0, 0, 0, -1, &list) == 0)
            usocket_freeaddrinfo(list);
    }
    return NULL;
}

// Another thread's use of its list at the fork does not hang the child: it frees lists of the parent, and
// gets its own.
static void a_child_of_a_busy_process_asks(void **state)
{
    (void)state;
    usocket_addrinfo *before = resolve("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0);
    pthread_t threads[2];
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++)
        start_thread(&threads[i], lists_come_and_go, NULL);
    FOR_ROUNDS (i, 200) {
        pid_t child = fork();
        if (child == 0) {
            alarm(120);
            usocket_addrinfo *list;
            CHILD(usocket_getaddrinfo("127.0.0.1", "81", 0, 0, 0, 0, -1, &list) == 0);
            CHILD(usocket_freeaddrinfo(list) == 0);
            CHILD(usocket_getaddrinfo("localhost", "81", 0, 0, 0, 0, GENEROUS, &list) == 0);
            CHILD(usocket_freeaddrinfo(list) == 0);
            CHILD(usocket_freeaddrinfo(before) == 0 && usocket_freeaddrinfo(before) == -EINVAL);
            _exit(0);
        }
        child_ends_well(child);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    OK(usocket_freeaddrinfo(before));
}

static void more_lists_than_there_are_places_at_first(void **state)
{
    (void)state;
    usocket_addrinfo *lists[1000];
    for (int i = 0; i < 1000; i++)
        lists[i] = resolve("127.0.0.1", "80", 0, 0, 0, 0);
    for (int i = 999; i >= 0; i--)
        OK(usocket_freeaddrinfo(lists[(i * 7) % 1000]));
    for (int i = 0; i < 1000; i++)
        GIVES(-EINVAL, usocket_freeaddrinfo(lists[i]));
}

static void *close_it(void *query)
{
    usocket_close(*(usocket_t *)query);
    return NULL;
}

// Either the caller has a list, which is a success, or it has none.
static void a_result_beside_a_close_is_whole(void **state)
{
    (void)state;
    FOR_ROUNDS (i, 5000) {
        usocket_t query = OK(usocket_query_create("127.0.0.1", "80", 0, 0, 0, 0));
        pthread_t thread;
        start_thread(&thread, close_it, &query);
        for (int r = 0; r == 0;) {
            usocket_addrinfo *list = NULL;
            r = usocket_query_result(query, GENEROUS, &list);
            if (r == 0)
                OK(usocket_freeaddrinfo(list));
            else
                GIVES(-EBADF, r);
            assert_true(r == 0 || !list);
        }
        pthread_join(thread, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_hosts_and_ports),
        cmocka_unit_test(the_answer_connects),
        cmocka_unit_test(filters_choose_among_the_answers),
        cmocka_unit_test(no_host_and_no_service),
        cmocka_unit_test(service_names),
        cmocka_unit_test(a_canonical_name_in_the_first_answer),
        cmocka_unit_test(errors_have_their_own_range),
        cmocka_unit_test(ports_outside_their_range_are_refused),
        cmocka_unit_test(a_list_is_freed_once),
        cmocka_unit_test(many_threads_ask_at_once),
        cmocka_unit_test(a_query_is_polled_like_a_socket),
        cmocka_unit_test(abandoned_queries_leave_nothing_behind),
        cmocka_unit_test(an_address_has_names),
        cmocka_unit_test(a_name_that_is_not_ascii_is_refused_with_a_sentence),
        cmocka_unit_test(a_child_of_a_busy_process_asks),
        cmocka_unit_test(more_lists_than_there_are_places_at_first),
        cmocka_unit_test(a_result_beside_a_close_is_whole),
    };
    return RUN(tests);
}
