# All user C modules of this directory, for a MicroPython build with CMake: USER_C_MODULES=/path/to/this/directory
include(${CMAKE_CURRENT_LIST_DIR}/usocket/micropython.cmake)
