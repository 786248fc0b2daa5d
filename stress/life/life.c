// The library's life in a process: loaded and unloaded, exec, exit while threads are inside.

#include "stress.h"

#include <dlfcn.h>
#include <limits.h>
#include <sys/resource.h>

static char self[PATH_MAX], library[PATH_MAX];

// dlopen and dlclose, in a program that is not linked with it: see main.
static void loads(void)
{
    int before = open_descriptors();
    long memory = 0;
    for (int i = 0; i < 1000; i++) {
        void *so = dlopen(library, RTLD_NOW | RTLD_LOCAL);
        HOLDS(so, "%s", dlerror());
        int64_t (*make)(int32_t, int32_t, int32_t) = (int64_t(*)(int32_t, int32_t, int32_t))dlsym(so, "usocket_socket");
        int32_t (*unmake)(int64_t) = (int32_t(*)(int64_t))dlsym(so, "usocket_close");
        int64_t s = make(AF_INET, SOCK_STREAM, 0);
        HOLDS(s > 0 && unmake(s) == 0, "round %d", i);
        HOLDS(dlclose(so) == 0, "dlclose");
        if (i == 100)
            memory = memory_kb();
    }
    HOLDS(open_descriptors() == before, "%d descriptors before, %d after", before, open_descriptors());
    HOLDS(memory_kb() < memory + 2000, "%ld KB after 100 rounds, %ld after 1,000", memory, memory_kb());
}

// A thread of the resolver's pool, or a poller, is there when it is unloaded.
static void unloads_in_use(void)
{
    for (int i = 0; i < 30; i++) {
        void *so = dlopen(library, RTLD_NOW | RTLD_LOCAL);
        HOLDS(so, "%s", dlerror());
        int64_t (*ask)(const char *, const char *, int32_t, int32_t, int32_t, int32_t) =
            (int64_t(*)(const char *, const char *, int32_t, int32_t, int32_t, int32_t))dlsym(so, "usocket_query_create");
        HOLDS(ask("localhost", "80", 0, 0, 0, 0) > 0, "no query");
        dlclose(so);
        sleep_us(3 * MS);
    }
}

static void exec_leaks_nothing(void)
{
    for (int fd = 3; fd < 256; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC); // what we were given
    usocket_t pair[2];
    tcp_pair(pair);
    tls_pair(pair);
    usocket_poller_t p = OK(usocket_poller_create());
    usocket_event event;
    OK(usocket_poller_add(p, pair[0], POLLIN, 1));
    usocket_poller_wait(p, &event, 1, 0);
    OK(usocket_query_create("localhost", "80", 0, 0, 0, 0));
    OK(usocket_dup(listener_on(AF_INET, 1)));
    usocket_t ends[2];
    OK(usocket_socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    OK(usocket_from_fd(socket(AF_INET, SOCK_STREAM, 0)));
    // A datagram socket closed under a thread: what is laid over it is closed on exec as well.
    char command[200];
    snprintf(command, sizeof command, "n=0; for f in /proc/$$/fd/*; do case ${f##*/} in 0|1|2|255) ;; *) readlink $f 1>&2 && n=1;; esac; done; exit $n");
    pid_t child = (pid_t)SYS(fork());
    if (child == 0) {
        execl("/bin/bash", "bash", "-c", command, NULL);
        _exit(2);
    }
    int status;
    waitpid(child, &status, 0);
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 0, "exec took descriptors along");
}

static void *inside(void *arg)
{
    intptr_t what = (intptr_t)arg;
    usocket_t pair[2];
    char c;
    usocket_event event;
    usocket_addrinfo *list;
    for (;;) {
        switch (what) {
        case 0: tcp_pair(pair); usocket_recv(pair[0], &c, 1, 0); break;
        case 1: usocket_poller_wait(usocket_poller_create(), &event, 1, -1); break;
        case 2: usocket_getaddrinfo("localhost", "80", 0, 0, 0, 0, -1, &list); break;
        case 3: tls_pair(pair); usocket_recv(pair[0], &c, 1, 0); break;
        case 4: usocket_accept(listener_on(AF_INET, 1), NULL); break;
        default: {
            usocket_t s = usocket_socket(AF_INET, SOCK_DGRAM, 0);
            usocket_close(s);
        }
        }
    }
    return NULL;
}

static void at_exit(void)
{
    usocket_t s = usocket_socket(AF_INET, SOCK_STREAM, 0);
    usocket_close(s);
    char text[64];
    usocket_error_detail(0, text, sizeof text);
    usocket_strerror(-EBADF);
}

static void exits(void *arg)
{
    (void)arg;
    atexit(at_exit);
    for (intptr_t i = 0; i < 8; i++)
        start(inside, (void *)i);
    sleep_us(20 * MS);
    exit(0);
}

static void exit_while_inside(void)
{
    for (int i = 0; i < scaled(40, 5); i++)
        child_within(exits, NULL, 10 * SECOND);
}

static void *opens(void *arg)
{
    (void)arg;
    usocket_addr a;
    usocket_addr_ip(AF_INET, "nonsense", 1, 0, 0, &a); // a sentence of this thread's own
    usocket_poller_t p = usocket_poller_create();
    usocket_t s = usocket_socket(AF_INET, SOCK_DGRAM, 0);
    usocket_event event;
    usocket_poller_add(p, s, POLLOUT, 1);
    usocket_poller_wait(p, &event, 1, 1000);
    usocket_close(s);
    usocket_close(p);
    return NULL;
}

// Threads that come and go leave nothing.
static void threads_leave_nothing(void)
{
    long memory = 0;
    int before = open_descriptors();
    for (int i = 0; i < 4000; i++) {
        pthread_join(start(opens, NULL), NULL);
        if (i == 400)
            memory = memory_kb();
    }
    HOLDS(open_descriptors() <= before + 1, "%d descriptors before, %d after", before, open_descriptors());
    HOLDS(memory_kb() < memory + 1500, "%ld KB after 400 threads, %ld after 4,000", memory, memory_kb());
}

// Rounds of TLS, names and pollers: memory and descriptors stay flat.
static void rounds_leave_nothing(void)
{
    long memory = 0;
    int before = 0;
    usocket_tls_context_t c = client_context(), s = server_context();
    for (int i = 0; i < 600; i++) {
        usocket_t pair[2];
        char buf[100];
        tls_pair_with(pair, c, s, "server.example");
        OK(usocket_send(pair[0], "x", 1, 0));
        GIVES(1, usocket_recv(pair[1], buf, 100, 0));
        usocket_addrinfo *list;
        OK(usocket_getaddrinfo("127.0.0.1", "80", 0, 0, 0, 0, GENEROUS, &list));
        OK(usocket_freeaddrinfo(list));
        OK(usocket_close(pair[i & 1]));
        usocket_recv(pair[!(i & 1)], buf, 100, 0);
        OK(usocket_close(pair[!(i & 1)]));
        if (i == 200)
            memory = memory_kb(), before = open_descriptors();
    }
    HOLDS(open_descriptors() <= before, "%d descriptors before, %d after", before, open_descriptors());
    HOLDS(memory_kb() < memory + 3000, "%ld KB after 200 rounds, %ld after 600", memory, memory_kb());
}

static const struct stress_case CASES[] = {
    {"life: exec leaks nothing", exec_leaks_nothing, 0},
    {"life: exit while threads are inside", exit_while_inside, 120},
    {"life: threads leave nothing", threads_leave_nothing, 120},
    {"life: rounds leave nothing", rounds_leave_nothing, 120},
    {"life: dlopen and dlclose 1,000 times", loads, 120},
    {"life: unloaded while in use", unloads_in_use, 60},
};

int main(int argc, char **argv)
{
    seed_from_environment();
    Dl_info info;
    if (!dladdr((void *)usocket_version, &info) || !realpath(info.dli_fname, library) || !realpath(argv[0], self))
        return 2;
    return stress_main(argc, argv, CASES, sizeof CASES / sizeof *CASES);
}
