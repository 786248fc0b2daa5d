// The library's context of an SSLContext, made from its settings.

#include <string.h>

#include "py/builtin.h"
#include "py/objlist.h"
#include "py/objmodule.h"
#include "py/stream.h"

#include "context.h"

// ---- the library's context ----

// The verify callback, called on the thread that does the handshake.
static int32_t verify(void *arg, const uint8_t *der, size_t len, int32_t depth) {
    usk_tls_context_t *self = arg;
    if (self->callback == mp_const_none) {
        return 0;
    }
    usk_call_t *call = usk_current;
    volatile int32_t verdict = 1;
    usk_current = NULL;
    if (call != NULL && call->released) {
        MP_THREAD_GIL_ENTER();
    }
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        // A copy: the callback may keep it.
        #if MICROPY_PY_BUILTINS_MEMORYVIEW
        byte *copy = m_new(byte, len);
        memcpy(copy, der, len);
        mp_obj_t cert = mp_obj_new_memoryview('B', len, copy);
        #else
        mp_obj_t cert = mp_obj_new_bytes(der, len);
        #endif
        verdict = (int32_t)mp_obj_get_int(mp_call_function_2(self->callback, cert, MP_OBJ_NEW_SMALL_INT(depth)));
        nlr_pop();
    } else if (call != NULL) {
        call->raised = MP_OBJ_FROM_PTR(nlr.ret_val);
    }
    if (call != NULL && call->released) {
        MP_THREAD_GIL_EXIT();
    }
    usk_current = call;
    return verdict;
}

static int32_t load(usocket_t context, mp_obj_t item) {
    mp_obj_t *parts;
    mp_obj_get_array_fixed_n(item, 3, &parts);
    mp_buffer_info_t a = { 0 }, b = { 0 };
    if (parts[1] != mp_const_none) {
        mp_get_buffer_raise(parts[1], &a, MP_BUFFER_READ);
    }
    if (parts[2] != mp_const_none) {
        mp_get_buffer_raise(parts[2], &b, MP_BUFFER_READ);
    }
    int32_t r;
    switch (MP_OBJ_SMALL_INT_VALUE(parts[0])) {
        case LOADED_CERT:
            USK_CALL(r, usocket_tls_context_add_cert(context, a.buf, a.len, b.buf, b.len));
            break;
        case LOADED_TRUST:
            USK_CALL(r, usocket_tls_context_add_trust(context, a.buf, a.len));
            break;
        default:
            USK_WAIT(r, usocket_tls_context_add_trust_system(context));
            break;
    }
    return r;
}

static int32_t set_up(usk_tls_context_t *self, usocket_t context, bool check_name) {
    size_t n;
    mp_obj_t *items;
    mp_obj_list_get(self->loaded, &n, &items);
    // As in mbedTLS, the peer finds out that a key belongs to another certificate.
    int32_t r;
    USK_CALL(r, usocket_tls_context_set_key_check(context, 0));
    for (size_t i = 0; i < n && r >= 0; ++i) {
        r = load(context, items[i]);
    }
    if (r >= 0) {
        USK_CALL(r, usocket_tls_context_set_verify(context, self->verify_mode));
    }
    if (r >= 0 && !self->server) {
        USK_CALL(r, usocket_tls_context_set_hostname_check(context, check_name));
    }
    if (r >= 0 && (self->min_version != 0 || self->max_version != 0)) {
        USK_CALL(r, usocket_tls_context_set_versions(context, self->min_version, self->max_version));
    }
    if (r >= 0 && self->ciphers != mp_const_none) {
        const char *names = mp_obj_str_get_str(self->ciphers);
        USK_CALL(r, usocket_tls_context_set_ciphers(context, names));
    }
    if (r >= 0 && self->alpn != mp_const_none) {
        const char *names = mp_obj_str_get_str(self->alpn);
        USK_CALL(r, usocket_tls_context_set_alpn(context, names));
    }
    if (r >= 0 && self->max_record != 0) {
        USK_CALL(r, usocket_tls_context_set_max_record(context, self->max_record));
    }
    if (r >= 0 && self->callback != mp_const_none) { // else the library asks for certificates, and resumes nothing
        USK_CALL(r, usocket_tls_context_set_verify_callback(context, verify, self));
    }
    return r;
}

void usk_tls_context_forget(usk_tls_context_t *self) {
    if (self->context != 0) {
        usk_close(self->context); // connections keep it alive
        self->context = 0;
    }
}

// Makes the library's context match the settings.
int32_t usk_tls_context_made(usk_tls_context_t *self, bool check_name) {
    if (self->context != 0 && self->checks_name == check_name) {
        return 0;
    }
    usk_tls_context_forget(self);
    usk_init();
    usocket_t context;
    USK_CALL(context, usocket_tls_context_create(self->server ? USOCKET_TLS_SERVER : USOCKET_TLS_CLIENT));
    if (context < 0) {
        return (int32_t)context;
    }
    int32_t r = set_up(self, context, check_name);
    self->context = context;
    self->checks_name = check_name;
    if (r < 0) {
        usk_tls_context_forget(self);
    }
    return r;
}

// Adds a loaded item; removes it again, and raises, if the library refuses it.
void usk_tls_context_load(usk_tls_context_t *self, int kind, mp_obj_t a, mp_obj_t b) {
    mp_obj_t items[3] = { MP_OBJ_NEW_SMALL_INT(kind), a, b };
    mp_obj_list_append(self->loaded, mp_obj_new_tuple(3, items));
    usk_tls_context_forget(self);
    int32_t r = usk_tls_context_made(self, self->check_hostname);
    if (r < 0) {
        mp_obj_list_t *list = MP_OBJ_TO_PTR(self->loaded);
        list->items[--list->len] = MP_OBJ_NULL;
        usk_raise(r, 0);
    }
}

int32_t usk_tls_context_wrap(usk_tls_context_t *self, usocket_t s, const char *name) {
    // Without a name none is checked; where that would be insecure, it was refused before.
    int32_t r = usk_tls_context_made(self, self->check_hostname && name != NULL);
    if (r < 0) {
        return r;
    }
    USK_WAIT(r, usocket_tls_wrap(s, self->context, name, 0));
    return r;
}

usocket_t usk_tls_context_create(usk_tls_context_t *self, const char *name) {
    usocket_t s = usk_tls_context_made(self, self->check_hostname && name != NULL);
    if (s >= 0) {
        USK_WAIT(s, usocket_tls_create(self->context, name, 0)); // may read the system's store
    }
    return s;
}

const char *usk_tls_context_hint(const usk_tls_context_t *self) {
    return self->server || self->verify_set ? NULL
        : "(A client's SSLContext verifies unless told otherwise: context.verify_mode = ssl.CERT_NONE takes any certificate.)";
}

// ---- loading ----

// Certificates or a key: bytes are used as they are; text is PEM if it looks like PEM, else a file name.
static mp_obj_t contents(mp_obj_t arg) {
    size_t len;
    const char *text = mp_obj_str_get_data(arg, &len); // TypeError for anything else
    if (!mp_obj_is_str(arg) || strstr(text, "-----BEGIN ") != NULL) {
        return arg;
    }
    mp_obj_t open = mp_load_attr(MP_OBJ_FROM_PTR(&mp_module_builtins), MP_QSTR_open);
    mp_obj_t file = mp_call_function_2(open, arg, MP_OBJ_NEW_QSTR(MP_QSTR_rb));
    mp_obj_t method[2];
    mp_load_method(file, MP_QSTR_read, method);
    mp_obj_t bytes = mp_call_method_n_kw(0, 0, method);
    mp_stream_close(file);
    return bytes;
}

void usk_tls_context_load_cert(usk_tls_context_t *self, mp_obj_t cert, mp_obj_t key) {
    if (key != mp_const_none) {
        key = contents(key);
        // Checked first, as in stock MicroPython; the library validates it together with the certificate.
        mp_buffer_info_t bytes;
        mp_get_buffer_raise(key, &bytes, MP_BUFFER_READ);
        if (bytes.len == 0 || (((const char *)bytes.buf)[0] != 0x30 && strstr(bytes.buf, "-----BEGIN ") == NULL)) {
            mp_raise_ValueError(MP_ERROR_TEXT("invalid key"));
        }
    }
    usk_tls_context_load(self, LOADED_CERT, contents(cert), key);
}

void usk_tls_context_load_trust(usk_tls_context_t *self, mp_obj_t certs) {
    usk_tls_context_load(self, LOADED_TRUST, contents(certs), mp_const_none);
}
