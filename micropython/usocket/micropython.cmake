# libusocket's modules for a MicroPython build with CMake: pass this file (or the directory above) as
# USER_C_MODULES, and set MICROPY_PY_SOCKET=0, MICROPY_PY_SELECT=0 and MICROPY_PY_SSL=0 in the port's mpconfigboard.h.
#
# The library is the checkout's own; where there is none, the installed one that pkg-config knows.

get_filename_component(USOCKET_HERE "${CMAKE_CURRENT_LIST_DIR}" REALPATH)
get_filename_component(USOCKET_TOP "${USOCKET_HERE}/../.." ABSOLUTE)
set(USOCKET_LIB "${USOCKET_TOP}/target/release/libusocket.a" CACHE FILEPATH "libusocket.a")
set(USOCKET_INC "${USOCKET_TOP}/include" CACHE PATH "where usocket.h is")

add_library(usermod_usocket INTERFACE)
target_sources(usermod_usocket INTERFACE
    ${CMAKE_CURRENT_LIST_DIR}/runtime.c
    ${CMAKE_CURRENT_LIST_DIR}/error.c
    ${CMAKE_CURRENT_LIST_DIR}/arguments.c
    ${CMAKE_CURRENT_LIST_DIR}/address.c
    ${CMAKE_CURRENT_LIST_DIR}/socket/object.c
    ${CMAKE_CURRENT_LIST_DIR}/socket/connect.c
    ${CMAKE_CURRENT_LIST_DIR}/socket/transfer.c
    ${CMAKE_CURRENT_LIST_DIR}/socket/stream.c
    ${CMAKE_CURRENT_LIST_DIR}/socket/option.c
    ${CMAKE_CURRENT_LIST_DIR}/socket/class.c
    ${CMAKE_CURRENT_LIST_DIR}/socket/module.c
    ${CMAKE_CURRENT_LIST_DIR}/select/set.c
    ${CMAKE_CURRENT_LIST_DIR}/select/room.c
    ${CMAKE_CURRENT_LIST_DIR}/select/wait.c
    ${CMAKE_CURRENT_LIST_DIR}/select/module.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/names.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/context.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/agreed.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/socket.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/carry.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/stream.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/wrap.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/context_class.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/context_open.c
    ${CMAKE_CURRENT_LIST_DIR}/tls/module.c
)
target_compile_options(usermod_usocket INTERFACE $<$<COMPILE_LANGUAGE:C>:-include>
    $<$<COMPILE_LANGUAGE:C>:${CMAKE_CURRENT_LIST_DIR}/scheduled.h>)

if(EXISTS "${USOCKET_LIB}")
    target_include_directories(usermod_usocket INTERFACE ${USOCKET_INC})
    target_link_libraries(usermod_usocket INTERFACE ${USOCKET_LIB} pthread dl m)
else()
    find_package(PkgConfig REQUIRED)
    pkg_check_modules(USOCKET REQUIRED usocket)
    target_include_directories(usermod_usocket INTERFACE ${USOCKET_INCLUDE_DIRS})
    target_link_libraries(usermod_usocket INTERFACE ${USOCKET_LDFLAGS} pthread)
endif()

target_link_libraries(usermod INTERFACE usermod_usocket)
