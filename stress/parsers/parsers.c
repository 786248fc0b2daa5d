// Certificates, keys, revocation lists, addresses and names, damaged by mutation: a code, no crash, no
// hang, and nothing accepted twice in different ways.
//
//   parsers     STRESS_SEED, STRESS_SECONDS

#include "stress.h"

#include <dirent.h>
#include <limits.h>

enum { MOST = 100, ROOM = 20000 };

static struct file {
    char name[64];
    uint8_t data[ROOM];
    size_t len;
} files[MOST];
static int n_files;

static void load(void)
{
    DIR *dir = opendir(in_certs("."));
    if (!dir)
        broken("no certificates: make certs");
    for (struct dirent *e; (e = readdir(dir)) && n_files < MOST;) {
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(in_certs(e->d_name), "rb");
        if (!f)
            continue;
        struct file *file = &files[n_files++];
        snprintf(file->name, sizeof file->name, "%.60s", e->d_name);
        file->len = fread(file->data, 1, ROOM / 2, f);
        fclose(f);
    }
    closedir(dir);
}

static size_t mutate(uint64_t *seed, uint8_t *out, const struct file *from)
{
    size_t n = from->len;
    memcpy(out, from->data, n);
    for (int times = 1 + (int)below(seed, 4); times > 0 && n > 8; times--) {
        size_t at = below(seed, (uint32_t)n), len = 1 + below(seed, 40);
        if (at + len > n)
            len = n - at;
        switch (below(seed, 8)) {
        case 0: out[at] ^= (uint8_t)(1 << below(seed, 8)); break;
        case 1: out[at] = (uint8_t)rnd(seed); break;
        case 2: n = at; break;
        case 3: memmove(out + at, out + at + len, n - at - len), n -= len; break;
        case 4:
            if (n + len < ROOM)
                memmove(out + at + len, out + at, n - at), n += len;
            break;
        case 5: out[at] = (uint8_t[]){0x30, 0x82, 0x80, 0x84, 0xff, 0, '-', '\n', '='}[below(seed, 9)]; break;
        case 6: {
            const struct file *other = &files[below(seed, (uint32_t)n_files)];
            size_t m = other->len < ROOM - n ? other->len : ROOM - n;
            memcpy(out + n, other->data, m), n += m;
            break;
        }
        default: // a length field, one more or less
            if (at + 3 < n && (out[at + 1] & 0x80))
                out[at + 3] = (uint8_t)(out[at + 3] + (below(seed, 2) ? 1 : -1));
        }
    }
    return n;
}

static void check(int64_t r, const char *what, uint64_t seed)
{
    bool fine = r >= 0 || (r <= -10000 && r > -10100) || r == -EINVAL || r == -EFAULT || r == -ENAMETOOLONG || r == -ENOMEM || r == -EOPNOTSUPP;
    HOLDS(fine, "%s: %lld (mutation %llu)", what, (long long)r, (unsigned long long)seed);
}

static void one(uint64_t mutation)
{
    static uint8_t data[ROOM + 1], more[ROOM];
    uint64_t seed = mutation;
    const struct file *from = &files[below(&seed, (uint32_t)n_files)];
    size_t n = mutate(&seed, data, from);
    usocket_tls_context_t c = OK(usocket_tls_context_create(below(&seed, 2) ? USOCKET_TLS_CLIENT : USOCKET_TLS_SERVER));
    int32_t trusted = usocket_tls_context_add_trust(c, data, n);
    check(trusted, "add_trust", mutation);
    check(usocket_tls_context_add_crl(c, data, n), "add_crl", mutation);
    check(usocket_tls_context_add_cert(c, data, n, NULL, 0), "add_cert", mutation);
    const struct file *key = &files[below(&seed, (uint32_t)n_files)];
    size_t k = mutate(&seed, more, key);
    check(usocket_tls_context_add_cert(c, from->data, from->len, more, k), "add_cert with a damaged key", mutation);
    check(usocket_tls_context_add_cert(c, data, n, key->data, key->len), "add_cert, damaged", mutation);
    data[n < ROOM ? n : ROOM] = 0;
    check(usocket_tls_context_set_alpn(c, (const char *)data), "set_alpn", mutation);
    check(usocket_tls_context_set_ciphers(c, (const char *)data), "set_ciphers", mutation);
    check(usocket_tls_context_set_groups(c, (const char *)data), "set_groups", mutation);
    // Where it was trusted, the configuration is made of it.
    if (trusted > 0 && below(&seed, 4) == 0) {
        usocket_t s = OK(usocket_socket(AF_INET, SOCK_STREAM, 0));
        check(usocket_tls_wrap(s, c, "server.example", 0) == -EISCONN ? -EINVAL : 0, "wrap", mutation);
        OK(usocket_close(s));
    }
    OK(usocket_close(c));
}

static void addresses(uint64_t mutation)
{
    static const char *const texts[] = {"127.0.0.1", "::1", "fe80::1%lo", "1.2.3.4", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4", "0x7f.1", "1.2.3", "fe80::1%999999999999"};
    uint64_t seed = mutation;
    char text[80] = "";
    snprintf(text, sizeof text, "%s", texts[below(&seed, 9)]);
    for (int i = (int)below(&seed, 4); i > 0; i--)
        text[below(&seed, (uint32_t)strlen(text) + 1)] = (char)("0123456789abcdef:.%x \n\xff/"[below(&seed, 24)]);
    text[79] = 0;
    usocket_addr a, b;
    int family = (int[]){0, AF_INET, AF_INET6}[below(&seed, 3)];
    int32_t r = usocket_addr_ip(family, text, below(&seed, 70000), below(&seed, 3), below(&seed, 3), &a);
    check(r, "addr_ip", mutation);
    if (r == 0) {
        char host[64], again[200];
        int32_t n = (int32_t)OK(usocket_addr_host(&a, host, sizeof host));
        HOLDS(n == (int32_t)strlen(host), "addr_host of %s", text);
        GIVES(0, usocket_addr_ip(usocket_addr_family(&a), host, usocket_addr_port(&a), (uint32_t)usocket_addr_flowinfo(&a), (uint32_t)usocket_addr_scope_id(&a), &b));
        HOLDS(a.len == b.len && memcmp(a.storage, b.storage, a.len) == 0, "%s is not the address it prints", text);
        OK(usocket_addr_text(&a, again, sizeof again));
        uint8_t bin[16];
        GIVES(usocket_addr_family(&a) == AF_INET ? 4 : 16, usocket_inet_pton(usocket_addr_family(&a), host, bin, sizeof bin));
    }
    uint8_t raw[140];
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)rnd(&seed);
    raw[0] = (uint8_t[]){AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET}[below(&seed, 5)], raw[1] = 0;
    if (usocket_addr_from_bytes(raw, below(&seed, 140), &a) == 0) {
        char out[200];
        uint8_t back[128];
        int32_t n = (int32_t)OK(usocket_addr_bytes(&a, back, sizeof back));
        HOLDS(n == (int32_t)a.len && memcmp(back, raw, (size_t)n) == 0, "addr_bytes differ");
        usocket_addr_text(&a, out, sizeof out);
        usocket_addr_path(&a, out, sizeof out);
        usocket_addr_host(&a, out, sizeof out);
    }
    usocket_addr_unix(raw, below(&seed, 140), &a);
}

static void run(void)
{
    load();
    int64_t until = now_us() + (getenv("STRESS_SECONDS") ? atoi(getenv("STRESS_SECONDS")) : 15) * (int64_t)SECOND;
    uint64_t seed = stress_seed;
    const char *only = getenv("MUTATION");
    long tried = 0;
    while (now_us() < until) {
        uint64_t mutation = only ? strtoull(only, NULL, 0) : rnd(&seed) | 1;
        int64_t began = now_us();
        one(mutation);
        for (int i = 0; i < 20; i++)
            addresses(mutation + 2 * (uint64_t)i);
        HOLDS(now_us() - began < 10 * SECOND, "mutation %llu took %.1f s", (unsigned long long)mutation, (now_us() - began) / 1e6);
        tried++;
        if (only)
            break;
    }
    printf("tried %ld damaged files, %ld addresses\n", tried, tried * 20);
    fflush(stdout);
}

static const struct stress_case CASES[] = {{"parsers", run, 7200}};

int main(int argc, char **argv)
{
    seed_from_environment();
    fprintf(stderr, "seed %llu\n", (unsigned long long)stress_seed);
    return stress_main(argc, argv, CASES, 1);
}
