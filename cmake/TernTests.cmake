# SPDX-License-Identifier: MIT
# One program per test/<folder>/test_<module>.c, named <folder>/<module> in ctest. A script
# test/<folder>/test_<x>.sh or .py is a test too; it finds the program tern in $TERN.
find_path(TERN_CMOCKA_INCLUDE cmocka.h)
find_library(TERN_CMOCKA_LIBRARY cmocka)
if(NOT TERN_CMOCKA_INCLUDE OR NOT TERN_CMOCKA_LIBRARY)
  message(STATUS "no cmocka (run scripts/setup.sh test): the unit tests are left out")
  return()
endif()

set(test "${PROJECT_SOURCE_DIR}/test")
set(TERN_TEST_TIMEOUT 120)
if(TERN_SANITIZE)
  set(TERN_TEST_TIMEOUT 400)
endif()

file(GLOB support_sources CONFIGURE_DEPENDS ${test}/support/*.c)
list(FILTER support_sources EXCLUDE REGEX "/(test|fake)_[^/]*$") # fakes are included by the tests that want them
add_library(tern_test_support STATIC ${support_sources} "${PROJECT_BINARY_DIR}/empty.c")
target_include_directories(tern_test_support PUBLIC "${test}")
target_include_directories(tern_test_support SYSTEM PUBLIC "${TERN_CMOCKA_INCLUDE}")
target_link_libraries(tern_test_support PUBLIC tern_core "${TERN_CMOCKA_LIBRARY}" m PRIVATE tern_flags)

function(tern_register_test name)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TERN_TEST_TIMEOUT} SKIP_RETURN_CODE 77)
  set(environment "UBSAN_OPTIONS=print_stacktrace=1")
  if(TARGET tern)
    list(APPEND environment "TERN=$<TARGET_FILE:tern>")
  endif()
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment}")
endfunction()

file(GLOB test_sources CONFIGURE_DEPENDS ${test}/*/test_*.c)
tern_drop_other_backend(test_sources)
foreach(source IN LISTS test_sources)
  cmake_path(GET source PARENT_PATH folder)
  cmake_path(GET folder FILENAME folder)
  cmake_path(GET source STEM module)
  string(REGEX REPLACE "^test_" "" module "${module}")
  set(program "test_${folder}_${module}")
  add_executable(${program} "${source}")
  set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/test")
  target_link_libraries(${program} PRIVATE tern_test_support tern_flags)
  add_test(NAME ${folder}/${module} COMMAND ${program} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  tern_register_test(${folder}/${module})
endforeach()

file(GLOB test_scripts CONFIGURE_DEPENDS ${test}/*/test_*.sh ${test}/*/test_*.py)
foreach(script IN LISTS test_scripts)
  cmake_path(GET script PARENT_PATH folder)
  cmake_path(GET folder FILENAME folder)
  cmake_path(GET script STEM module)
  cmake_path(GET script EXTENSION LAST_ONLY extension)
  string(REGEX REPLACE "^test_" "" module "${module}")
  set(runner bash)
  if(extension STREQUAL ".py")
    set(runner python3)
  endif()
  add_test(NAME ${folder}/${module}${extension} COMMAND ${runner} "${script}"
           WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  tern_register_test(${folder}/${module}${extension})
endforeach()

# What an embedder meets: libtern beside another libcrypto, and an installed tern.
if(TERN_LIBS AND NOT TERN_SANITIZE)
  find_path(TERN_HOST_OPENSSL_INCLUDE openssl/evp.h NO_CMAKE_PATH PATHS /usr/include)
  find_library(TERN_HOST_OPENSSL_CRYPTO NAMES libcrypto.so crypto)
  if(TERN_HOST_OPENSSL_INCLUDE AND TERN_HOST_OPENSSL_CRYPTO AND EXISTS "${test}/embed/host_openssl.c")
    foreach(kind IN ITEMS static shared)
      add_executable(embed_host_openssl_${kind} "${test}/embed/host_openssl.c")
      set_target_properties(embed_host_openssl_${kind} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                                  "${PROJECT_BINARY_DIR}/test")
      target_link_libraries(embed_host_openssl_${kind} PRIVATE tern_flags ${TERN_HOST_OPENSSL_CRYPTO}
                                                               tern_${kind})
      add_test(NAME embed/host_openssl_${kind} COMMAND embed_host_openssl_${kind}
               WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
      tern_register_test(embed/host_openssl_${kind})
    endforeach()
  endif()
  add_test(NAME embed/install COMMAND bash "${PROJECT_SOURCE_DIR}/scripts/try_install.sh"
                                      "${PROJECT_BINARY_DIR}")
  tern_register_test(embed/install)
endif()
