// Every error that the header documents for addresses, made to happen.

#include "errors.h"

static usocket_addr addr;

static void of_addresses(void **state)
{
    (void)state;
    usocket_addr none = {0}, v4 = ip(AF_INET, "127.0.0.1", 1), path = unix_path("/x");
    GIVES(-EINVAL, usocket_addr_ip(AF_INET, "localhost", 1, 0, 0, &addr));
    GIVES(-EINVAL, usocket_addr_ip(AF_INET, "", 1, 5, 7, &addr));
    GIVES(-EAFNOSUPPORT, usocket_addr_ip(AF_UNIX, "x", 1, 0, 0, &addr));
    GIVES(-EFAULT, usocket_addr_ip(AF_INET, NULL, 1, 0, 0, &addr));
    GIVES(-ENAMETOOLONG, usocket_addr_unix(buf, 109, &addr));
    GIVES(-EINVAL, usocket_addr_unix("a\0b", 3, &addr));
    GIVES(-EFAULT, usocket_addr_unix(NULL, 3, &addr));
    GIVES(-EINVAL, usocket_addr_from_bytes(v4.storage, 7, &addr));
    GIVES(-EFAULT, usocket_addr_from_bytes(NULL, 16, &addr));
    GIVES(-ENOSPC, usocket_addr_bytes(&v4, buf, 15));
    GIVES(-EFAULT, usocket_addr_bytes(&v4, NULL, 15));
    GIVES(-EINVAL, usocket_addr_bytes(&v4, buf, SIZE_MAX));
    GIVES(-EFAULT, usocket_addr_family(NULL));
    GIVES(-EFAULT, usocket_addr_port(NULL));
    GIVES(-EAFNOSUPPORT, usocket_addr_port(&path));
    GIVES(-EFAULT, usocket_addr_flowinfo(NULL));
    GIVES(-EAFNOSUPPORT, usocket_addr_flowinfo(&none));
    GIVES(-EFAULT, usocket_addr_scope_id(NULL));
    GIVES(-EAFNOSUPPORT, usocket_addr_scope_id(&path));
    GIVES(-EAFNOSUPPORT, usocket_addr_host(&path, buf, 9));
    GIVES(-ENOSPC, usocket_addr_host(&v4, buf, 9));
    GIVES(-EFAULT, usocket_addr_host(NULL, buf, 9));
    GIVES(-EINVAL, usocket_addr_host(&v4, buf, SIZE_MAX));
    GIVES(-EAFNOSUPPORT, usocket_addr_path(&v4, buf, 9));
    GIVES(-ENOSPC, usocket_addr_path(&path, buf, 1));
    GIVES(-EFAULT, usocket_addr_path(NULL, buf, 9));
    GIVES(-EINVAL, usocket_addr_path(&path, buf, SIZE_MAX));
    GIVES(-ENOSPC, usocket_addr_text(&v4, buf, 9));
    GIVES(-EFAULT, usocket_addr_text(NULL, buf, 9));
    GIVES(-EINVAL, usocket_addr_text(&v4, buf, SIZE_MAX));
    GIVES(-EINVAL, usocket_inet_pton(AF_INET, "1.2.3", buf, 4));
    GIVES(-EAFNOSUPPORT, usocket_inet_pton(AF_UNIX, "1.2.3.4", buf, 4));
    GIVES(-ENOSPC, usocket_inet_pton(AF_INET, "1.2.3.4", buf, 3));
    GIVES(-EFAULT, usocket_inet_pton(AF_INET, NULL, buf, 4));
    GIVES(-EINVAL, usocket_inet_ntop(AF_INET, "\1\2\3", 3, buf, 99));
    GIVES(-EAFNOSUPPORT, usocket_inet_ntop(AF_UNIX, "\1\2\3\4", 4, buf, 99));
    GIVES(-ENOSPC, usocket_inet_ntop(AF_INET, "\1\2\3\4", 4, buf, 7));
    GIVES(-EFAULT, usocket_inet_ntop(AF_INET, NULL, 4, buf, 99));
    // The buffer sizes given in the header are large enough.
    memset(buf, '\xff', 108);
    OK(usocket_addr_unix(buf, 108, &addr));
    GIVES(324, usocket_addr_text(&addr, buf, 325));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_addresses),
    };
    return RUN(tests);
}
