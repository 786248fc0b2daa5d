/* tls.h - the TLS calls a bench program makes; one of the files beside this one implements them,
 * chosen with -DTLS_BACKEND='"openssl.h"'.
 *
 * The same on every side: the version, cipher suite, certificate (ECDSA P-256 under a CA of the
 * same kind), the client verifying chain and name, no client certificate, a ticket when sessions
 * are to be resumed and none otherwise. Files come from the directory $BENCH_CERTS.
 *
 *   void tls_init(const struct tls_options *)     both contexts
 *   tls_t tls_open(io_t, int server)              wraps a connected socket, whole handshake
 *   long tls_send(tls_t, const void *, size_t)    all of it
 *   long tls_recv(tls_t, void *, size_t)          some; 0 or less at the end
 *   void tls_close(tls_t)                         close_notify, and the socket
 *   void tls_keep(tls_t)                          the next tls_open of a client resumes this one
 *   int tls_resumed(tls_t)
 *   const char *tls_description(tls_t)            version, suite: to see that sides agree
 */
#ifndef TLS_H
#define TLS_H

#include "../io.h"

#define SERVER_NAME "localhost"

struct tls_options {
    int resume;         /* sessions and one ticket, or neither */
    int tls12;          /* TLS 1.2 instead of 1.3 */
    const char *groups; /* the key exchange, or NULL for the library's own choice */
};

static inline const char *tls_file(const char *name)
{
    static char path[2][512];
    static int turn;
    const char *dir = getenv("BENCH_CERTS");
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir ? dir : ".", name);
    return path[turn];
}

#include TLS_BACKEND

#endif
