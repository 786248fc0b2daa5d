// The library itself: version, error texts, the sentence behind an error, the event hook.

#include "support.h"

static void version_and_features_are_text(void **state)
{
    (void)state;
    int major, minor, patch;
    assert_int_equal(sscanf(usocket_version(), "%d.%d.%d", &major, &minor, &patch), 3);
    assert_non_null(strstr(usocket_features(), "tls="));
}

static void every_range_has_its_texts(void **state)
{
    (void)state;
    assert_string_equal(usocket_strerror(-ECONNREFUSED), "Connection refused");
    assert_string_equal(usocket_strerror(0), "no error");
    assert_string_equal(usocket_strerror(17), "no error");
    assert_string_equal(usocket_strerror(USOCKET_EAI_NONAME), gai_strerror(EAI_NONAME));
    assert_non_null(strstr(usocket_strerror(USOCKET_ETLS_NOT_WRAPPED), "wrap"));
    // Any number at all has one, and it is never empty.
    const int64_t numbers[] = {-1, -4095, -4096, -9999, -10000, -19999, -20000, -20013, -30000,
                               INT32_MIN, INT64_MIN, INT32_MAX, INT64_MAX, (int64_t)1 << 32};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_true(strlen(usocket_strerror(numbers[i])) > 0);
}

static void *ask_for_texts(void *other)
{
    for (int i = 0; i < 1000; i++)
        usocket_strerror(-EPIPE);
    return strdup(usocket_strerror(*(int *)other));
}

static void a_text_is_this_threads_own(void **state)
{
    (void)state;
    const char *mine = usocket_strerror(-ECONNREFUSED);
    int code = -ENOENT;
    pthread_t thread;
    start_thread(&thread, ask_for_texts, &code);
    void *text;
    pthread_join(thread, &text);
    assert_string_equal(text, strerror(ENOENT));
    assert_string_equal(mine, "Connection refused");
    free(text);
}

static void resolver_codes_are_the_platforms_own(void **state)
{
    (void)state;
    const struct { int code, number; } pairs[] = {
        {USOCKET_EAI_BADFLAGS, EAI_BADFLAGS}, {USOCKET_EAI_NONAME, EAI_NONAME},
        {USOCKET_EAI_AGAIN, EAI_AGAIN}, {USOCKET_EAI_FAIL, EAI_FAIL},
        {USOCKET_EAI_NODATA, EAI_NODATA}, {USOCKET_EAI_FAMILY, EAI_FAMILY},
        {USOCKET_EAI_SOCKTYPE, EAI_SOCKTYPE}, {USOCKET_EAI_SERVICE, EAI_SERVICE},
        {USOCKET_EAI_ADDRFAMILY, EAI_ADDRFAMILY}, {USOCKET_EAI_MEMORY, EAI_MEMORY},
        {USOCKET_EAI_OVERFLOW, EAI_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(usocket_gai_code(pairs[i].code), pairs[i].number);
        assert_true(usocket_gai_code(pairs[i].code) < 0);
        // musl has the number, but no words for it.
        if (pairs[i].number == EAI_ADDRFAMILY)
            assert_string_equal(usocket_strerror(pairs[i].code), "Address family for hostname not supported");
        else
            assert_string_equal(usocket_strerror(pairs[i].code), gai_strerror(pairs[i].number));
    }
    const int64_t others[] = {0, 1, -1, -EINVAL, USOCKET_ETLS_NOT_WRAPPED, -19999, -20000, -21000,
                              INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(usocket_gai_code(others[i]), 0);
}

static void every_code_has_a_category(void **state)
{
    (void)state;
    const struct { int64_t code; int32_t category; } pairs[] = {
        {-ECONNREFUSED, USOCKET_CATEGORY_SYSTEM}, {USOCKET_EAI_NONAME, USOCKET_CATEGORY_RESOLVER},
        {USOCKET_ETLS_PROTOCOL, USOCKET_CATEGORY_TLS_CONNECTION},
        {USOCKET_ETLS_TRUNCATED, USOCKET_CATEGORY_TLS_END},
        {USOCKET_ETLS_CERT_EXPIRED, USOCKET_CATEGORY_TLS_CERTIFICATE},
        {USOCKET_ETLS_NO_COMMON_SUITE, USOCKET_CATEGORY_TLS_AGREEMENT},
        {USOCKET_ETLS_KEY_MISMATCH, USOCKET_CATEGORY_TLS_SETTING},
        {USOCKET_ETLS_ALERT - 48, USOCKET_CATEGORY_TLS_ALERT}, {0, USOCKET_CATEGORY_NONE},
        {17, USOCKET_CATEGORY_NONE}, {-5000, USOCKET_CATEGORY_NONE}, {-10499, USOCKET_CATEGORY_NONE},
        {INT64_MIN, USOCKET_CATEGORY_NONE}, {INT64_MAX, USOCKET_CATEGORY_NONE},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_int_equal(usocket_error_category(pairs[i].code), pairs[i].category);
}

// A poller where a query should be, and so on: a code of its own, which says so.
static void the_wrong_kind_of_handle_has_a_code(void **state)
{
    (void)state;
    usocket_poller_t poller = OK(usocket_poller_create());
    usocket_addrinfo *list;
    GIVES(-EBADR, usocket_query_result(poller, 0, &list));
    GIVES(-ENOTSOCK, usocket_listen(poller, 1));
    assert_non_null(strstr(usocket_strerror(-EBADR), "wrong kind"));
    OK(usocket_close(poller));
}

static void the_sentence_behind_an_error(void **state)
{
    (void)state;
    usocket_addr addr;
    GIVES(-EINVAL, usocket_addr_ip(AF_INET, "127.0.0.1", 65536, 0, 0, &addr));
    char text[256], tight[256];
    int64_t n = OK(usocket_error_detail(0, text, sizeof text));
    assert_non_null(strstr(text, "65536"));
    assert_int_equal(n, strlen(text));
    // Only the length; exactly enough room; one byte too little, and then nothing is written.
    GIVES(n, usocket_error_detail(0, NULL, 0));
    GIVES(n, usocket_error_detail(0, tight, n + 1));
    assert_string_equal(tight, text);
    memset(tight, 'x', sizeof tight);
    GIVES(-ENOSPC, usocket_error_detail(0, tight, n));
    assert_int_equal(tight[0], 'x');
    // A handle has its own, none so far.
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    GIVES(0, usocket_error_detail(s, text, sizeof text));
    assert_string_equal(text, "");
    OK(usocket_close(s));
    GIVES(-EBADF, usocket_error_detail(s, text, sizeof text));
}

// The sentence of one call is not reported for another: failed or not, with a handle or without.
static void a_sentence_is_about_the_last_failure(void **state)
{
    (void)state;
    usocket_addr addr = {0};
    usocket_addrinfo *list;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0)), pair[2];
    char byte, text[64];
    for (int i = 0; i < 18; i++) {
        GIVES(-EINVAL, usocket_addr_ip(AF_INET, "localhost", 1, 0, 0, &addr));
        assert_true(OK(usocket_error_detail(0, NULL, 0)) > 0);
        switch (i) {
        case 0: GIVES(-EFAULT, usocket_addr_ip(AF_INET, NULL, 1, 0, 0, &addr)); break;
        case 1: GIVES(-EFAULT, usocket_addr_ip(AF_INET, "127.0.0.1", 1, 0, 0, NULL)); break;
        case 2: GIVES(-EAFNOSUPPORT, usocket_addr_ip(77, "::1", 1, 0, 0, &addr)); break;
        case 3: OK(usocket_addr_ip(AF_INET, "127.0.0.1", 1, 0, 0, &addr)); break;
        case 4: GIVES(-EINVAL, usocket_inet_pton(AF_INET, "x", text, sizeof text)); break;
        case 5: GIVES(-EAFNOSUPPORT, usocket_inet_ntop(77, text, 4, text, sizeof text)); break;
        case 6: GIVES(-EINVAL, usocket_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)); break;
        case 7: GIVES(-EOPNOTSUPP, usocket_socketpair(AF_INET, SOCK_STREAM, 0, pair)); break;
        case 8: GIVES(-EBADF, usocket_from_fd(-1)); break;
        case 9: GIVES(-ENOTCONN, usocket_recv(s, &byte, 1, 0)); break;
        case 10: GIVES(-EBADF, usocket_close(0)); break;
        case 11: GIVES(USOCKET_EAI_NONAME, usocket_getaddrinfo("localhost", NULL, 0, 0, 0, AI_NUMERICHOST, -1, &list)); break;
        case 12: GIVES(-EINVAL, usocket_create_connection("127.0.0.1", "1", 0, NULL)); break;
        case 13: GIVES(-EINVAL, usocket_create_server(&addr, 1, 1 << 20)); break;
        case 14: GIVES(-EFAULT, usocket_addr_port(NULL)); break;
        case 15: GIVES(-EBADF, usocket_fileno(0)); break;
        case 16: GIVES(-EBADF, usocket_recv(0, &byte, 1, 0)); break;
        case 17: GIVES(-EBADF, usocket_getpeername(0, &addr)); break;
        }
        GIVES(0, usocket_error_detail(0, text, sizeof text));
    }
    // A success on a handle does not change its sentence, and neither does reading it.
    GIVES(-EINVAL, usocket_addr_ip(AF_INET, "localhost", 1, 0, 0, &addr));
    OK(usocket_close(s));
    usocket_strerror(-EINVAL);
    GIVES(-ENOSPC, usocket_error_detail(0, text, 1));
    assert_true(OK(usocket_error_detail(0, NULL, 0)) > 0);
}

// --- the event hook ---

static int hook_calls, hook_says;
static void *hook_arg;

static int32_t hook(void *arg)
{
    hook_calls++;
    hook_arg = arg;
    // It may call the library.
    usocket_strerror(-EINTR);
    return hook_says;
}

static void the_hook_stops_an_operation(void **state)
{
    (void)state;
    usocket_t pair[2];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    char byte;
    const int64_t timeouts[] = {-1, GENEROUS};
    for (int i = 0; i < 2; i++) {
        int arg;
        hook_calls = 0, hook_says = 1;
        OK(usocket_set_event_hook(hook, &arg));
        OK(usocket_settimeout(pair[0], timeouts[i]));
        alarms(20 * MS, true); // Again and again: one may come before the wait begins.
        GIVES(-EINTR, usocket_recv(pair[0], &byte, 1, 0));
        alarms(0, false);
        assert_int_equal(hook_calls, 1);
        assert_ptr_equal(hook_arg, &arg);
    }
    // The socket is none the worse.
    OK(usocket_send(pair[1], "x", 1, 0));
    GIVES(1, usocket_recv(pair[0], &byte, 1, 0));
    OK(usocket_set_event_hook(NULL, NULL));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void the_hook_lets_an_operation_go_on_for_the_time_left(void **state)
{
    (void)state;
    usocket_t s = bound_socket(AF_INET, SOCK_DGRAM);
    char byte;
    hook_calls = 0, hook_says = 0;
    OK(usocket_set_event_hook(hook, NULL));
    OK(usocket_settimeout(s, 500 * MS));
    int64_t began = now_us();
    alarms(20 * MS, true);
    GIVES(-ETIMEDOUT, usocket_recv(s, &byte, 1, 0));
    assert_in_range(now_us() - began, 500 * MS, GENEROUS);
    int calls = hook_calls;
    assert_true(calls > 0);
    // Removed, it is not called; the operation goes on all the same.
    OK(usocket_set_event_hook(NULL, NULL));
    GIVES(-ETIMEDOUT, usocket_recv(s, &byte, 1, 0));
    alarms(0, false);
    assert_int_equal(hook_calls, calls);
    OK(usocket_close(s));
}

struct told {
    int times;
    usocket_t handle;
    int32_t code;
    char sentence[1100];
};

static void on_failure(void *arg, usocket_t handle, int32_t code, const char *sentence)
{
    struct told *told = arg;
    told->times++;
    told->handle = handle;
    told->code = code;
    snprintf(told->sentence, sizeof told->sentence, "%s", sentence);
    usocket_close(-1); // It fails, and the hook is not called.
}

static void the_log_hook_is_told_of_failures(void **state)
{
    (void)state;
    struct told told = {0};
    usocket_addr addr;
    usocket_t pair[2], context = OK(usocket_tls_context_create(USOCKET_TLS_SERVER));
    char c, detail[1100];
    connected_pair(AF_INET, SOCK_STREAM, pair);
    OK(usocket_set_log_hook(on_failure, &told));
    // The hook is not called for codes that are no failures.
    GIVES(1, usocket_send(pair[0], "x", 1, 0));
    OK(usocket_settimeout(pair[0], 0));
    GIVES(-EAGAIN, usocket_recv(pair[0], &c, 1, 0));
    assert_int_equal(told.times, 0);
    // Without a handle, with one, with one that is stale: and the sentence is the one to be had.
    GIVES(-EINVAL, usocket_addr_ip(AF_INET, "no.address", 0, 0, 0, &addr));
    assert_true(told.times == 1 && told.handle == 0 && told.code == -EINVAL);
    OK(usocket_error_detail(0, detail, sizeof detail));
    assert_true(*detail && !strcmp(told.sentence, detail));
    int32_t code = usocket_tls_context_add_cert(context, "nonsense", 8, "nonsense", 8);
    assert_true(code < 0 && told.times == 2 && told.handle == context && told.code == code);
    OK(usocket_error_detail(context, detail, sizeof detail));
    assert_true(*detail && !strcmp(told.sentence, detail));
    GIVES(-EBADF, usocket_close(1));
    assert_true(told.times == 3 && told.handle == 1 && told.code == -EBADF && !*told.sentence);
    GIVES(-EINVAL, usocket_connect(pair[0], &(usocket_addr){0}));
    assert_true(told.times == 4 && told.handle == pair[0] && told.code == -EINVAL);
    OK(usocket_set_log_hook(NULL, NULL));
    GIVES(-EBADF, usocket_close(1));
    assert_int_equal(told.times, 4);
    OK(usocket_close(context));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_and_features_are_text),
        cmocka_unit_test(every_range_has_its_texts),
        cmocka_unit_test(a_text_is_this_threads_own),
        cmocka_unit_test(resolver_codes_are_the_platforms_own),
        cmocka_unit_test(every_code_has_a_category),
        cmocka_unit_test(the_wrong_kind_of_handle_has_a_code),
        cmocka_unit_test(the_sentence_behind_an_error),
        cmocka_unit_test(a_sentence_is_about_the_last_failure),
        cmocka_unit_test(the_hook_stops_an_operation),
        cmocka_unit_test(the_hook_lets_an_operation_go_on_for_the_time_left),
        cmocka_unit_test(the_log_hook_is_told_of_failures),
    };
    return RUN(tests);
}
