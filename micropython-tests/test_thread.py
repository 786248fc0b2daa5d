# Many threads in the library at once, and the collector meanwhile.
#
# The unix port has no GIL by itself. So no list, dict or number is changed by two threads: each counts for itself, and
# Thread.join() gives what it counted.
import gc
import socket
import time
from support import Thread, address, listener, pair, until_main_sleeps

STOCK_IS_WRONG = ["test_what_another_thread_schedules_runs_within_a_blocked_call"]
# Without one, the collector reads what a thread changes meanwhile: MicroPython's own matter, which proves nothing here.
NEEDS_A_GIL = ["test_threads_that_talk_while_the_collector_runs"]


def test_threads_that_talk_while_the_collector_runs():
    def talk(i):
        a, b = pair()
        for n in range(200):
            message = b"%d.%d\n" % (i, n)
            a.send(message)
            assert b.readline() == message
            b.write(message * 30)
            assert a.read(len(message) * 30) == message * 30
        a.close()
        b.close()

    threads = [Thread(talk, i) for i in range(6)]
    while any(t.running for t in threads):
        gc.collect()
        time.sleep(0.001)
    for t in threads:
        t.join()


def test_accept_in_many_threads():
    l, port = listener()
    where = address("127.0.0.1", port)

    def serve():
        served = 0
        for _ in range(25):
            s, _ = l.accept()
            s.write(s.readline())
            s.close()
            served += 1
        return served

    def ask():
        for n in range(25):
            c = socket.socket()
            c.connect(where)
            c.write(b"%d\n" % n)
            assert c.readline() == b"%d\n" % n
            c.close()

    serving, asking = [Thread(serve) for _ in range(4)], [Thread(ask) for _ in range(4)]
    for t in asking:
        t.join()
    assert sum(t.join() for t in serving) == 100


def test_what_another_thread_schedules_runs_within_a_blocked_call():
    import micropython

    a, b = pair()
    ran = []

    def callback(n):
        ran.append(n)
        b.send(b"x")  # what the main thread waits for

    def schedule():
        until_main_sleeps()
        micropython.schedule(callback, 7)

    t = Thread(schedule)
    assert a.recv(9) == b"x" and ran == [7], ran
    t.join()
