// The names of cipher suites (names.h).

#include <string.h>

#include "names.h"

void usk_tls_name_to_mbedtls(char *name) {
    for (char *p = name; *p != 0; ++p) {
        *p = *p == '_' ? '-' : *p;
    }
}

void usk_tls_name_to_iana(char *name) {
    if (strncmp(name, "TLS-", 4) == 0) {
        for (char *p = name; *p != 0; ++p) {
            *p = *p == '-' ? '_' : *p;
        }
    }
}
