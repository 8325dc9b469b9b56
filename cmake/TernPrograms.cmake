# SPDX-License-Identifier: MIT
# Examples see what an embedder sees: include/ and libtern.a. Benchmarks see everything.
if(TERN_EXAMPLES)
  file(GLOB example_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
  foreach(source IN LISTS example_sources)
    cmake_path(GET source STEM name)
    add_executable(example_${name} "${source}")
    if(TERN_LIBS AND NOT TERN_SANITIZE)
      target_link_libraries(example_${name} PRIVATE tern_static tern_flags)
    else()
      target_link_libraries(example_${name} PRIVATE tern_core tern_flags)
    endif()
    set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY
                                                     "${PROJECT_BINARY_DIR}/examples")
  endforeach()
endif()

if(TERN_BENCH)
  file(GLOB bench_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
  tern_drop_other_backend(bench_sources)
  foreach(source IN LISTS bench_sources)
    cmake_path(GET source STEM name)
    if(name STREQUAL "limit" AND NOT TERN_TLS STREQUAL "awslc")
      continue() # speaks EVP_AEAD
    endif()
    add_executable(bench_${name} "${source}")
    target_link_libraries(bench_${name} PRIVATE tern_core tern_flags)
    set_target_properties(bench_${name} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY
                                                   "${PROJECT_BINARY_DIR}/bench")
  endforeach()
endif()
