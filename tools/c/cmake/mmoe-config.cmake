# find_package(mmoe REQUIRED PATHS .../c-lib/cmake NO_DEFAULT_PATH), then link mmoe::mmoe.
#
# MMOE_TARGET says for which core the library is: a folder of `lib`, named as Rust names targets. On Linux it is
# known from the processor. Libraries for one model (`cargo xtask c-lib --model`) lie there too:
# set MMOE_LIBRARY to `edge` for `libedge.a`.
get_filename_component(_mmoe_root "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
if(NOT MMOE_TARGET AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    set(MMOE_TARGET "${CMAKE_SYSTEM_PROCESSOR}-unknown-linux-gnu")
endif()
if(NOT MMOE_LIBRARY)
    set(MMOE_LIBRARY mmoe)
endif()
set(_mmoe_library "${_mmoe_root}/lib/${MMOE_TARGET}/lib${MMOE_LIBRARY}.a")
if(NOT EXISTS "${_mmoe_library}")
    file(GLOB _mmoe_targets RELATIVE "${_mmoe_root}/lib" "${_mmoe_root}/lib/*")
    set(mmoe_FOUND FALSE)
    set(mmoe_NOT_FOUND_MESSAGE
        "no ${_mmoe_library}: set MMOE_TARGET to one of ${_mmoe_targets}, or build it with cargo xtask c-lib --target ${MMOE_TARGET}")
    return()
endif()
if(NOT TARGET mmoe::mmoe)
    add_library(mmoe::mmoe STATIC IMPORTED)
    set_target_properties(mmoe::mmoe PROPERTIES
        IMPORTED_LOCATION "${_mmoe_library}"
        INTERFACE_INCLUDE_DIRECTORIES "${_mmoe_root}/include")
endif()
set(mmoe_FOUND TRUE)
