# Compiler settings that hold for all of our code, and the helpers that the folders' CMakeLists.txt use.

include(GNUInstallDirs)

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

set(CUBELINK_SANITIZE "" CACHE STRING "Sanitizers to build with, as for -fsanitize=")
option(CUBELINK_FUZZ "Build the libFuzzer targets (clang)" OFF)

# Linked by every target of ours, and privately: what links our libraries keeps its own settings.
add_library(cubelink_flags INTERFACE)
target_include_directories(cubelink_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(cubelink_flags INTERFACE -Wall -Wextra -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 sees uninitialised strings in moved-from variants where there are none, and overlapping copies in "a" + std::to_string(b).
    target_compile_options(cubelink_flags INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Which mutex guards what: platform/thread_annotations.hpp.
    target_compile_options(cubelink_flags INTERFACE -Wthread-safety)
endif()
# Floating point: no contraction to fused multiply-add behind our back, so that scalar and SIMD kernels agree on every machine.
target_compile_options(cubelink_flags INTERFACE -ffp-contract=off)
# Standalone Asio, and msgpack-c without Boost.
target_compile_definitions(cubelink_flags INTERFACE ASIO_STANDALONE MSGPACK_NO_BOOST)

if(CUBELINK_SANITIZE)
    add_compile_options(-fsanitize=${CUBELINK_SANITIZE} -fno-omit-frame-pointer -g1)
    add_link_options(-fsanitize=${CUBELINK_SANITIZE})
    if(CUBELINK_SANITIZE MATCHES "undefined")
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
endif()

# cubelink_library(NAME SOURCES … [PUBLIC libraries…] [PRIVATE libraries…] [STANDARD 17])
# Its headers are included by their path from the top of the tree, and need C++20 unless STANDARD says less.
function(cubelink_library name)
    cmake_parse_arguments(ARG "" "STANDARD" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
    if(NOT ARG_STANDARD)
        set(ARG_STANDARD 20)
    endif()
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:cubelink_flags>)
    target_link_libraries(${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/cubelink>)
    target_compile_features(${name} INTERFACE cxx_std_${ARG_STANDARD})
endfunction()

# For targets whose code comes mostly from headers or generators of others and takes the compiler longest: no checks for undefined
# behaviour, which double that. AddressSanitizer and ThreadSanitizer check it like all else.
function(cubelink_unchecked target)
    if(CUBELINK_SANITIZE MATCHES "undefined")
        target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
    endif()
endfunction()

# What all tests have in common. They are optimised little, or not at all under sanitizers, which saves more than half of the compiler's time;
# what they test is optimised as in any build of that preset.
add_library(cubelink_doctest STATIC EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp)
target_link_libraries(cubelink_doctest PUBLIC cubelink_flags)
cubelink_unchecked(cubelink_doctest)

# cubelink_test(NAME SOURCES … LIBRARIES …): a doctest program in build/<preset>/tests/, run by ctest under NAME.
function(cubelink_test name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE cubelink_doctest ${ARG_LIBRARIES} Threads::Threads)
    if(CUBELINK_SANITIZE)
        target_compile_options(${name} PRIVATE -O0)
    else()
        target_compile_options(${name} PRIVATE -O1)
    endif()
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
