# SPDX-License-Identifier: MIT
# fuzz/fuzz_<thing>.c holds LLVMFuzzerTestOneInput. With TERN_FUZZ (clang) each becomes a libFuzzer
# program fuzz_<thing>; with any compiler it is linked with fuzz/replay.c, and ctest runs it over
# test/corpus/<thing>. Other files in fuzz/ are helpers linked into all of them.
file(GLOB fuzz_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/fuzz_*.c")
file(GLOB fuzz_helpers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/*.c")
list(REMOVE_ITEM fuzz_helpers ${fuzz_sources} "${PROJECT_SOURCE_DIR}/fuzz/replay.c")
tern_drop_other_backend(fuzz_sources)
if(fuzz_sources AND (TERN_FUZZ OR TERN_TESTS))
  # the rig and the oracles that fuzzers of whole endpoints share with the hostile tests
  file(GLOB fuzz_rig CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/test/support/hostile_*.c"
       "${PROJECT_SOURCE_DIR}/test/support/oracle.c" "${PROJECT_SOURCE_DIR}/test/support/fail_alloc.c")
  list(APPEND fuzz_helpers ${fuzz_rig})
  add_library(tern_fuzz_support STATIC ${fuzz_helpers} "${PROJECT_BINARY_DIR}/empty.c")
  target_include_directories(tern_fuzz_support PUBLIC "${PROJECT_SOURCE_DIR}/fuzz"
                                                      "${PROJECT_SOURCE_DIR}/test")
  target_link_libraries(tern_fuzz_support PUBLIC tern_core PRIVATE tern_flags)
endif()

foreach(source IN LISTS fuzz_sources)
  cmake_path(GET source STEM name)
  string(REGEX REPLACE "^fuzz_" "" thing "${name}")
  # the entry point is declared by the fuzzer's own runtime
  set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
  if(TERN_FUZZ)
    add_executable(${name} "${source}")
    target_link_libraries(${name} PRIVATE tern_fuzz_support tern_flags)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  endif()
  if(TERN_TESTS AND NOT TERN_FUZZ)
    add_executable(replay_${thing} "${source}" "${PROJECT_SOURCE_DIR}/fuzz/replay.c")
    target_link_libraries(replay_${thing} PRIVATE tern_fuzz_support tern_flags)
    set_target_properties(replay_${thing} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                     "${PROJECT_BINARY_DIR}/fuzz")
    add_test(NAME fuzz/${thing} COMMAND replay_${thing} test/corpus/${thing}
             WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    if(COMMAND tern_register_test)
      tern_register_test(fuzz/${thing})
    endif()
  endif()
endforeach()
