// A Lua interpreter with usocket built in: lua SCRIPT [ARGUMENT ...]
//
//   cc lua.c usocket.c -o lua $(pkg-config --cflags --libs usocket lua5.4)

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

int luaopen_usocket(lua_State *L);

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "usocket", luaopen_usocket, 0);
    lua_createtable(L, argc, 0);
    for (int i = 1; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - 1);
    }
    lua_setglobal(L, "arg");
    int failed = argc < 2 || luaL_dofile(L, argv[1]) != LUA_OK;
    if (failed)
        fprintf(stderr, "%s\n", argc < 2 ? "usage: lua SCRIPT" : lua_tostring(L, -1));
    lua_close(L);
    return failed;
}
