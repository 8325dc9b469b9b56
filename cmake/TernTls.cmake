# SPDX-License-Identifier: MIT
# tern_tls: the TLS library. TERN_TLS_FOUND says which was taken.
find_package(Threads REQUIRED)
add_library(tern_tls INTERFACE)

if(TERN_TLS STREQUAL "awslc")
  set(TERN_TLS_ARCHIVES "${TERN_AWSLC_ROOT}/lib/libssl.a" "${TERN_AWSLC_ROOT}/lib/libcrypto.a")
  foreach(file IN LISTS TERN_TLS_ARCHIVES ITEMS "${TERN_AWSLC_ROOT}/include/openssl/ssl.h")
    if(NOT EXISTS "${file}")
      message(FATAL_ERROR "no AWS-LC (${file}). Run scripts/setup.sh, or set TERN_AWSLC_ROOT, "
                          "or choose -DTERN_TLS=openssl.")
    endif()
  endforeach()
  file(STRINGS "${TERN_AWSLC_ROOT}/include/openssl/base.h" TERN_TLS_FOUND
       REGEX "^#define AWSLC_VERSION_NUMBER_STRING")
  string(REGEX REPLACE ".*\"(.*)\"" "AWS-LC \\1" TERN_TLS_FOUND "${TERN_TLS_FOUND}")
  target_include_directories(tern_tls SYSTEM INTERFACE "${TERN_AWSLC_ROOT}/include")
  target_link_libraries(tern_tls INTERFACE ${TERN_TLS_ARCHIVES} Threads::Threads)
  target_compile_definitions(tern_tls INTERFACE TERN_TLS_AWSLC=1)
  set(TERN_TLS_OTHER "openssl")
  set(TERN_PC_REQUIRES "")
elseif(TERN_TLS STREQUAL "openssl")
  find_package(OpenSSL 3.5 REQUIRED)
  set(TERN_TLS_FOUND "OpenSSL ${OPENSSL_VERSION}")
  set(TERN_TLS_ARCHIVES "")
  target_link_libraries(tern_tls INTERFACE OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
  target_compile_definitions(tern_tls INTERFACE TERN_TLS_OPENSSL=1)
  set(TERN_TLS_OTHER "awslc")
  set(TERN_PC_REQUIRES "openssl >= 3.5")
else()
  message(FATAL_ERROR "TERN_TLS=${TERN_TLS}: choose awslc or openssl")
endif()

# Takes the files of the other backend, named *_awslc.c and *_openssl.c, out of the list `files`.
function(tern_drop_other_backend files)
  list(FILTER ${files} EXCLUDE REGEX "_${TERN_TLS_OTHER}\\.c$")
  set(${files} "${${files}}" PARENT_SCOPE)
endfunction()
