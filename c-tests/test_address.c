// Addresses: made, taken apart, turned to text; inet_pton and inet_ntop.

#include "support.h"

static void assert_detail_mentions(const char *what)
{
    char text[256];
    OK(usocket_error_detail(0, text, sizeof text));
    if (!strstr(text, what))
        fail_msg("'%s' does not mention '%s'", text, what);
}

static void ipv4_in_and_out(void **state)
{
    (void)state;
    usocket_addr a;
    OK(usocket_addr_ip(AF_INET, "192.0.2.7", 8080, 0, 0, &a));
    assert_int_equal(usocket_addr_family(&a), AF_INET);
    assert_int_equal(usocket_addr_port(&a), 8080);
    assert_int_equal(usocket_addr_flowinfo(&a), 0);
    assert_int_equal(usocket_addr_scope_id(&a), 0);
    char host[46];
    GIVES(9, usocket_addr_host(&a, host, sizeof host));
    assert_string_equal(host, "192.0.2.7");
    assert_string_equal(text_of(&a), "192.0.2.7:8080");
    // It is what the system has: a sockaddr_in, and it goes into system calls as it is.
    const struct sockaddr_in *in = (const struct sockaddr_in *)&a;
    assert_int_equal(a.len, sizeof *in);
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(ntohs(in->sin_port), 8080);
    assert_int_equal(ntohl(in->sin_addr.s_addr), 0xc0000207);
}

static void ipv6_in_and_out_with_flowinfo_and_scope(void **state)
{
    (void)state;
    usocket_addr a;
    OK(usocket_addr_ip(AF_INET6, "2001:db8::7", 443, 0x12345, 3, &a));
    assert_int_equal(usocket_addr_family(&a), AF_INET6);
    assert_int_equal(usocket_addr_port(&a), 443);
    assert_int_equal(usocket_addr_flowinfo(&a), 0x12345);
    assert_int_equal(usocket_addr_scope_id(&a), 3);
    char host[46];
    OK(usocket_addr_host(&a, host, sizeof host));
    assert_string_equal(host, "2001:db8::7");
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&a;
    assert_int_equal(a.len, sizeof *in);
    assert_int_equal(ntohl(in->sin6_flowinfo), 0x12345);
    assert_int_equal(in->sin6_scope_id, 3);
    // Zones in the text, by name and by number.
    OK(usocket_addr_ip(0, "fe80::1%lo", 5, 0, 0, &a));
    assert_int_equal(usocket_addr_scope_id(&a), 1);
    assert_string_equal(text_of(&a), "[fe80::1%1]:5");
    OK(usocket_addr_ip(AF_INET6, "fe80::1%77", 5, 0, 77, &a));
    assert_int_equal(usocket_addr_scope_id(&a), 77);
    GIVES(-EINVAL, usocket_addr_ip(AF_INET6, "fe80::1%77", 5, 0, 78, &a));
    GIVES(-EINVAL, usocket_addr_ip(AF_INET6, "fe80::1%nosuchinterface", 5, 0, 0, &a));
    // The largest scope id, and a flow label one too large.
    OK(usocket_addr_ip(AF_INET6, "fe80::1", 5, 0xfffff, UINT32_MAX, &a));
    assert_int_equal(usocket_addr_scope_id(&a), UINT32_MAX);
    GIVES(-EINVAL, usocket_addr_ip(AF_INET6, "::1", 5, 0x100000, 0, &a));
    assert_detail_mentions("flowinfo");
}

static void the_family_is_taken_from_the_text(void **state)
{
    (void)state;
    usocket_addr a;
    OK(usocket_addr_ip(0, "127.0.0.1", 1, 0, 0, &a));
    assert_int_equal(usocket_addr_family(&a), AF_INET);
    OK(usocket_addr_ip(0, "::ffff:127.0.0.1", 1, 0, 0, &a));
    assert_int_equal(usocket_addr_family(&a), AF_INET6);
    // The wildcard.
    OK(usocket_addr_ip(0, "", 1, 0, 0, &a));
    assert_string_equal(text_of(&a), "0.0.0.0:1");
    OK(usocket_addr_ip(AF_INET6, "", 1, 0, 0, &a));
    assert_string_equal(text_of(&a), "[::]:1");
    // Text of the other family.
    GIVES(-EINVAL, usocket_addr_ip(AF_INET, "::1", 1, 0, 0, &a));
    GIVES(-EINVAL, usocket_addr_ip(AF_INET6, "127.0.0.1", 1, 0, 0, &a));
    GIVES(-EAFNOSUPPORT, usocket_addr_ip(AF_UNIX, "127.0.0.1", 1, 0, 0, &a));
}

static void host_names_are_refused_with_a_sentence(void **state)
{
    (void)state;
    const char *names[] = {"localhost", "www.micropython.org", "1.2.3", "256.0.0.1", "1.2.3.4.5",
                           "0x7f.1", "::g", "1.2.3.4 ", " ", "fe80::1::2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        usocket_addr a = {.reserved = 7};
        GIVES(-EINVAL, usocket_addr_ip(0, names[i], 80, 0, 0, &a));
        assert_detail_mentions("getaddrinfo");
        assert_detail_mentions(names[i]);
        assert_int_equal(a.reserved, 7); // written only on success
    }
    GIVES(-EINVAL, usocket_addr_ip(0, "\xff\xfe", 80, 0, 0, &(usocket_addr){0}));
}

static void ports_outside_their_range_are_refused(void **state)
{
    (void)state;
    usocket_addr a;
    const int64_t bad[] = {-1, 65536, 65616, INT32_MAX, INT64_MAX, INT64_MIN, (1LL << 32) + 80};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        GIVES(-EINVAL, usocket_addr_ip(AF_INET, "127.0.0.1", bad[i], 0, 0, &a));
        assert_detail_mentions("0-65535");
        GIVES(-EINVAL, usocket_addr_ip(AF_INET6, "::1", bad[i], 0, 0, &a));
    }
    const int64_t good[] = {0, 1, 80, 65535};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OK(usocket_addr_ip(AF_INET, "127.0.0.1", good[i], 0, 0, &a));
        assert_int_equal(usocket_addr_port(&a), good[i]);
    }
}

static void unix_paths_up_to_the_limit_and_no_further(void **state)
{
    (void)state;
    char path[110], back[110];
    memset(path, 'p', sizeof path);
    for (size_t n = 1; n <= 108; n++) {
        usocket_addr a;
        OK(usocket_addr_unix(path, n, &a));
        assert_int_equal(usocket_addr_family(&a), AF_UNIX);
        memset(back, 'x', sizeof back);
        GIVES(n, usocket_addr_path(&a, back, 108));
        assert_memory_equal(back, path, n);
        assert_int_equal(back[n], 'x');
        GIVES(n, usocket_addr_path(&a, NULL, 0));
        if (n > 1)
            GIVES(-ENOSPC, usocket_addr_path(&a, back, n - 1));
    }
    usocket_addr a;
    GIVES(-ENAMETOOLONG, usocket_addr_unix(path, 109, &a));
    assert_detail_mentions("108");
    GIVES(-EINVAL, usocket_addr_unix("a\0b", 3, &a));
    assert_detail_mentions("NUL");
}

static void abstract_and_unnamed_addresses(void **state)
{
    (void)state;
    usocket_addr a;
    char back[110];
    OK(usocket_addr_unix("\0name\0with\0NULs\0", 16, &a));
    GIVES(16, usocket_addr_path(&a, back, sizeof back));
    assert_memory_equal(back, "\0name\0with\0NULs\0", 16);
    OK(usocket_addr_unix("\0abc", 4, &a));
    assert_string_equal(text_of(&a), "@abc");
    OK(usocket_addr_unix(NULL, 0, &a));
    GIVES(0, usocket_addr_path(&a, back, sizeof back));
    assert_int_equal(usocket_addr_family(&a), AF_UNIX);
}

static void bytes_in_and_out(void **state)
{
    (void)state;
    usocket_addr a, b;
    unsigned char bytes[128];
    OK(usocket_addr_ip(AF_INET6, "2001:db8::7", 443, 5, 6, &a));
    int n = OK(usocket_addr_bytes(&a, bytes, sizeof bytes));
    assert_int_equal(n, sizeof(struct sockaddr_in6));
    GIVES(n, usocket_addr_bytes(&a, NULL, 0));
    GIVES(-ENOSPC, usocket_addr_bytes(&a, bytes, n - 1));
    OK(usocket_addr_from_bytes(bytes, n, &b));
    assert_memory_equal(&a, &b, sizeof a);
    // Not an address: nothing, a family alone, an IPv6 address one byte short, too long.
    GIVES(-EINVAL, usocket_addr_from_bytes(NULL, 0, &b));
    GIVES(-EINVAL, usocket_addr_from_bytes(bytes, 1, &b));
    GIVES(-EINVAL, usocket_addr_from_bytes(bytes, n - 1, &b));
    unsigned char huge[129] = {0};
    const sa_family_t family = AF_INET;
    memcpy(huge, &family, sizeof family);
    GIVES(-EINVAL, usocket_addr_from_bytes(huge, sizeof huge, &b));
    GIVES(-EINVAL, usocket_addr_from_bytes(huge, 15, &b));
    OK(usocket_addr_from_bytes(huge, 16, &b));
}

static void the_wrong_family_is_said_so(void **state)
{
    (void)state;
    usocket_addr u, i;
    char buf[128];
    OK(usocket_addr_unix("/x", 2, &u));
    OK(usocket_addr_ip(AF_INET, "1.2.3.4", 5, 0, 0, &i));
    GIVES(-EAFNOSUPPORT, usocket_addr_port(&u));
    GIVES(-EAFNOSUPPORT, usocket_addr_flowinfo(&u));
    GIVES(-EAFNOSUPPORT, usocket_addr_scope_id(&u));
    GIVES(-EAFNOSUPPORT, usocket_addr_host(&u, buf, sizeof buf));
    GIVES(-EAFNOSUPPORT, usocket_addr_path(&i, buf, sizeof buf));
    // An empty address has no family and harms nobody, nor does one that lies about its length.
    usocket_addr none = {0};
    assert_int_equal(usocket_addr_family(&none), AF_UNSPEC);
    usocket_addr cut;
    OK(usocket_addr_ip(AF_INET6, "fe80::1", 5, 6, 7, &cut));
    cut.len = 8;
    GIVES(-EAFNOSUPPORT, usocket_addr_port(&cut));
    GIVES(-EAFNOSUPPORT, usocket_addr_flowinfo(&cut));
    GIVES(-EAFNOSUPPORT, usocket_addr_scope_id(&cut));
    GIVES(-EAFNOSUPPORT, usocket_addr_host(&cut, buf, sizeof buf));
    GIVES(-EAFNOSUPPORT, usocket_addr_port(&none));
    GIVES(0, usocket_addr_bytes(&none, buf, sizeof buf));
    i.len = UINT32_MAX;
    GIVES(-EAFNOSUPPORT, usocket_addr_port(&i));
    GIVES(128, usocket_addr_bytes(&i, buf, sizeof buf));
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    GIVES(-EINVAL, usocket_bind(s, &i));
    OK(usocket_close(s));
}

static void a_unix_name_survives_the_kernel(void **state)
{
    (void)state;
    char folder[] = "/tmp/usocket-XXXXXX", path[109];
    assert_non_null(mkdtemp(folder));
    // 107 and 108 bytes: with and without room for a NUL in the kernel's structure.
    for (size_t n = 107; n <= 108; n++) {
        memset(path, 'p', sizeof path);
        memcpy(path, folder, strlen(folder));
        path[strlen(folder)] = '/';
        path[n] = '\0';
        usocket_addr a, got;
        char back[128];
        OK(usocket_addr_unix(path, n, &a));
        usocket_t listener = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
        OK(usocket_bind(listener, &a));
        OK(usocket_listen(listener, 1));
        usocket_t client = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
        OK(usocket_connect(client, &a));
        OK(usocket_getpeername(client, &got));
        GIVES(n, usocket_addr_path(&got, back, sizeof back));
        assert_memory_equal(back, path, n);
        got = name_of(listener);
        GIVES(n, usocket_addr_path(&got, back, sizeof back));
        OK(usocket_close(client));
        OK(usocket_close(listener));
        unlink(path);
    }
    rmdir(folder);
    // An abstract name keeps every byte, NULs too; binding to no name picks one.
    usocket_addr a, got;
    char name[32], back[128];
    int n = snprintf(name, sizeof name, "%cusocket%ctest %d", 0, 0, getpid());
    OK(usocket_addr_unix(name, n, &a));
    usocket_t s = OK(usocket_socket(AF_UNIX, SOCK_DGRAM, 0));
    OK(usocket_bind(s, &a));
    got = name_of(s);
    GIVES(n, usocket_addr_path(&got, back, sizeof back));
    assert_memory_equal(back, name, n);
    OK(usocket_close(s));
    s = bound_socket(AF_UNIX, SOCK_DGRAM);
    got = name_of(s);
    GIVES(6, usocket_addr_path(&got, back, sizeof back));
    assert_int_equal(back[0], 0);
    OK(usocket_close(s));
}

static void a_full_length_name_goes_in_again(void **state)
{
    (void)state;
    char path[109] = "/tmp/usocket-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    memset(path + strlen(path), 'p', 108 - strlen(path));
    usocket_addr a;
    OK(usocket_addr_unix(path, 108, &a));
    usocket_t listener = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    OK(usocket_bind(listener, &a));
    OK(usocket_listen(listener, 1));
    // The kernel says 111 bytes of a name of 108, and does not take that back.
    usocket_addr got = name_of(listener);
    usocket_t client = OK(usocket_socket(AF_UNIX, SOCK_STREAM, 0));
    unlink(path);
    GIVES(-ENOENT, usocket_connect(client, &got));
    OK(usocket_close(client));
    OK(usocket_close(listener));
}

static void inet_pton_and_ntop(void **state)
{
    (void)state;
    unsigned char bin[16];
    char text[46];
    GIVES(4, usocket_inet_pton(AF_INET, "1.2.3.4", bin, sizeof bin));
    assert_memory_equal(bin, "\1\2\3\4", 4);
    GIVES(7, usocket_inet_ntop(AF_INET, bin, 4, text, sizeof text));
    assert_string_equal(text, "1.2.3.4");
    GIVES(16, usocket_inet_pton(AF_INET6, "2001:db8::ff", bin, sizeof bin));
    GIVES(12, usocket_inet_ntop(AF_INET6, bin, 16, text, sizeof text));
    assert_string_equal(text, "2001:db8::ff");
    GIVES(12, usocket_inet_ntop(AF_INET6, bin, 16, NULL, 0));
    GIVES(-ENOSPC, usocket_inet_ntop(AF_INET6, bin, 16, text, 12));
    GIVES(-ENOSPC, usocket_inet_pton(AF_INET6, "::1", bin, 15));
    GIVES(-EINVAL, usocket_inet_pton(AF_INET, "localhost", bin, sizeof bin));
    GIVES(-EINVAL, usocket_inet_pton(AF_INET, "::1", bin, sizeof bin));
    GIVES(-EINVAL, usocket_inet_ntop(AF_INET, bin, 16, text, sizeof text));
    GIVES(-EINVAL, usocket_inet_ntop(AF_INET6, bin, 4, text, sizeof text));
    GIVES(-EAFNOSUPPORT, usocket_inet_pton(AF_UNIX, "1.2.3.4", bin, sizeof bin));
    GIVES(-EAFNOSUPPORT, usocket_inet_ntop(AF_UNIX, bin, 4, text, sizeof text));
    // The longest text there is fits 46 bytes.
    memset(bin, 0xff, sizeof bin);
    GIVES(39, usocket_inet_ntop(AF_INET6, bin, 16, text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_in_and_out),
        cmocka_unit_test(ipv6_in_and_out_with_flowinfo_and_scope),
        cmocka_unit_test(the_family_is_taken_from_the_text),
        cmocka_unit_test(host_names_are_refused_with_a_sentence),
        cmocka_unit_test(ports_outside_their_range_are_refused),
        cmocka_unit_test(unix_paths_up_to_the_limit_and_no_further),
        cmocka_unit_test(abstract_and_unnamed_addresses),
        cmocka_unit_test(bytes_in_and_out),
        cmocka_unit_test(the_wrong_family_is_said_so),
        cmocka_unit_test(a_unix_name_survives_the_kernel),
        cmocka_unit_test(inet_pton_and_ntop),
        cmocka_unit_test(a_full_length_name_goes_in_again),
    };
    return RUN(tests);
}
