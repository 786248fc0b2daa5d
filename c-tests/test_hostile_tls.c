// Every TLS function of the header, called with what no caller should pass, as test_hostile.c does
// with the others.

#include "tls_support.h"
#include "walk.h"

static char buf[256];
static const uint8_t *const bytes = (const uint8_t *)buf;

static int32_t accept_any(void *arg, const uint8_t *der, size_t len, int32_t depth)
{
    (void)arg, (void)der, (void)len, (void)depth;
    return 0;
}

static void every_function_on_a_handle(usocket_t h)
{
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    usocket_t context = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    mark(walked_stale, "usocket_tls_context_create"); // takes no handle
    mark(walked_stale, "usocket_tls_cert_text");
    mark(walked_stale, "usocket_tls_cert_time");
    STALE(usocket_tls_context_add_cert(h, buf, 1, buf, 1));
    STALE(usocket_tls_context_add_cert_file(h, "x", "x"));
    STALE(usocket_tls_context_add_trust(h, buf, 1));
    STALE(usocket_tls_context_add_trust_file(h, "x"));
    STALE(usocket_tls_context_add_trust_dir(h, "x"));
    STALE(usocket_tls_context_add_trust_system(h));
    STALE(usocket_tls_context_add_trust_mozilla(h));
    STALE(usocket_tls_context_add_crl(h, buf, 1));
    STALE(usocket_tls_context_set_crl_flags(h, 0));
    STALE(usocket_tls_context_set_ocsp_mode(h, 0));
    STALE(usocket_tls_context_add_ocsp(h, buf, 1));
    STALE(usocket_tls_context_set_verify(h, 0));
    STALE(usocket_tls_context_set_hostname_check(h, 0));
    STALE(usocket_tls_context_set_key_check(h, 0));
    STALE(usocket_tls_context_set_key_password(h, "x", 1));
    STALE(usocket_tls_context_clear_certs(h));
    STALE(usocket_tls_context_set_name_callback(h, NULL, NULL));
    STALE(usocket_tls_context_set_max_record(h, 0));
    STALE(usocket_tls_context_set_alpn_required(h, 0));
    STALE(usocket_tls_context_add_ticket_key(h, bytes, 32));
    STALE(usocket_tls_context_set_alpn(h, "h2"));
    STALE(usocket_tls_context_set_versions(h, 0, 0));
    STALE(usocket_tls_context_set_ciphers(h, "x"));
    STALE(usocket_tls_context_ciphers(h, buf, sizeof buf));
    STALE(usocket_tls_context_set_groups(h, "x"));
    STALE(usocket_tls_context_set_resumption(h, 1, 1));
    STALE(usocket_tls_context_set_insecure_keylog(h, "/dev/null"));
    STALE(usocket_tls_context_add_pin(h, bytes, 32));
    STALE(usocket_tls_context_set_verify_callback(h, accept_any, NULL));
    STALE(usocket_tls_context_set_clock(h, 1));
    STALE(usocket_tls_wrap(h, context, "x", 0));
    STALE(usocket_tls_wrap(s, h, "x", 0));
    STALE(usocket_tls_handshake(h));
    STALE(usocket_tls_unwrap(h));
    STALE(usocket_tls_pending(h));
    STALE(usocket_tls_wants(h));
    STALE(usocket_tls_version(h));
    STALE(usocket_tls_cipher(h, buf, sizeof buf));
    STALE(usocket_tls_group(h, buf, sizeof buf));
    STALE(usocket_tls_alpn(h, buf, sizeof buf));
    STALE(usocket_tls_server_name(h, buf, sizeof buf));
    STALE(usocket_tls_resumed(h));
    STALE(usocket_tls_verified(h));
    STALE(usocket_tls_alert(h));
    STALE(usocket_tls_peer_cert(h, 0, buf, sizeof buf));
    STALE(usocket_tls_verified_cert(h, 0, buf, sizeof buf));
    STALE(usocket_tls_export(h, "x", buf, 1, buf, 1));
    STALE(usocket_tls_channel_binding(h, buf, sizeof buf));
    STALE(usocket_tls_take_session(h));
    STALE(usocket_tls_set_session(h, h));
    STALE(usocket_tls_create(h, "x", 0));
    STALE(usocket_tls_feed(h, buf, 1));
    STALE(usocket_tls_feed_end(h));
    STALE(usocket_tls_drain(h, buf, 1));
    OK(usocket_close(context));
    OK(usocket_close(s));
}

static void a_stale_handle_is_ebadf_everywhere(void **state)
{
    (void)state;
    usocket_t closed = OK(usocket_tls_context_create(USOCKET_TLS_SERVER));
    OK(usocket_close(closed));
    usocket_t socket = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    OK(usocket_close(socket));
    const usocket_t handles[] = {
        closed, socket, 0, 1, -1, INT32_MIN, INT32_MAX, (1LL << 53) - 1, 1LL << 53, INT64_MAX,
        INT64_MIN,
    };
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        every_function_on_a_handle(handles[i]);
    all_walked(walked_stale, true, "stale handles");
}

// A context where a socket should be, a socket where a context should be.
static void the_wrong_kind_of_handle(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    usocket_t context = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    GIVES(-EBADR, usocket_tls_context_set_verify(s, 0));
    GIVES(-EBADR, usocket_tls_wrap(s, s, "x", 0));
    GIVES(-ENOTSOCK, usocket_tls_wrap(context, context, "x", 0));
    GIVES(-ENOTSOCK, usocket_recv(context, buf, 1, 0));
    GIVES(-ENOTSOCK, usocket_tls_handshake(context));
    GIVES(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_handshake(s));
    usocket_t poller = OK(usocket_poller_create());
    GIVES(-EPERM, usocket_poller_add(poller, context, POLLIN, 0));
    usocket_pollfd p = {.socket = context, .events = POLLIN};
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    assert_int_equal(p.revents, POLLNVAL);
    OK(usocket_close(poller));
    OK(usocket_close(context));
    OK(usocket_close(s));
}

static void bad_arguments_have_their_codes(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
    usocket_t c = OK(usocket_tls_context_create(USOCKET_TLS_CLIENT));
    BAD(-EINVAL, usocket_tls_context_create(INT32_MIN));
    BAD(-EFAULT, usocket_tls_context_add_cert(c, NULL, 1, buf, 1));
    BAD(-EFAULT, usocket_tls_context_add_cert(c, buf, 1, NULL, 1));
    BAD(-EINVAL, usocket_tls_context_add_cert(c, buf, OVER, buf, 1));
    BAD(-EINVAL, usocket_tls_context_add_cert(c, buf, 1, buf, MAX));
    BAD(-EFAULT, usocket_tls_context_add_cert_file(c, NULL, "x"));
    BAD(-ENOENT, usocket_tls_context_add_cert_file(c, "/no/such", "/no/such"));
    BAD(-EFAULT, usocket_tls_context_add_trust(c, NULL, 1));
    BAD(-EINVAL, usocket_tls_context_add_trust(c, buf, MAX));
    BAD(-EFAULT, usocket_tls_context_add_trust_file(c, NULL));
    BAD(-ENOENT, usocket_tls_context_add_trust_file(c, "/no/such"));
    BAD(-EFAULT, usocket_tls_context_add_trust_dir(c, NULL));
    BAD(-ENOENT, usocket_tls_context_add_trust_dir(c, "/no/such"));
    CALL(usocket_tls_context_add_trust_system(0));
    CALL(usocket_tls_context_add_trust_mozilla(c));
    BAD(-EFAULT, usocket_tls_context_add_crl(c, NULL, 1));
    BAD(-EINVAL, usocket_tls_context_add_crl(c, buf, OVER));
    BAD(-EINVAL, usocket_tls_context_set_crl_flags(c, INT32_MIN));
    CALL(usocket_tls_context_set_ocsp_mode(c, INT32_MIN));
    BAD(-EFAULT, usocket_tls_context_add_ocsp(c, NULL, 1));
    BAD(-EINVAL, usocket_tls_context_add_ocsp(c, buf, OVER));
    BAD(-EINVAL, usocket_tls_context_set_verify(c, INT32_MAX));
    BAD(-EINVAL, usocket_tls_context_set_verify(c, INT32_MIN));
    BAD(-EINVAL, usocket_tls_context_set_hostname_check(c, INT32_MIN));
    BAD(-EINVAL, usocket_tls_context_set_key_check(c, INT32_MIN));
    BAD(-EFAULT, usocket_tls_context_set_key_password(c, NULL, 1));
    BAD(0, usocket_tls_context_clear_certs(c));
    CALL(usocket_tls_context_set_name_callback(c, NULL, NULL));
    BAD(-EINVAL, usocket_tls_context_set_max_record(c, INT32_MIN));
    BAD(-EINVAL, usocket_tls_context_set_alpn_required(c, INT32_MIN));
    BAD(-EOPNOTSUPP, usocket_tls_context_add_ticket_key(c, bytes, 32));
    BAD(-EFAULT, usocket_tls_cert_text(NULL, 1, USOCKET_TLS_CERT_SUBJECT, buf, sizeof buf));
    BAD(USOCKET_ETLS_CERT_INVALID, usocket_tls_cert_text(NULL, 0, INT32_MIN, buf, sizeof buf));
    int64_t when;
    BAD(USOCKET_ETLS_CERT_INVALID, usocket_tls_cert_time(bytes, 3, INT32_MAX, &when));
    BAD(0, usocket_tls_context_set_alpn(c, NULL));
    BAD(USOCKET_ETLS_NO_SUCH_VERSION, usocket_tls_context_set_versions(c, INT32_MIN, INT32_MAX));
    BAD(0, usocket_tls_context_set_ciphers(c, NULL));
    BAD(-EFAULT, usocket_tls_context_ciphers(c, NULL, 1));
    BAD(-EINVAL, usocket_tls_context_ciphers(c, buf, OVER));
    BAD(0, usocket_tls_context_set_groups(c, NULL));
    BAD(-EINVAL, usocket_tls_context_set_resumption(c, INT32_MIN, 1));
    CALL(usocket_tls_context_set_insecure_keylog(c, NULL));
    BAD(-EFAULT, usocket_tls_context_add_pin(c, NULL, 32));
    BAD(-EINVAL, usocket_tls_context_add_pin(c, bytes, 31));
    BAD(-EINVAL, usocket_tls_context_add_pin(c, bytes, MAX));
    BAD(0, usocket_tls_context_set_verify_callback(c, NULL, NULL));
    BAD(-EINVAL, usocket_tls_context_set_clock(c, INT64_MIN));
    BAD(-EINVAL, usocket_tls_wrap(s, c, "x", INT32_MIN));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_handshake(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_unwrap(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_pending(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_wants(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_version(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_cipher(s, buf, sizeof buf));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_group(s, buf, sizeof buf));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_alpn(s, buf, sizeof buf));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_server_name(s, buf, sizeof buf));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_resumed(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_verified(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_alert(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_peer_cert(s, 0, buf, sizeof buf));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_verified_cert(s, 0, buf, sizeof buf));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_export(s, "x", buf, 1, buf, 1));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_channel_binding(s, buf, sizeof buf));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_take_session(s));
    BAD(USOCKET_ETLS_NOT_WRAPPED, usocket_tls_set_session(s, c));
    // The system may have no certificates to trust.
    GIVES(1, usocket_tls_context_add_trust_file(c, in_certs("ca.pem")));
    usocket_t b = OK(usocket_tls_create(c, "x", 0));
    BAD(-EINVAL, usocket_tls_create(c, "x", INT32_MIN));
    BAD(-EFAULT, usocket_tls_feed(b, NULL, 1));
    BAD(-EINVAL, usocket_tls_feed(b, buf, MAX));
    BAD(-EFAULT, usocket_tls_drain(b, NULL, 1));
    BAD(-EINVAL, usocket_tls_drain(b, buf, OVER));
    BAD(-EBADR, usocket_tls_feed_end(s));
    OK(usocket_close(b));
    all_walked(walked_bad, true, "bad arguments");
    OK(usocket_close(s));
    OK(usocket_close(c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_handle_is_ebadf_everywhere),
        cmocka_unit_test(the_wrong_kind_of_handle),
        cmocka_unit_test(bad_arguments_have_their_codes),
    };
    return RUN_TLS(tests);
}
