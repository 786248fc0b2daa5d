// Name servers that are silent, late and wrong, and networks in which connecting is not simple.
//
// Each case has a network of its own, with a name server on port 53 that does what the name says:
// "good..." answers at once, "late..." after 100 ms, "never..." not, "half..." its A alone.

#include "stress.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

static int server;
static atomic_int asked, open_at_most;

struct question {
    uint8_t packet[600];
    size_t len;
    struct sockaddr_in from;
};

static void answer(struct question *q)
{
    char label[64] = "";
    size_t n = q->packet[12] < 60 ? q->packet[12] : 60;
    memcpy(label, q->packet + 13, n);
    size_t at = 12;
    while (at < q->len && q->packet[at])
        at += q->packet[at] + 1u;
    int type = q->packet[at + 1] << 8 | q->packet[at + 2];
    at += 5;
    if (strncmp(label, "never", 5) == 0 || (strncmp(label, "half", 4) == 0 && type != 1))
        return;
    if (strncmp(label, "late", 4) == 0)
        sleep_us(100 * MS);
    q->packet[2] = 0x81;
    q->packet[3] = 0x80;
    q->packet[10] = q->packet[11] = 0; // without what was additional
    q->packet[8] = q->packet[9] = 0;
    bool none = type != 1 || strncmp(label, "none", 4) == 0;
    if (strncmp(label, "none", 4) == 0)
        q->packet[3] = 0x83;
    q->packet[6] = 0;
    q->packet[7] = none ? 0 : 1;
    if (!none) {
        static const uint8_t a[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1};
        memcpy(q->packet + at, a, sizeof a);
        at += sizeof a;
    }
    sendto(server, q->packet, at, 0, (struct sockaddr *)&q->from, sizeof q->from);
}

static void *answer_one(void *arg)
{
    answer(arg);
    free(arg);
    return NULL;
}

static void *serve(void *arg)
{
    (void)arg;
    for (;;) {
        struct question *q = calloc(1, sizeof *q);
        socklen_t len = sizeof q->from;
        ssize_t n = recvfrom(server, q->packet, 512, 0, (struct sockaddr *)&q->from, &len);
        if (n < 13)
            continue;
        q->len = (size_t)n;
        asked++;
        pthread_detach(start(answer_one, q));
    }
    return NULL;
}

static void world(void)
{
    own_network();
    replace_file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:5 attempts:2\n");
    replace_file("/etc/nsswitch.conf", "hosts: files dns\n");
    replace_file("/etc/hosts", "127.0.0.1 localhost here\n::1 both\n127.0.0.1 both\n127.0.0.1 dead\n127.0.0.2 dead\n");
    server = (int)SYS(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    SYS(bind(server, (struct sockaddr *)&at, sizeof at));
    start(serve, NULL);
}

static int64_t lookup(const char *name, int64_t timeout, int32_t *r)
{
    usocket_addrinfo *list = NULL;
    int64_t began = now_us();
    *r = usocket_getaddrinfo(name, "80", AF_INET, SOCK_STREAM, 0, 0, timeout, &list);
    int64_t took = now_us() - began;
    if (*r == 0)
        OK(usocket_freeaddrinfo(list));
    return took;
}

static void *watches_descriptors(void *arg)
{
    (void)arg;
    for (;;) {
        int n = open_descriptors();
        if (n > open_at_most)
            open_at_most = n;
        sleep_us(2 * MS);
    }
    return NULL;
}

static void dead_names_starve_nobody(void)
{
    world();
    usocket_query_t q[8];
    char name[64];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "never%d.example", i);
        q[i] = OK(usocket_query_create(name, "80", AF_INET, SOCK_STREAM, 0, 0));
    }
    sleep_us(50 * MS);
    for (int i = 0; i < 8; i++)
        OK(usocket_close(q[i]));
    int32_t r;
    int64_t took = lookup("localhost", 20 * SECOND, &r);
    HOLDS(r == 0 && took < SECOND, "localhost behind eight abandoned queries: %d after %.1f s", r, took / 1e6);
    took = lookup("good.example", 20 * SECOND, &r);
    HOLDS(r == 0 && took < 2 * SECOND, "a good name behind them: %d after %.1f s", r, took / 1e6);
}

static void a_thousand_dead_names(void)
{
    world();
    struct rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_NOFILE, &limit);
    int before = open_descriptors();
    open_at_most = before;
    start(watches_descriptors, NULL);
    char name[64];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "never%d.example", i);
        usocket_query_t q = usocket_query_create(name, "80", AF_INET, SOCK_STREAM, 0, 0);
        HOLDS(q > 0, "query %d: %lld (%s)", i, (long long)q, usocket_strerror(q));
        usocket_addrinfo *list;
        usocket_query_result(q, i % 3 ? 0 : 1000, &list);
        OK(usocket_close(q));
    }
    int32_t r;
    int64_t took = lookup("good.example", 20 * SECOND, &r);
    HOLDS(r == 0 && took < 3 * SECOND, "a good name behind a thousand dead ones: %d after %.1f s", r, took / 1e6);
    HOLDS(open_at_most - before <= 80, "%d descriptors in use", open_at_most - before);
    HOLDS(threads_alive() < 100, "%d threads", threads_alive());
}

static atomic_int healthy;

static void *looks_up(void *arg)
{
    char name[64];
    int32_t r;
    snprintf(name, sizeof name, "late%ld.example", (long)(intptr_t)arg);
    lookup(name, 5 * SECOND, &r);
    healthy += r == 0;
    return NULL;
}

static void healthy_names_at_once(void)
{
    world();
    pthread_t t[200];
    int64_t began = now_us();
    for (intptr_t i = 0; i < 200; i++)
        t[i] = start(looks_up, (void *)i);
    for (int i = 0; i < 200; i++)
        join_within(t[i], GENEROUS, "a lookup");
    HOLDS(healthy == 200, "%d of 200 were answered", (int)healthy);
    HOLDS(now_us() - began < 3 * SECOND, "200 names at a server that takes 0.1 s: %.1f s", (now_us() - began) / 1e6);
}

static void the_callers_namespace(void)
{
    world();
    int32_t r;
    lookup("good.example", 10 * SECOND, &r);
    HOLDS(r == 0, "in the first namespace: %d", r);
    if (unshare(CLONE_NEWNET) != 0)
        skip("no second namespace");
    int before = asked;
    int64_t took = lookup("good2.example", 3 * SECOND, &r);
    HOLDS(r != 0 && asked == before, "asked in the namespace that the thread has left: %d after %.1f s", r, took / 1e6);
}

static void deadlines(void)
{
    world();
    int32_t r;
    int64_t took = lookup("never.example", 300 * MS, &r);
    HOLDS(r == -ETIMEDOUT && took < 3 * SECOND, "%d after %.1f s", r, took / 1e6);
    took = lookup("none.example", 10 * SECOND, &r);
    HOLDS(r <= -20000 && took < 3 * SECOND, "%d after %.1f s", r, took / 1e6);
}

// --- connecting ---

static char port[16];

static usocket_t serving(void)
{
    usocket_addr at = loopback(AF_INET, 0);
    usocket_t s = OK(usocket_create_server(&at, 100, 0));
    OK(usocket_getsockname(s, &at));
    snprintf(port, sizeof port, "%d", usocket_addr_port(&at));
    return s;
}

// A server whose AAAA never comes.
static void half_an_answer(void)
{
    world();
    serving();
    int64_t began = now_us();
    usocket_t c = usocket_create_connection("half.example", port, 5 * SECOND, NULL);
    HOLDS(c > 0, "the A came, the AAAA never: %lld after %.1f s", (long long)c, (now_us() - began) / 1e6);
    HOLDS(now_us() - began < 3 * SECOND, "connected after %.1f s only", (now_us() - began) / 1e6);
}

// 127.0.0.1 swallows what is sent to it: a listener there whose queue is full.
static void swallowing(int at_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)at_port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int s = (int)SYS(socket(AF_INET, SOCK_STREAM, 0));
    SYS(bind(s, (struct sockaddr *)&at, sizeof at));
    SYS(listen(s, 0));
    for (int i = 0; i < 6; i++) {
        int c = (int)SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        connect(c, (struct sockaddr *)&at, sizeof at);
        sleep_us(20 * MS);
    }
}

static void the_second_address(int64_t timeout, bool fixed_port)
{
    world();
    usocket_addr good;
    OK(usocket_addr_ip(AF_INET, "127.0.0.2", 0, 0, 0, &good));
    usocket_t s = OK(usocket_create_server(&good, 100, 0));
    OK(usocket_getsockname(s, &good));
    snprintf(port, sizeof port, "%d", usocket_addr_port(&good));
    swallowing(atoi(port));
    usocket_addr source, *from = NULL;
    if (fixed_port) {
        OK(usocket_addr_ip(AF_INET, "0.0.0.0", 45678, 0, 0, &source));
        from = &source;
    }
    int64_t began = now_us();
    usocket_t c = usocket_create_connection("dead", port, timeout, from);
    HOLDS(c > 0, "a dead address before a good one, %.2f s%s: %lld (%s) after %.1f s", timeout / 1e6, fixed_port ? ", from a fixed port" : "",
          (long long)c, usocket_strerror(c), (now_us() - began) / 1e6);
}

static void a_dead_address_first(void) { the_second_address(5 * SECOND, false); }
static void a_dead_address_first_in_haste(void) { the_second_address(230 * MS, false); }
static void a_dead_address_first_from_a_port(void) { the_second_address(5 * SECOND, true); }

static void a_source_of_one_family(void)
{
    world();
    serving();
    usocket_addr source = loopback(AF_INET, 0);
    usocket_t c = usocket_create_connection("both", port, 5 * SECOND, &source);
    HOLDS(c > 0, "an IPv4 source for a host with both: %lld (%s)", (long long)c, usocket_strerror(c));
}

static void nobody_is_left_behind(void)
{
    world();
    int before = open_descriptors(), threads = threads_alive();
    for (int i = 0; i < 20; i++) {
        int64_t r = usocket_create_connection("never.example", "80", 30 * MS, NULL);
        HOLDS(r == -ETIMEDOUT, "%lld", (long long)r);
    }
    for (int64_t until = now_us() + 15 * SECOND; (open_descriptors() > before + 3 || threads_alive() > threads + 4) && now_us() < until;)
        sleep_us(50 * MS);
    HOLDS(open_descriptors() <= before + 3, "%d descriptors before, %d after", before, open_descriptors());
    HOLDS(threads_alive() <= threads + 4, "%d threads before, %d after", threads, threads_alive());
}

static const struct stress_case CASES[] = {
    {"names: dead ones starve nobody", dead_names_starve_nobody, 40},
    {"names: a thousand dead ones", a_thousand_dead_names, 60},
    {"names: 200 healthy ones at once", healthy_names_at_once, 40},
    {"names: asked in the caller's network namespace", the_callers_namespace, 0},
    {"names: deadlines and failures", deadlines, 0},
    {"connecting: an AAAA that never comes", half_an_answer, 0},
    {"connecting: a dead address first", a_dead_address_first, 0},
    {"connecting: a dead address first, in haste", a_dead_address_first_in_haste, 0},
    {"connecting: a dead address first, from a fixed port", a_dead_address_first_from_a_port, 0},
    {"connecting: a source of one family", a_source_of_one_family, 0},
    {"connecting: nobody is left behind", nobody_is_left_behind, 40},
};

STRESS_MAIN(CASES)
