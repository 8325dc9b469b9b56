# SPDX-License-Identifier: MIT
# tern_flags: what every file of tern is compiled and linked with.
include(CheckCCompilerFlag)
include(CheckIPOSupported)

set(TERN_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wcast-qual -Wwrite-strings -Wundef -Wpointer-arith)

add_library(tern_flags INTERFACE)
target_compile_options(tern_flags INTERFACE ${TERN_WARNINGS} -fno-omit-frame-pointer)
if(TERN_WERROR)
  target_compile_options(tern_flags INTERFACE -Werror)
endif()

# A caller inside libtern may bind to the callee that is there: nothing is meant to be interposed.
check_c_compiler_flag(-fno-semantic-interposition TERN_HAS_NO_INTERPOSITION)
if(TERN_HAS_NO_INTERPOSITION)
  target_compile_options(tern_flags INTERFACE -fno-semantic-interposition)
endif()

if(TERN_SANITIZE)
  target_compile_options(tern_flags INTERFACE -fsanitize=${TERN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tern_flags INTERFACE -fsanitize=${TERN_SANITIZE})
else()
  target_compile_options(tern_flags INTERFACE -fstack-protector-strong)
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    target_compile_options(tern_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  target_link_options(tern_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(TERN_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "TERN_FUZZ needs clang: -DCMAKE_C_COMPILER=clang")
  endif()
  target_compile_options(tern_flags INTERFACE -fsanitize=fuzzer-no-link)
  # fuzzers meet random input and fixed keys, and must do the same thing every time
  target_compile_definitions(tern_flags INTERFACE TERN_FUZZING=1)
endif()

# Partial linking (libtern.a) of LTO objects is a thing that gcc can do and clang with GNU ld cannot.
set(TERN_LTO_ON OFF)
if(TERN_LTO)
  check_ipo_supported(RESULT TERN_LTO_WORKS OUTPUT TERN_LTO_WHY LANGUAGES C)
  if(TERN_LTO_WORKS AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(TERN_LTO_ON ON)
    target_compile_options(tern_flags INTERFACE -flto=auto)
    # gcc 12 warns again at link time, of writes that the bounded writer's own check rules out
    set(TERN_LTO_QUIET -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
    target_link_options(tern_flags INTERFACE -flto=auto ${TERN_LTO_QUIET})
    set(CMAKE_AR "${CMAKE_C_COMPILER_AR}")
    set(CMAKE_RANLIB "${CMAKE_C_COMPILER_RANLIB}")
  else()
    message(STATUS "no LTO with this compiler")
  endif()
endif()
