// The errors of TLS as MicroPython programs know them from mbedTLS: a certificate that fails is a
// ValueError with mbedTLS's sentence, everything else an OSError with mbedTLS's number and name.

#include <string.h>

#include "usk.h"

typedef struct _named_t {
    int64_t code;
    const char *text;
    int number;
} named_t;

// ValueError, as ssl.SSLContext raises it.
static const named_t certificate_errors[] = {
    { USOCKET_ETLS_CERT_EXPIRED, "\nThe certificate validity has expired\n", 0 },
    { USOCKET_ETLS_CERT_NOT_YET_VALID, "\nThe certificate validity starts in the future\n", 0 },
    { USOCKET_ETLS_CERT_WRONG_NAME, "\nThe certificate Common Name (CN) does not match with the expected CN\n", 0 },
    { USOCKET_ETLS_CERT_UNKNOWN_ISSUER, "\nThe certificate is not correctly signed by the trusted CA\n", 0 },
    { USOCKET_ETLS_CERT_BAD_SIGNATURE, "\nThe certificate is not correctly signed by the trusted CA\n", 0 },
    { USOCKET_ETLS_CERT_IS_CA, "\nThe certificate is not correctly signed by the trusted CA\n", 0 },
    { USOCKET_ETLS_CERT_CONSTRAINT, "\nThe certificate is not correctly signed by the trusted CA\n", 0 },
    { USOCKET_ETLS_CERT_REVOKED, "\nThe certificate has been revoked (is on a CRL)\n", 0 },
    { USOCKET_ETLS_CERT_WRONG_PURPOSE, "\nUsage does not match the extendedKeyUsage extension\n", 0 },
    { USOCKET_ETLS_CERT_UNSUPPORTED, "\nThe certificate is signed with an unacceptable key (eg bad curve, RSA too short).\n", 0 },
    { USOCKET_ETLS_CERT_NOT_PINNED, "\nOther reason (can be used by verify callback)\n", 0 },
    { USOCKET_ETLS_CRL_EXPIRED, "\nThe CRL is expired\n", 0 },
    { USOCKET_ETLS_CRL_MISSING, "\nThe CRL is not correctly signed by the trusted CA\n", 0 },
    { USOCKET_ETLS_CRL_INVALID, "\nThe CRL is not correctly signed by the trusted CA\n", 0 },
    // Of what the program gave.
    { USOCKET_ETLS_CERT_INVALID, "invalid cert", 0 },
    { USOCKET_ETLS_KEY_INVALID, "invalid key", 0 },
    { USOCKET_ETLS_KEY_ENCRYPTED, "invalid key", 0 },
    { USOCKET_ETLS_KEY_MISMATCH, "invalid key", 0 },
    { USOCKET_ETLS_PEM_EMPTY, "invalid cert", 0 },
    { USOCKET_ETLS_PEM_BAD, "invalid cert", 0 },
    { USOCKET_ETLS_NAME_REQUIRED, "CERT_REQUIRED requires server_hostname", 0 },
};

// OSError(number, name)
static const named_t session_errors[] = {
    { USOCKET_ETLS_HANDSHAKE_EOF, "MBEDTLS_ERR_SSL_CONN_EOF", -0x7280 },
    { USOCKET_ETLS_TRUNCATED, "MBEDTLS_ERR_SSL_CONN_EOF", -0x7280 },
    { USOCKET_ETLS_NOT_TLS, "MBEDTLS_ERR_SSL_INVALID_RECORD", -0x7200 },
    { USOCKET_ETLS_RECORD_OVERFLOW, "MBEDTLS_ERR_SSL_INVALID_RECORD", -0x7200 },
    { USOCKET_ETLS_PROTOCOL, "MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE", -0x7700 },
    { USOCKET_ETLS_DECRYPT, "MBEDTLS_ERR_SSL_INVALID_MAC", -0x7180 },
    { USOCKET_ETLS_CERT_REQUIRED, "MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE", -0x7480 },
    { USOCKET_ETLS_CERT_REFUSED, "MBEDTLS_ERR_ERROR_GENERIC_ERROR", 1 },
    { USOCKET_ETLS_CERT_BAD_ENCODING, "MBEDTLS_ERR_SSL_BAD_CERTIFICATE", -0x7A00 },
    { USOCKET_ETLS_CERT_BAD_STAPLE, "MBEDTLS_ERR_SSL_BAD_CERTIFICATE", -0x7A00 },
    { USOCKET_ETLS_NO_COMMON_VERSION, "MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION", -0x6E80 },
    { USOCKET_ETLS_NO_COMMON_SUITE, "MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", -0x6E00 },
    { USOCKET_ETLS_NO_COMMON_GROUP, "MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", -0x6E00 },
    { USOCKET_ETLS_NO_COMMON_SIGNATURE, "MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", -0x6E00 },
    { USOCKET_ETLS_PEER_INCOMPATIBLE, "MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE", -0x6E00 },
    { USOCKET_ETLS_NO_COMMON_ALPN, "MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL", -0x7580 },
    { USOCKET_ETLS_NO_TRUST, "MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED", -0x7680 },
    { USOCKET_ETLS_NO_CERT, "MBEDTLS_ERR_SSL_PRIVATE_KEY_REQUIRED", -0x7600 },
    { USOCKET_ETLS_BAD_NAME, "MBEDTLS_ERR_SSL_BAD_INPUT_DATA", -0x7100 },
    { USOCKET_ETLS_NO_SUCH_SUITE, "MBEDTLS_ERR_SSL_BAD_CONFIG", -0x5E80 },
    { USOCKET_ETLS_NO_SUCH_VERSION, "MBEDTLS_ERR_SSL_BAD_CONFIG", -0x5E80 },
    { USOCKET_ETLS_CONTEXT_IN_USE, "MBEDTLS_ERR_SSL_BAD_CONFIG", -0x5E80 },
};

bool usk_is_tls(int64_t code) {
    return code <= -10000 && code > -20000;
}

static MP_NORETURN void raise_os(int number, const char *name) {
    mp_obj_t args[2] = { MP_OBJ_NEW_SMALL_INT(number), mp_obj_new_str(name, strlen(name)) };
    nlr_raise(mp_obj_new_exception_args(&mp_type_OSError, 2, args));
}

MP_NORETURN void usk_tls_raise(int64_t code, usocket_t s) {
    for (size_t i = 0; i < MP_ARRAY_SIZE(certificate_errors); ++i) {
        if (certificate_errors[i].code == code) {
            const char *text = certificate_errors[i].text;
            mp_obj_t arg = mp_obj_new_str(text, strlen(text));
            nlr_raise(mp_obj_new_exception_args(&mp_type_ValueError, 1, &arg));
        }
    }
    for (size_t i = 0; i < MP_ARRAY_SIZE(session_errors); ++i) {
        if (session_errors[i].code == code) {
            raise_os(session_errors[i].number, session_errors[i].text);
        }
    }
    if (code <= USOCKET_ETLS_ALERT && code > USOCKET_ETLS_ALERT - 256) {
        raise_os(-0x7780, "MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE");
    }
    // What mbedTLS has no word for: ours.
    char detail[192];
    int32_t len;
    USK_CALL(len, usocket_error_detail(s, detail, sizeof(detail)));
    raise_os((int)code, len > 0 ? detail : usocket_strerror(code));
}
