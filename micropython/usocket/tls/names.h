// The names of cipher suites: mbedTLS's (TLS-A-B) and IANA's (TLS_A_B).
#ifndef USK_TLS_NAMES_H
#define USK_TLS_NAMES_H

// In place.
void usk_tls_name_to_mbedtls(char *name);
void usk_tls_name_to_iana(char *name);

#endif
