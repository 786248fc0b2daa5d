// The network interfaces, and what is set by their indices.

#include "support.h"

#include <ifaddrs.h>
#include <net/if.h>

static usocket_interface list[256];

static size_t interfaces(void)
{
    int64_t n = OK(usocket_interfaces(list, 256));
    assert_in_range(n, 1, 256);
    return (size_t)n;
}

static const usocket_interface *loopback(int family)
{
    size_t n = interfaces();
    for (size_t i = 0; i < n; i++)
        if (!strcmp(list[i].name, "lo") && (family ? usocket_addr_family(&list[i].addr) == family : list[i].addr.len == 0))
            return &list[i];
    return NULL;
}

static void the_loopback_is_there(void **state)
{
    (void)state;
    const usocket_interface *lo = loopback(0);
    assert_non_null(lo);
    assert_int_equal(lo->index, if_nametoindex("lo"));
    assert_true(lo->flags & IFF_LOOPBACK);
    lo = loopback(AF_INET);
    assert_non_null(lo);
    char text[64];
    OK(usocket_addr_host(&lo->addr, text, sizeof text));
    assert_string_equal(text, "127.0.0.1");
    OK(usocket_addr_host(&lo->netmask, text, sizeof text));
    assert_string_equal(text, "255.0.0.0");
}

static void as_the_c_library_has_them(void **state)
{
    (void)state;
    struct ifaddrs *all;
    assert_int_equal(getifaddrs(&all), 0);
    size_t want = 0, addresses = 0, n = interfaces();
    for (struct ifaddrs *i = all; i; i = i->ifa_next)
        want += i->ifa_addr && (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6);
    freeifaddrs(all);
    for (size_t i = 0; i < n; i++) {
        addresses += list[i].addr.len > 0;
        assert_int_equal(list[i].index, if_nametoindex(list[i].name));
    }
    assert_int_equal(addresses, want);
}

static void all_or_nothing(void **state)
{
    (void)state;
    int64_t n = OK(usocket_interfaces(NULL, 0));
    assert_int_equal(n, interfaces());
    usocket_interface one = {.index = 77};
    if (n > 1)
        GIVES(-ENOSPC, usocket_interfaces(&one, 1));
    assert_true(n == 1 || one.index == 77);
    GIVES(-EFAULT, usocket_interfaces(NULL, 1));
    GIVES(-EINVAL, usocket_interfaces(&one, SIZE_MAX));
}

static void groups(void **state)
{
    (void)state;
    if (emulated())
        skip();
    uint32_t lo = if_nametoindex("lo");
    const struct { int family; const char *group; } cases[] = {{AF_INET, "239.1.2.3"}, {AF_INET6, "ff01::1234"}};
    for (int i = 0; i < 2; i++) {
        usocket_addr group, any;
        int family = cases[i].family;
        OK(usocket_addr_ip(family, cases[i].group, 0, 0, 0, &group));
        OK(usocket_addr_ip(family, "", 0, 0, 0, &any));
        usocket_t s = OK(usocket_socket(family, SOCK_DGRAM, 0));
        OK(usocket_bind(s, &any));
        OK(usocket_join_group(s, &group, lo));
        GIVES(-EADDRINUSE, usocket_join_group(s, &group, lo));
        usocket_addr bound = name_of(s), to;
        if (family == AF_INET) { // (The loopback has no route for IPv6's groups.)
            // Data sent there comes back on the interface.
            struct ip_mreqn out = {.imr_ifindex = (int)lo};
            char buf[8];
            OK(usocket_setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof out));
            OK(usocket_addr_ip(family, cases[i].group, usocket_addr_port(&bound), 0, 0, &to));
            OK(usocket_settimeout(s, GENEROUS));
            GIVES(2, usocket_sendto(s, "hi", 2, 0, &to));
            GIVES(2, usocket_recv(s, buf, sizeof buf, 0));
        }
        OK(usocket_leave_group(s, &group, lo));
        GIVES(-EADDRNOTAVAIL, usocket_leave_group(s, &group, lo));
        OK(usocket_addr_ip(family, family == AF_INET ? "127.0.0.1" : "::1", 0, 0, 0, &to));
        GIVES(-EINVAL, usocket_join_group(s, &to, lo));
        GIVES(-ENODEV, usocket_join_group(s, &group, 123456789));
        GIVES(-EFAULT, usocket_join_group(s, NULL, lo));
        to = local_address(AF_UNIX, 0);
        GIVES(-EAFNOSUPPORT, usocket_join_group(s, &to, lo));
        OK(usocket_close(s));
    }
}

static void to_one_device(void **state)
{
    (void)state;
    if (emulated())
        skip();
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    int32_t code = usocket_bind_device(s, "lo");
    if (code != -EPERM) { // Without a right to it, since 5.7 at first only.
        OK(code);
        char name[IFNAMSIZ];
        OK(usocket_getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, sizeof name));
        assert_string_equal(name, "lo");
        code = usocket_bind_device(s, NULL);
        assert_true(code == 0 || code == -EPERM);
    }
    GIVES(-ENODEV, usocket_bind_device(s, "nosuchdevice0"));
    GIVES(-ENODEV, usocket_bind_device(s, "a name that is too long for one"));
    OK(usocket_close(s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loopback_is_there), cmocka_unit_test(as_the_c_library_has_them),
        cmocka_unit_test(all_or_nothing),        cmocka_unit_test(groups),
        cmocka_unit_test(to_one_device),
    };
    return RUN(tests);
}
