// usocket for Lua 5.4: sockets and TLS whose calls suspend the coroutine that makes them, and one
// poller that resumes it when its socket is ready. `require "usocket"`:
//
//   go(f, ...)                    starts a coroutine           run()      until all have ended
//   connect(host, port [, seconds])   listen(host, port)       sleep(seconds)
//   client{ca = file}             server{cert = file, key = file}         TLS contexts
//   s:accept()  s:send(text)  s:recv([most])  s:tls(context [, name])  s:port()  s:close()
//
// A failed call returns nil, a message and the code. Only one coroutine at a time may wait for a
// socket.

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <lauxlib.h>
#include <usocket.h>

#define SOCKET "usocket.socket"
#define CONTEXT "usocket.context"

// The Lua objects: a handle, closed by __gc.
struct object {
    usocket_t handle;
    bool registered; // With the poller.
};

static usocket_poller_t poller;
static int alive; // Coroutines of go() that have not ended.

static int failed(lua_State *L, usocket_t handle, int64_t code)
{
    char detail[512] = "";
    usocket_error_detail(handle, detail, sizeof detail);
    lua_pushnil(L);
    lua_pushstring(L, *detail ? detail : usocket_strerror(code));
    lua_pushinteger(L, code);
    return 3;
}

static int done(lua_State *L, usocket_t handle, int64_t code)
{
    if (code < 0)
        return failed(L, handle, code);
    lua_pushboolean(L, 1);
    return 1;
}

static int new_object(lua_State *L, const char *kind, usocket_t handle)
{
    if (handle < 0)
        return failed(L, 0, handle);
    struct object *o = lua_newuserdatauv(L, sizeof *o, 0);
    *o = (struct object){handle, false};
    luaL_setmetatable(L, kind);
    return 1;
}

static int close_object(lua_State *L)
{
    struct object *o = lua_touserdata(L, 1);
    if (o->handle > 0)
        usocket_close(o->handle); // POLLNVAL wakes a waiting coroutine.
    o->handle = 0;
    return 0;
}

// The poller's data for a coroutine: a reference in Lua's registry, which also keeps it alive.
static uint64_t this_coroutine(lua_State *L)
{
    if (!lua_isyieldable(L))
        luaL_error(L, "usocket.go(function) starts what may wait");
    lua_pushthread(L);
    return (uint64_t)luaL_ref(L, LUA_REGISTRYINDEX);
}

// Suspends the coroutine until its socket has one of the events, or is closed; then `again`.
static int wait_for(lua_State *L, struct object *o, uint32_t events, lua_KContext context, lua_KFunction again)
{
    uint64_t coroutine = this_coroutine(L);
    uint32_t mask = events | POLLNVAL | USOCKET_POLLER_ONESHOT;
    int32_t code = o->registered ? usocket_poller_modify(poller, o->handle, mask, coroutine)
                                 : usocket_poller_add(poller, o->handle, mask, coroutine);
    if (code < 0) {
        luaL_unref(L, LUA_REGISTRYINDEX, (int)coroutine);
        return failed(L, o->handle, code);
    }
    o->registered = true;
    return lua_yieldk(L, 0, context, again);
}

static struct object *socket_of(lua_State *L) { return luaL_checkudata(L, 1, SOCKET); }

static int accept_again(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    struct object *o = socket_of(L);
    usocket_t s = usocket_accept4(o->handle, SOCK_NONBLOCK, NULL);
    if (s == -EAGAIN)
        return wait_for(L, o, POLLIN, context, accept_again);
    return new_object(L, SOCKET, s);
}
static int l_accept(lua_State *L) { return accept_again(L, LUA_OK, 0); }

static int send_again(lua_State *L, int status, lua_KContext sent)
{
    (void)status;
    struct object *o = socket_of(L);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    while ((size_t)sent < len) {
        int64_t n = usocket_send(o->handle, text + sent, len - (size_t)sent, 0);
        if (n == -EAGAIN)
            return wait_for(L, o, POLLOUT, sent, send_again);
        if (n < 0)
            return failed(L, o->handle, n);
        sent += (lua_KContext)n;
    }
    return done(L, o->handle, 0);
}
static int l_send(lua_State *L) { return send_again(L, LUA_OK, 0); }

static int recv_again(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    struct object *o = socket_of(L);
    luaL_Buffer buffer;
    size_t most = (size_t)luaL_optinteger(L, 2, 16384);
    int64_t n = usocket_recv(o->handle, luaL_buffinitsize(L, &buffer, most), most, 0);
    luaL_pushresultsize(&buffer, n > 0 ? (size_t)n : 0); // "" is the end.
    if (n >= 0)
        return 1;
    lua_pop(L, 1);
    return n == -EAGAIN ? wait_for(L, o, POLLIN, context, recv_again) : failed(L, o->handle, n);
}
static int l_recv(lua_State *L) { return recv_again(L, LUA_OK, 0); }

static int handshake_again(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    struct object *o = socket_of(L);
    int64_t code = usocket_tls_handshake(o->handle);
    if (code == -EAGAIN) // The poller translates the handshake's needs.
        return wait_for(L, o, POLLIN, context, handshake_again);
    return done(L, o->handle, code);
}

static int l_tls(lua_State *L)
{
    struct object *o = socket_of(L), *context = luaL_checkudata(L, 2, CONTEXT);
    int64_t code = usocket_tls_wrap(o->handle, context->handle, luaL_optstring(L, 3, NULL), 0);
    return code < 0 ? failed(L, o->handle, code) : handshake_again(L, LUA_OK, 0);
}

static int l_port(lua_State *L)
{
    usocket_addr addr;
    struct object *o = socket_of(L);
    int64_t code = usocket_getsockname(o->handle, &addr);
    if (code < 0 || (code = usocket_addr_port(&addr)) < 0)
        return failed(L, o->handle, code);
    lua_pushinteger(L, code);
    return 1;
}

// The connection under way is an object as well, and becomes the socket's.
static int connect_again(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    struct object *o = lua_touserdata(L, -1);
    usocket_t s = usocket_connection_take(o->handle, 0);
    if (s == -EAGAIN)
        return wait_for(L, o, POLLIN, context, connect_again);
    if (s < 0)
        return failed(L, o->handle, s);
    usocket_settimeout(s, 0);
    usocket_close(o->handle);
    *o = (struct object){s, false};
    luaL_setmetatable(L, SOCKET);
    return 1;
}

static int l_connect(lua_State *L)
{
    const char *host = luaL_checkstring(L, 1), *service = luaL_checkstring(L, 2);
    int64_t timeout = (int64_t)(luaL_optnumber(L, 3, 30) * 1e6);
    int made = new_object(L, CONTEXT, usocket_connection_create(host, service, timeout, NULL));
    return made > 1 ? made : connect_again(L, LUA_OK, 0);
}

static int l_listen(lua_State *L)
{
    usocket_addr addr;
    int64_t code = usocket_addr_ip(0, luaL_checkstring(L, 1), luaL_checkinteger(L, 2), 0, 0, &addr);
    usocket_t s = code < 0 ? code : usocket_create_server(&addr, USOCKET_BACKLOG_DEFAULT, 0);
    if (s > 0)
        usocket_settimeout(s, 0);
    return new_object(L, SOCKET, s);
}

static const char *field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    return luaL_optstring(L, -1, NULL);
}

static int l_client(lua_State *L)
{
    usocket_t c = usocket_tls_context_create(USOCKET_TLS_CLIENT);
    const char *ca = lua_istable(L, 1) ? field(L, "ca") : NULL; // Without: those of the system.
    int64_t code = c > 0 && ca ? usocket_tls_context_add_trust_file(c, ca) : c;
    return code < 0 ? failed(L, c, code) : new_object(L, CONTEXT, c);
}

static int l_server(lua_State *L)
{
    usocket_t c = usocket_tls_context_create(USOCKET_TLS_SERVER);
    int64_t code = c < 0 ? c : usocket_tls_context_add_cert_file(c, field(L, "cert"), field(L, "key"));
    return code < 0 ? failed(L, c, code) : new_object(L, CONTEXT, c);
}

static int slept(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    return done(L, 0, 0);
}

static int l_sleep(lua_State *L)
{
    int64_t us = (int64_t)(luaL_checknumber(L, 1) * 1e6);
    uint64_t coroutine = this_coroutine(L);
    int64_t timer = usocket_poller_arm_timer(poller, us, coroutine);
    if (timer < 0) {
        luaL_unref(L, LUA_REGISTRYINDEX, (int)coroutine);
        return failed(L, poller, timer);
    }
    return lua_yieldk(L, 0, 0, slept);
}

static void resume(lua_State *L, lua_State *coroutine, int arguments)
{
    int results, status = lua_resume(coroutine, L, arguments, &results);
    if (status == LUA_YIELD)
        return;
    alive--;
    if (status != LUA_OK) { // An error in a coroutine ends run().
        lua_xmove(coroutine, L, 1);
        lua_error(L);
    }
}

static int l_go(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    int arguments = lua_gettop(L) - 1;
    lua_State *coroutine = lua_newthread(L);
    lua_insert(L, 1); // It stays while it runs; the registry has it while it waits.
    lua_xmove(L, coroutine, arguments + 1);
    alive++;
    resume(L, coroutine, arguments);
    return 0;
}

static int l_run(lua_State *L)
{
    usocket_event events[64];
    while (alive > 0) {
        int32_t n = usocket_poller_wait(poller, events, 64, -1);
        if (n < 0)
            return failed(L, poller, n);
        for (int32_t i = 0; i < n; i++) {
            lua_rawgeti(L, LUA_REGISTRYINDEX, (int)events[i].data);
            lua_State *coroutine = lua_tothread(L, -1);
            luaL_unref(L, LUA_REGISTRYINDEX, (int)events[i].data);
            resume(L, coroutine, 0);
            lua_pop(L, 1);
        }
    }
    return 0;
}

int luaopen_usocket(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"accept", l_accept}, {"send", l_send}, {"recv", l_recv}, {"tls", l_tls},
        {"port", l_port},     {"close", close_object}, {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"go", l_go},         {"run", l_run},       {"connect", l_connect}, {"listen", l_listen},
        {"client", l_client}, {"server", l_server}, {"sleep", l_sleep},     {NULL, NULL},
    };
    const char *const kinds[] = {SOCKET, CONTEXT};
    for (int i = 0; i < 2; i++) {
        luaL_newmetatable(L, kinds[i]);
        lua_pushcfunction(L, close_object);
        lua_setfield(L, -2, "__gc");
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
    }
    poller = usocket_poller_create();
    if (poller < 0)
        return luaL_error(L, "usocket: %s", usocket_strerror(poller));
    luaL_newlib(L, functions);
    return 1;
}
