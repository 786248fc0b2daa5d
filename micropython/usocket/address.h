// Addresses between Python and usocket_addr.
#ifndef USK_ADDRESS_H
#define USK_ADDRESS_H

#include "runtime.h"

// From a tuple, the bytes of a struct sockaddr, or a Unix path; `family` is the socket's.
void usk_addr_get(mp_obj_t obj, int family, usocket_addr *addr);
// To a tuple (IP), text or bytes (Unix), bytes (others); None for an empty one.
mp_obj_t usk_addr_new(const usocket_addr *addr);
// MicroPython's sockaddr(): (family, bytes, port[, flowinfo, scope id]).
mp_obj_t usk_addr_parts(const usocket_addr *addr);
// A port; PortError for one out of range.
mp_int_t usk_port_get(mp_obj_t obj);
// A whole text argument, without NUL within; NULL for None.
const char *usk_text_get(mp_obj_t obj);

#endif
