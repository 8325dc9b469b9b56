# SPDX-License-Identifier: MIT
# The library, twice: tern_core shows every symbol (tests, fuzzers, tools); libtern shows only what
# the public headers declare, and hides the TLS library that is linked into it.
set(src "${PROJECT_SOURCE_DIR}/src")
file(GLOB tern_sources CONFIGURE_DEPENDS
     ${src}/base/*.c ${src}/event/*.c ${src}/wire/*.c ${src}/crypto/*.c ${src}/tls/*.c
     ${src}/qlog/*.c
     ${src}/recovery/*.c ${src}/transport/*.c ${src}/h3/*.c ${src}/io/*.c)
file(GLOB tern_sim_sources CONFIGURE_DEPENDS ${src}/sim/*.c ${src}/tls/tls_sim*.c)
file(GLOB tern_public_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/tern/*.h")
list(FILTER tern_sources EXCLUDE REGEX "/tls/tls_sim[^/]*\\.c$")
tern_drop_other_backend(tern_sources)

# Keeps every target buildable while a folder is still empty.
file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/empty.c" CONTENT "typedef int tern_empty_file;\n")

function(tern_add_objects name)
  add_library(${name} OBJECT ${ARGN} "${PROJECT_BINARY_DIR}/empty.c")
  target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/include" PRIVATE "${src}")
  target_link_libraries(${name} PRIVATE tern_flags tern_tls tern_uring)
endfunction()
tern_add_objects(tern_objects ${tern_sources})
tern_add_objects(tern_sim_objects ${tern_sim_sources})

add_library(tern_core STATIC $<TARGET_OBJECTS:tern_objects> $<TARGET_OBJECTS:tern_sim_objects>)
target_include_directories(tern_core PUBLIC "${PROJECT_SOURCE_DIR}/include" "${src}")
target_link_libraries(tern_core PUBLIC tern_tls tern_uring PRIVATE tern_flags)

if(NOT TERN_LIBS)
  return()
endif()

# The export list is read from the public headers, so that the two cannot differ.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(exports_script "${PROJECT_SOURCE_DIR}/scripts/exports.py")
set(exports_map "${PROJECT_BINARY_DIR}/tern.map")
set(exports_list "${PROJECT_BINARY_DIR}/tern.exports")
add_custom_command(
  OUTPUT "${exports_map}" "${exports_list}"
  COMMAND Python3::Interpreter "${exports_script}" --map "${exports_map}" --list "${exports_list}"
          ${tern_public_headers}
  DEPENDS "${exports_script}" ${tern_public_headers}
  COMMENT "Reading the export list from include/tern" VERBATIM)
add_custom_target(tern_exports DEPENDS "${exports_map}" "${exports_list}")

add_library(tern_shared SHARED $<TARGET_OBJECTS:tern_objects>)
add_dependencies(tern_shared tern_exports)
set_target_properties(
  tern_shared PROPERTIES OUTPUT_NAME tern VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                         LINK_DEPENDS "${exports_map}" EXPORT_NAME shared)
target_link_libraries(tern_shared PRIVATE tern_flags tern_tls tern_uring)
target_link_options(tern_shared PRIVATE "-Wl,--version-script=${exports_map}" -Wl,--exclude-libs,ALL)
if(NOT TERN_SANITIZE)
  target_link_options(tern_shared PRIVATE -Wl,--no-undefined)
endif()
target_include_directories(
  tern_shared INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
                        "$<INSTALL_INTERFACE:include>")

# libtern.a is one object: tern and the parts of AWS-LC it uses, linked together, every name but the
# exported ones made local. So a program that has another libcrypto meets no name twice.
set(whole "${PROJECT_BINARY_DIR}/tern_whole.o")
set(static_file "${PROJECT_BINARY_DIR}/libtern.a")
set(partial -r -nostdlib)
if(TERN_LTO_ON)
  list(APPEND partial -flto=auto -O3 -flinker-output=nolto-rel ${TERN_LTO_QUIET})
endif()
if(TERN_SANITIZE)
  # a partial link must not pull in the sanitizer's runtime
  list(APPEND partial -fno-sanitize=all)
endif()
add_custom_command(
  OUTPUT "${static_file}"
  COMMAND ${CMAKE_C_COMPILER} ${partial} -Wl,--force-group-allocation -o "${whole}"
          "$<TARGET_OBJECTS:tern_objects>" ${TERN_TLS_ARCHIVES} ${TERN_URING_ARCHIVES}
  COMMAND ${CMAKE_OBJCOPY} --keep-global-symbols=${exports_list} "${whole}"
  COMMAND ${CMAKE_COMMAND} -E rm -f "${static_file}"
  COMMAND ${CMAKE_AR} rcs "${static_file}" "${whole}"
  DEPENDS tern_objects "$<TARGET_OBJECTS:tern_objects>" "${exports_list}" ${TERN_TLS_ARCHIVES}
  COMMENT "Linking libtern.a" COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(tern_static_file ALL DEPENDS "${static_file}")

add_library(tern_static STATIC IMPORTED GLOBAL)
add_dependencies(tern_static tern_static_file)
set_target_properties(tern_static PROPERTIES IMPORTED_LOCATION "${static_file}")
target_include_directories(tern_static INTERFACE "${PROJECT_SOURCE_DIR}/include")
target_link_libraries(tern_static INTERFACE Threads::Threads)
if(TERN_TLS STREQUAL "openssl")
  target_link_libraries(tern_static INTERFACE OpenSSL::SSL OpenSSL::Crypto)
endif()

# Names for those who take tern in by add_subdirectory, the same as find_package(tern) gives.
add_library(tern::shared ALIAS tern_shared)
add_library(tern::static ALIAS tern_static)
add_library(tern::tern ALIAS tern_static)
