// Datagrams: whom they are from, how long they are, and sockets whose peer changes.

#include "support.h"

static void same_address(const usocket_addr *a, const usocket_addr *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->storage, b->storage, a->len);
    assert_int_equal(a->reserved, 0);
}

// With MSG_TRUNC the kernel returns the length of a datagram. A caller that reads that many bytes reads
// past it: the length is only for callers without a buffer.
static void the_number_is_never_more_than_the_room(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    const int64_t modes[] = {-1, GENEROUS, 0};
    const int ask = MSG_PEEK | MSG_TRUNC;
    for (int i = 0; i < 3; i++)
        for (int m = 0; m < 3; m++) {
            usocket_t pair[2];
            usocket_addr from;
            char sent[590], buf[64];
            connected_pair(families[i], SOCK_DGRAM, pair);
            memset(sent, 's', sizeof sent);
            GIVES(590, usocket_send(pair[1], sent, sizeof sent, 0));
            usocket_pollfd p = {.socket = pair[0], .events = POLLIN};
            GIVES(1, usocket_poll(&p, 1, GENEROUS));
            OK(usocket_settimeout(pair[0], modes[m]));
            GIVES(590, usocket_recv(pair[0], NULL, 0, ask));
            GIVES(590, usocket_recvfrom(pair[0], NULL, 0, ask, &from));
            for (size_t room = 0; room <= sizeof buf; room += 8) {
                GIVES(room, usocket_recv(pair[0], buf, room, ask));
                GIVES(room, usocket_recvfrom(pair[0], buf, room, ask, &from));
            }
            GIVES(0, usocket_recv(pair[0], NULL, 0, MSG_PEEK));
            GIVES(8, usocket_recv(pair[0], buf, 8, MSG_TRUNC));
            OK(usocket_close(pair[0]));
            OK(usocket_close(pair[1]));
        }
    // A stream throws away what it counts.
    for (int m = 0; m < 2; m++) {
        usocket_t pair[2];
        char buf[8];
        connected_pair(AF_INET, SOCK_STREAM, pair);
        OK(usocket_settimeout(pair[0], modes[m]));
        OK(usocket_sendall(pair[1], "abcdefghij", 10, 0));
        memset(buf, 'x', sizeof buf);
        GIVES(8, usocket_recv(pair[0], buf, sizeof buf, MSG_TRUNC | MSG_WAITALL));
        assert_memory_equal(buf, (char[8]){0}, 8);
        GIVES(2, usocket_read(pair[0], buf, 2));
        assert_memory_equal(buf, "ij", 2);
        OK(usocket_close(pair[0]));
        OK(usocket_close(pair[1]));
    }
}

static void datagrams_say_whom_they_are_from(void **state)
{
    (void)state;
    const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    for (int i = 0; i < 3; i++) {
        usocket_t a = bound_socket(families[i], SOCK_DGRAM);
        usocket_t b = bound_socket(families[i], SOCK_DGRAM);
        usocket_addr to = name_of(b), from, back;
        char buf[64];
        GIVES(4, usocket_sendto(a, "ping", 4, 0, &to));
        GIVES(4, usocket_recvfrom(b, buf, sizeof buf, 0, &from));
        back = name_of(a);
        same_address(&from, &back);
        GIVES(4, usocket_sendto(b, "pong", 4, 0, &from));
        // A datagram longer than the room is cut: see the_number_is_never_more_than_the_room.
        GIVES(2, usocket_recvfrom(a, buf, 2, MSG_TRUNC, NULL));
        // An empty datagram is a datagram.
        GIVES(0, usocket_sendto(a, NULL, 0, 0, &to));
        GIVES(0, usocket_recvfrom(b, buf, sizeof buf, 0, &from));
        same_address(&from, &back);
        OK(usocket_close(a));
        OK(usocket_close(b));
    }
    // A sender without a name comes as an empty address.
    usocket_t a = OK(usocket_socket(AF_UNIX, SOCK_DGRAM, 0)), b = bound_socket(AF_UNIX, SOCK_DGRAM);
    usocket_addr to = name_of(b), from;
    OK(usocket_sendto(a, "x", 1, 0, &to));
    char c;
    GIVES(1, usocket_recvfrom(b, &c, 1, 0, &from));
    assert_int_equal(usocket_addr_family(&from), AF_UNSPEC);
    OK(usocket_close(a));
    OK(usocket_close(b));
}

static void an_address_may_lie_askew_and_is_written_only_when_there_is_one(void **state)
{
    (void)state;
    usocket_t a = bound_socket(AF_INET, SOCK_DGRAM), b = bound_socket(AF_INET, SOCK_DGRAM);
    usocket_addr to = name_of(b), back = name_of(a), copy;
    char memory[sizeof to + 1], c;
    usocket_addr *askew = (usocket_addr *)(memory + 1);
    memcpy(askew, &to, sizeof to);
    GIVES(1, usocket_sendto(a, "x", 1, 0, askew));
    GIVES(1, usocket_recvfrom(b, &c, 1, 0, askew));
    memcpy(&copy, askew, sizeof copy);
    same_address(&copy, &back);
    memcpy(askew, &to, sizeof to);
    OK(usocket_connect(a, askew));
    OK(usocket_send(a, "x", 1, 0));
    OK(usocket_setblocking(b, 0));
    OK(usocket_recv(b, &c, 1, 0));
    GIVES(-EAGAIN, usocket_recvfrom(b, &c, 1, 0, &copy));
    GIVES(-EAGAIN, usocket_recvfrom(b, &c, 1, MSG_DONTWAIT, askew));
    same_address(&copy, &back);
    OK(usocket_close(a));
    OK(usocket_close(b));
}

static void a_datagram_socket_can_change_its_peer(void **state)
{
    (void)state;
    usocket_t s = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0)), peers[2];
    for (int i = 0; i < 2; i++) {
        peers[i] = bound_socket(AF_INET, SOCK_DGRAM);
        usocket_addr to = name_of(peers[i]);
        OK(usocket_connect(s, &to));
        OK(usocket_send(s, "x", 1, 0));
        char buf[4];
        GIVES(1, usocket_recv(peers[i], buf, sizeof buf, 0));
    }
    static char huge[70000];
    GIVES(-EMSGSIZE, usocket_send(s, huge, sizeof huge, 0));
    OK(usocket_close(s));
    // Nobody there: the next call hears of it.
    OK(usocket_close(peers[0]));
    usocket_t lost = OK(usocket_socket(AF_INET, SOCK_DGRAM, 0));
    usocket_addr gone = name_of(peers[1]);
    OK(usocket_close(peers[1]));
    OK(usocket_connect(lost, &gone));
    OK(usocket_send(lost, "x", 1, 0));
    char c;
    GIVES(-ECONNREFUSED, usocket_recv(lost, &c, 1, 0));
    OK(usocket_close(lost));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_say_whom_they_are_from),
        cmocka_unit_test(the_number_is_never_more_than_the_room),
        cmocka_unit_test(an_address_may_lie_askew_and_is_written_only_when_there_is_one),
        cmocka_unit_test(a_datagram_socket_can_change_its_peer),
    };
    return RUN(tests);
}
