// A forked child must not affect its parent, and nothing of the parent's threads may hang it.

#include "../stress.h"

#include <sys/syscall.h>

// --- a child's close ---

struct inside {
    usocket_t handle;
    atomic_int thread;
    int64_t got;
    char buf[16];
};

static void *receive(void *arg)
{
    struct inside *in = arg;
    in->thread = thread_number();
    in->got = usocket_recv(in->handle, in->buf, sizeof in->buf, 0);
    return NULL;
}

static void *accept_one(void *arg)
{
    struct inside *in = arg;
    in->thread = thread_number();
    in->got = usocket_accept(in->handle, NULL);
    return NULL;
}

static void until_inside(struct inside *in)
{
    while (!in->thread)
        sleep_us(200);
    until_asleep(in->thread);
}

static void close_it(void *arg)
{
    struct inside *in = arg;
    int fd = OK(usocket_fileno(in->handle));
    GIVES(0, usocket_close(in->handle));
    HOLDS(fcntl(fd, F_GETFD) == -1, "in the child the descriptor stays open after close");
}

static void detach_it(void *arg)
{
    struct inside *in = arg;
    int fd = (int)OK(usocket_detach(in->handle));
    close(fd);
}

// A thread goes inside an operation on the handle, and meanwhile a child does something with it.
static pthread_t beside_a_child(void *(*operation)(void *), void (*in_child)(void *), struct inside *in)
{
    pthread_t t = start(operation, in);
    until_inside(in);
    child_within(in_child, in, GENEROUS);
    return t;
}

// Of two that talk to each other: the operation on the first goes on until a byte comes.
static void goes_on(usocket_t pair[2], void *(*operation)(void *), void (*in_child)(void *))
{
    struct inside in = {.handle = pair[0]};
    pthread_t t = beside_a_child(operation, in_child, &in);
    OK(usocket_send(pair[1], "x", 1, 0));
    join_within(t, GENEROUS, "the operation");
    GIVES(1, in.got);
}

static void a_childs_close_leaves_the_parents_recv(void)
{
    usocket_t pair[2];
    tcp_pair(pair);
    goes_on(pair, receive, close_it);
}

static void a_childs_close_leaves_the_parents_accept(void)
{
    struct inside in = {.handle = listener_on(AF_INET, 8)};
    pthread_t t = beside_a_child(accept_one, close_it, &in);
    client_of(in.handle);
    join_within(t, GENEROUS, "accept");
    OK(in.got);
}

static void a_child_can_detach(void)
{
    usocket_t pair[2];
    tcp_pair(pair);
    goes_on(pair, receive, detach_it);
}

static void *poll_forever(void *arg)
{
    struct inside *in = arg;
    usocket_pollfd p = {.socket = in->handle, .events = POLLIN};
    in->thread = thread_number();
    in->got = usocket_poll(&p, 1, -1);
    return NULL;
}

static void a_childs_close_leaves_the_parents_poll(void)
{
    usocket_t pair[2];
    char buf[1];
    tcp_pair(pair);
    goes_on(pair, poll_forever, close_it);
    GIVES(1, usocket_recv(pair[0], buf, 1, 0));
}

static void a_childs_close_of_a_tls_session_says_nothing(void)
{
    usocket_t pair[2];
    char buf[1];
    tls_pair(pair);
    goes_on(pair, receive, close_it);
    OK(usocket_send(pair[0], "y", 1, 0));
    GIVES(1, usocket_recv(pair[1], buf, 1, 0));
}

// A child that closes while its parent's thread is inside, the parent closing afterwards: the
// parent's own close must still end its thread.
static void the_parents_close_still_ends_its_thread(void)
{
    usocket_t pair[2];
    tcp_pair(pair);
    struct inside in = {.handle = pair[0]};
    pthread_t t = beside_a_child(receive, close_it, &in);
    OK(usocket_close(pair[0]));
    join_within(t, GENEROUS, "recv");
    GIVES(-EBADF, in.got);
}

// --- locks that are held while a fork happens ---

static atomic_bool stop;

static void *names_all_the_time(void *arg)
{
    (void)arg;
    while (!stop) {
        usocket_addrinfo *list = NULL;
        if (usocket_getaddrinfo("127.0.0.1", "80", 0, SOCK_STREAM, 0, 0, GENEROUS, &list) == 0)
            usocket_freeaddrinfo(list);
    }
    return NULL;
}

static void *registrations_all_the_time(void *arg)
{
    (void)arg;
    while (!stop) {
        usocket_t s = usocket_socket(AF_INET, SOCK_DGRAM, 0);
        usocket_poller_t p = usocket_poller_create();
        usocket_event event;
        usocket_poller_add(p, s, POLLIN, 1);
        usocket_poller_wait(p, &event, 1, 0);
        usocket_close(s);
        usocket_close(p);
    }
    return NULL;
}

static void *polls_all_the_time(void *arg)
{
    (void)arg;
    while (!stop) {
        usocket_t s = usocket_socket(AF_INET, SOCK_DGRAM, 0);
        usocket_pollfd p = {.socket = s, .events = POLLOUT};
        usocket_poll(&p, 1, 1000);
        usocket_close(s);
    }
    return NULL;
}

static usocket_tls_context_t shared_client, shared_server;

static void *tls_all_the_time(void *arg)
{
    (void)arg;
    while (!stop) {
        usocket_t pair[2];
        char buf[4];
        tls_pair_with(pair, shared_client, shared_server, "server.example");
        OK(usocket_send(pair[0], "x", 1, 0));
        GIVES(1, usocket_recv(pair[1], buf, 1, 0));
        usocket_close(pair[0]);
        usocket_close(pair[1]);
    }
    return NULL;
}

// A little of everything, with a result that is known.
static void everything(void *arg)
{
    (void)arg;
    usocket_t pair[2];
    char buf[8];
    tcp_pair(pair);
    OK(usocket_sendall(pair[0], "hello", 5, 0));
    GIVES(5, usocket_read(pair[1], buf, 5));
    usocket_pollfd p = {.socket = pair[0], .events = POLLOUT};
    GIVES(1, usocket_poll(&p, 1, GENEROUS));
    usocket_poller_t poller = OK(usocket_poller_create());
    OK(usocket_poller_add(poller, pair[1], POLLIN | POLLNVAL, 7));
    OK(usocket_send(pair[0], "x", 1, 0));
    usocket_event event;
    GIVES(1, usocket_poller_wait(poller, &event, 1, GENEROUS));
    OK(usocket_close(pair[1]));
    GIVES(1, usocket_poller_wait(poller, &event, 1, GENEROUS)); // POLLNVAL
    OK(usocket_close(poller));
    OK(usocket_close(pair[0]));
    names_are_found();
    tls_pair_with(pair, shared_client, shared_server, "server.example");
    OK(usocket_send(pair[0], "x", 1, 0));
    GIVES(1, usocket_recv(pair[1], buf, 1, 0));
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

static void forks_beside(void *(*run)(void *), int threads, int forks)
{
    shared_client = client_context();
    shared_server = server_context();
    for (int i = 0; i < threads; i++)
        start(run, NULL);
    for (int i = 0; i < scaled(forks, 10); i++) {
        sleep_us(rnd(&stress_seed) % 1500);
        child_within(everything, NULL, GENEROUS);
    }
    stop = true;
}

// The C library's resolver is asked for these, which has locks of its own.
static void *local_names_all_the_time(void *arg)
{
    while (!stop) {
        usocket_addrinfo *list;
        OK(usocket_getaddrinfo("localhost", "80", AF_INET, SOCK_STREAM, 0, 0, GENEROUS, &list));
        OK(usocket_freeaddrinfo(list));
    }
    return arg;
}

static void local_names(void *arg)
{
    (void)arg;
    usocket_addrinfo *list;
    OK(usocket_getaddrinfo("localhost", "80", AF_INET, SOCK_STREAM, 0, 0, GENEROUS, &list));
    OK(usocket_freeaddrinfo(list));
}

static void forks_beside_local_names(void)
{
    for (int i = 0; i < 4; i++)
        start(local_names_all_the_time, NULL);
    for (int i = 0; i < scaled(100, 30); i++)
        child_within(local_names, NULL, GENEROUS);
    stop = true;
}

static void forks_beside_names(void) { forks_beside(names_all_the_time, 2, 150); }
static void forks_beside_registrations(void) { forks_beside(registrations_all_the_time, 2, 150); }
static void forks_beside_polls(void) { forks_beside(polls_all_the_time, 2, 100); }
static void forks_beside_tls(void) { forks_beside(tls_all_the_time, 2, 100); }

// A child of a child, which has no other thread, while the first had some.
static void grandchild(void *arg)
{
    everything(arg);
    child_within(everything, arg, GENEROUS);
}

static void forks_of_forks(void)
{
    shared_client = client_context();
    shared_server = server_context();
    start(names_all_the_time, NULL);
    start(registrations_all_the_time, NULL);
    for (int i = 0; i < scaled(50, 8); i++)
        child_within(grandchild, NULL, GENEROUS);
}

// --- names across a fork ---

static usocket_query_t query;

static void take_its_result(void *arg)
{
    (void)arg;
    usocket_addrinfo *list = NULL;
    int64_t began = now_us(), cpu = cpu_us();
    int32_t r = usocket_query_result(query, 300 * MS, &list);
    int64_t took = now_us() - began;
    HOLDS(took < 5 * SECOND, "a wait of 0.3 s took %.1f s", took / 1e6);
    HOLDS(cpu_us() - cpu < 250 * MS, "the wait burns the processor: %lld ms", (long long)(cpu_us() - cpu) / MS);
    HOLDS(r < 0 || list, "0 without a list");
    OK(usocket_close(query));
}

// The parent's thread answers within a second, and what tells of it is shared with the child.
static void wait_beyond_the_parents_answer(void *arg)
{
    (void)arg;
    usocket_addrinfo *list = NULL;
    int64_t began = now_us(), cpu = cpu_us();
    usocket_query_result(query, 2500 * MS, &list);
    int64_t took = now_us() - began;
    HOLDS(took < 10 * SECOND, "a wait of 2.5 s took %.1f s", took / 1e6);
    HOLDS(cpu_us() - cpu < 500 * MS, "the wait burns the processor: %lld ms", (long long)(cpu_us() - cpu) / MS);
}

static void close_the_query(void *arg)
{
    (void)arg;
    usocket_close(query);
}

// In a network whose one name server never answers.
static int name_server_with(const char *options)
{
    char text[128];
    own_network();
    snprintf(text, sizeof text, "nameserver 127.0.0.1\noptions %s\n", options);
    replace_file("/etc/resolv.conf", text);
    replace_file("/etc/nsswitch.conf", "hosts: files dns\n");
    int s = (int)SYS(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    SYS(bind(s, (struct sockaddr *)&at, sizeof at));
    return s;
}

static int silent_name_server(void)
{
    return name_server_with("timeout:3 attempts:2");
}

static void a_query_taken_across_a_fork_keeps_its_deadline(void)
{
    silent_name_server();
    query = OK(usocket_query_create("never.example", "80", 0, SOCK_STREAM, 0, 0));
    child_within(take_its_result, NULL, GENEROUS);
}

static void a_query_answered_in_the_parent(void)
{
    name_server_with("timeout:1 attempts:1");
    query = OK(usocket_query_create("never.example", "80", 0, SOCK_STREAM, 0, 0));
    child_within(wait_beyond_the_parents_answer, NULL, GENEROUS);
}

static void a_child_that_closes_a_query_leaves_the_parents(void)
{
    silent_name_server();
    query = OK(usocket_query_create("never.example", "80", 0, SOCK_STREAM, 0, 0));
    child_within(close_the_query, NULL, GENEROUS);
    usocket_pollfd p = {.socket = query, .events = POLLIN};
    usocket_addrinfo *list = NULL;
    GIVES(0, usocket_poll(&p, 1, 100 * MS));
    int64_t began = now_us();
    GIVES(-EAGAIN, usocket_query_result(query, 0, &list));
    HOLDS(now_us() - began < 2 * SECOND, "a wait of no time took %.1f s", (now_us() - began) / 1e6);
}

static void a_query_of_the_childs_own(void *arg)
{
    (void)arg;
    usocket_addrinfo *list = NULL;
    OK(usocket_getaddrinfo("localhost", "80", AF_INET, SOCK_STREAM, 0, 0, GENEROUS, &list));
}

static void a_child_asks_while_the_parents_queries_hang(void)
{
    silent_name_server();
    for (int i = 0; i < 8; i++)
        OK(usocket_query_create("never.example", "80", 0, SOCK_STREAM, 0, 0));
    child_within(a_query_of_the_childs_own, NULL, GENEROUS);
}

// --- pollers across a fork ---

static usocket_poller_t outer, inner;
static usocket_t watched[2];

static void the_inner_reports(void *arg)
{
    (void)arg;
    usocket_event event;
    OK(usocket_send(watched[0], "x", 1, 0));
    GIVES(1, usocket_poller_wait(outer, &event, 1, 5 * SECOND));
    HOLDS(event.data == 2, "the outer poller reports %llu", (unsigned long long)event.data);
    GIVES(1, usocket_poller_wait(inner, &event, 1, 5 * SECOND));
    HOLDS(event.data == 1, "the inner poller reports %llu", (unsigned long long)event.data);
}

static void a_wake_before_the_first_wait(void *arg)
{
    (void)arg;
    usocket_event event;
    OK(usocket_poller_wake(outer));
    int64_t began = now_us();
    GIVES(0, usocket_poller_wait(outer, &event, 1, 3 * SECOND));
    HOLDS(now_us() - began < 2 * SECOND, "a wake before the child's first wait is lost");
}

static void pollers(void)
{
    tcp_pair(watched);
    outer = OK(usocket_poller_create());
    inner = OK(usocket_poller_create());
    OK(usocket_poller_add(inner, watched[1], POLLIN, 1));
    OK(usocket_poller_add(outer, inner, POLLIN, 2));
    usocket_event event;
    GIVES(0, usocket_poller_wait(outer, &event, 1, 0));
}

static void nested_pollers_report_in_a_child(void)
{
    pollers();
    child_within(the_inner_reports, NULL, GENEROUS);
}

static void a_wake_in_a_child_is_not_lost(void)
{
    pollers();
    child_within(a_wake_before_the_first_wait, NULL, GENEROUS);
}

static void changes_its_registrations(void *arg)
{
    (void)arg;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    OK(usocket_poller_add(outer, s, POLLOUT, 3));
    OK(usocket_poller_remove(inner, watched[1]));
    OK(usocket_close(watched[1]));
    usocket_event event[4];
    for (int i = 0; i < 10; i++)
        usocket_poller_wait(outer, event, 4, 0);
    OK(usocket_close(outer));
    OK(usocket_close(inner));
}

// A child's changes to its pollers do not affect the parent's.
static void a_childs_registrations_are_its_own(void)
{
    pollers();
    child_within(changes_its_registrations, NULL, GENEROUS);
    usocket_event event;
    GIVES(0, usocket_poller_wait(outer, &event, 1, 100 * MS));
    OK(usocket_send(watched[0], "x", 1, 0));
    GIVES(1, usocket_poller_wait(outer, &event, 1, 5 * SECOND));
    HOLDS(event.data == 2, "the parent's poller reports %llu", (unsigned long long)event.data);
    GIVES(1, usocket_poller_wait(inner, &event, 1, 5 * SECOND));
    HOLDS(event.data == 1, "the parent's inner poller reports %llu", (unsigned long long)event.data);
}

static void false_events(void *arg)
{
    (void)arg;
    // A stranger takes numbers that were the inner poller's in the parent.
    int pipes[16][2];
    for (int i = 0; i < 16; i++)
        if (pipe(pipes[i]) == 0 && write(pipes[i][1], "x", 1) != 1)
            broken("write");
    usocket_event event[4];
    int events = 0;
    for (int64_t until = now_us() + 300 * MS; now_us() < until;)
        events += usocket_poller_wait(outer, event, 4, 100 * MS) > 0;
    HOLDS(events == 0, "%d false events", events);
}

static void a_stranger_is_not_taken_for_the_inner_poller(void)
{
    pollers();
    child_within(false_events, NULL, GENEROUS);
}

// --- TLS on both sides of a fork ---

struct use {
    usocket_t s;
    int64_t got;
};

// The peer's view of both sides of a fork, which send as often as they may: no record may be damaged (two
// records with the same sequence number are, and reveal their plaintexts).
static void one_process_keeps_the_session(void)
{
    usocket_t pair[2];
    tls_pair(pair);
    int ready[2];
    SYS(pipe(ready));
    pid_t child = (pid_t)SYS(fork());
    int sent = 0;
    for (int i = 0; i < 5; i++)
        sent += usocket_send(pair[0], child ? "parent parent..." : "child child ....", 16, 0) == 16;
    if (child == 0) {
        if (write(ready[1], &sent, sizeof sent) != sizeof sent)
            _exit(1);
        _exit(0);
    }
    int childs, status;
    HOLDS(read(ready[0], &childs, sizeof childs) == sizeof childs, "the child died");
    waitpid(child, &status, 0);
    HOLDS(!(sent && childs), "both processes sent on one session (parent %d, child %d records)", sent, childs);
    HOLDS(sent || childs, "neither process can send");
    char buf[16];
    OK(usocket_settimeout(pair[1], 5 * SECOND));
    for (int i = 0; i < sent + childs; i++)
        GIVES(16, usocket_read(pair[1], buf, 16));
}

static void one_process_receives(void)
{
    usocket_t pair[2];
    tls_pair(pair);
    int ready[2];
    char buf[16];
    SYS(pipe(ready));
    OK(usocket_settimeout(pair[0], 3 * SECOND));
    pid_t child = (pid_t)SYS(fork());
    if (child == 0) {
        int64_t r = usocket_recv(pair[0], buf, 4, 0);
        if (write(ready[1], &r, sizeof r) != sizeof r)
            _exit(1);
        _exit(0);
    }
    OK(usocket_send(pair[1], "1234", 4, 0));
    int64_t childs;
    HOLDS(read(ready[0], &childs, sizeof childs) == sizeof childs, "the child died");
    OK(usocket_send(pair[1], "5678", 4, 0));
    int64_t ours = usocket_recv(pair[0], buf, 4, 0);
    HOLDS(ours == 4 || childs == 4, "neither receives: parent %lld, child %lld", (long long)ours, (long long)childs);
    HOLDS(ours != -10006 && childs != -10006 && ours != -ETIMEDOUT,
          "the other's bytes are taken for damage: parent %lld, child %lld", (long long)ours, (long long)childs);
    HOLDS(!(ours == 4 && childs == 4), "both processes received on one session");
}

// As many servers do: fork after accept, the child serves, the parent closes.
static void serve_in_child(void *arg)
{
    struct use *u = arg;
    char buf[4];
    GIVES(4, usocket_read(u->s, buf, 4));
    OK(usocket_sendall(u->s, buf, 4, 0));
    OK(usocket_close(u->s));
}

static void a_forking_tls_server(void)
{
    for (int i = 0; i < 10; i++) {
        usocket_t pair[2];
        char buf[4];
        tls_pair(pair);
        OK(usocket_sendall(pair[0], "ping", 4, 0));
        struct use u = {pair[1], 0};
        child_within(serve_in_child, &u, GENEROUS);
        OK(usocket_close(pair[1]));
        OK(usocket_settimeout(pair[0], 5 * SECOND));
        GIVES(4, usocket_read(pair[0], buf, 4));
        GIVES(0, usocket_recv(pair[0], buf, 4, 0));
        OK(usocket_close(pair[0]));
    }
}

static void *sends_all_the_time(void *arg)
{
    static char block[4096];
    while (!stop && usocket_sendall(*(usocket_t *)arg, block, sizeof block, 0) == 0)
        ;
    return NULL;
}

static void *drains(void *arg)
{
    static _Thread_local char block[8192];
    struct use *u = arg;
    for (int64_t n; (n = usocket_recv(u->s, block, sizeof block, 0)) > 0;)
        u->got += n;
    return NULL;
}

static void close_both(void *arg)
{
    usocket_t *pair = arg;
    OK(usocket_close(pair[0]));
    OK(usocket_close(pair[1]));
}

// Forks while records are under way, in whose middle the fork falls; the children close.
static void forks_while_records_are_under_way(void)
{
    usocket_t pair[2];
    tls_pair(pair);
    struct use u = {pair[1], 0};
    pthread_t out = start(sends_all_the_time, &pair[0]), in = start(drains, &u);
    for (int i = 0; i < scaled(60, 10); i++) {
        sleep_us(rnd(&stress_seed) % 3000);
        child_within(close_both, pair, GENEROUS);
    }
    stop = true;
    join_within(out, GENEROUS, "sendall");
    OK(usocket_shutdown(pair[0], SHUT_WR));
    join_within(in, GENEROUS, "recv");
    HOLDS(u.got % 4096 == 0 && u.got > 0, "%lld bytes came", (long long)u.got);
}

// --- two that close ---

static pthread_barrier_t together;

static void *closes_together(void *arg)
{
    pthread_barrier_wait(&together);
    usocket_close(*(usocket_t *)arg);
    return NULL;
}

// Two threads close one handle at the same time, and neither takes the other for somebody inside, whose
// operation is to be ended: a child goes on with the connection.
static void two_close_at_once(bool by_tls)
{
    pthread_barrier_init(&together, NULL, 2);
    for (int i = 0; i < scaled(300, 20); i++) {
        usocket_t pair[2];
        int go[2];
        char c, got[8];
        by_tls ? tls_pair(pair) : tcp_pair(pair);
        SYS(pipe(go));
        pid_t child = (pid_t)SYS(fork());
        if (child == 0) {
            close(go[1]);
            GIVES(0, read(go[0], &c, 1));
            GIVES(5, usocket_send(pair[0], "child", 5, 0));
            _exit(0);
        }
        pthread_t both[] = {start(closes_together, &pair[0]), start(closes_together, &pair[0])};
        join_within(both[0], GENEROUS, "close");
        join_within(both[1], GENEROUS, "close");
        close(go[0]);
        close(go[1]);
        int status;
        HOLDS(ends_within(child, GENEROUS, &status) && status == 0, "round %d: the child could not send", i);
        GIVES(5, usocket_recv(pair[1], got, sizeof got, 0));
        OK(usocket_close(pair[1]));
    }
}

static void two_close_tcp_at_once(void) { two_close_at_once(false); }
static void two_close_tls_at_once(void) { two_close_at_once(true); }

static const struct stress_case CASES[] = {
    {"fork: a child's close leaves the parent's recv", a_childs_close_leaves_the_parents_recv, 0},
    {"fork: a child's close leaves the parent's accept", a_childs_close_leaves_the_parents_accept, 0},
    {"fork: a child's close leaves the parent's poll", a_childs_close_leaves_the_parents_poll, 0},
    {"fork: a child's close of a TLS session says nothing", a_childs_close_of_a_tls_session_says_nothing, 0},
    {"fork: a child can detach", a_child_can_detach, 0},
    {"fork: two threads close, a child goes on, TCP", two_close_tcp_at_once, 60},
    {"fork: two threads close, a child goes on, TLS", two_close_tls_at_once, 60},
    {"fork: the parent's close still ends its thread", the_parents_close_still_ends_its_thread, 0},
    {"fork: beside names", forks_beside_names, 60},
    {"fork: beside names of /etc/hosts", forks_beside_local_names, 60},
    {"fork: beside registrations", forks_beside_registrations, 60},
    {"fork: beside polls", forks_beside_polls, 60},
    {"fork: beside TLS", forks_beside_tls, 60},
    {"fork: of forks", forks_of_forks, 60},
    {"fork: a query taken across keeps its deadline", a_query_taken_across_a_fork_keeps_its_deadline, 0},
    {"fork: a query answered in the parent", a_query_answered_in_the_parent, 0},
    {"fork: a child that closes a query leaves the parent's", a_child_that_closes_a_query_leaves_the_parents, 0},
    {"fork: a child asks while the parent's queries hang", a_child_asks_while_the_parents_queries_hang, 0},
    {"fork: nested pollers report in a child", nested_pollers_report_in_a_child, 0},
    {"fork: a wake in a child is not lost", a_wake_in_a_child_is_not_lost, 0},
    {"fork: a child's registrations are its own", a_childs_registrations_are_its_own, 0},
    {"fork: a stranger is not taken for the inner poller", a_stranger_is_not_taken_for_the_inner_poller, 0},
    {"fork: one process keeps a TLS session, sending", one_process_keeps_the_session, 0},
    {"fork: one process keeps a TLS session, receiving", one_process_receives, 0},
    {"fork: a forking TLS server", a_forking_tls_server, 0},
    {"fork: while TLS records are under way", forks_while_records_are_under_way, 60},
};

STRESS_MAIN(CASES)
