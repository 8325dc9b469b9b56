# SPDX-License-Identifier: MIT
# tern_uring: liburing, folded into libtern like the TLS library, so that users of tern need not have
# it. Optional: without it the engine "uring" is left out, and a loop that asks for it uses epoll.
include(CheckCSourceCompiles)
add_library(tern_uring INTERFACE)
option(TERN_URING "the io_uring engine, if there is a liburing" ON)
set(TERN_URING_ARCHIVES "")
set(TERN_URING_FOUND "left out")
if(TERN_URING)
  find_path(TERN_URING_INCLUDE liburing.h)
  find_library(TERN_URING_LIBRARY liburing.a)
  set(TERN_URING_FOUND "left out (no liburing 2.3 or newer: liburing-dev)")
  if(TERN_URING_INCLUDE AND TERN_URING_LIBRARY)
    set(CMAKE_REQUIRED_INCLUDES "${TERN_URING_INCLUDE}")
    check_c_source_compiles("
      #define _GNU_SOURCE
      #include <liburing.h>
      int main(void)
      {
        struct io_uring_sqe sqe;
        io_uring_prep_recvmsg_multishot(&sqe, 0, 0, 0);
        return IORING_SETUP_DEFER_TASKRUN == 0;
      }" TERN_URING_WORKS)
    unset(CMAKE_REQUIRED_INCLUDES)
  endif()
endif()
if(TERN_URING AND TERN_URING_WORKS)
  set(TERN_URING_ARCHIVES "${TERN_URING_LIBRARY}")
  set(TERN_URING_FOUND "yes")
  target_include_directories(tern_uring SYSTEM INTERFACE "${TERN_URING_INCLUDE}")
  target_link_libraries(tern_uring INTERFACE "${TERN_URING_LIBRARY}")
  target_compile_definitions(tern_uring INTERFACE TERN_HAS_URING=1)
else()
  target_compile_definitions(tern_uring INTERFACE TERN_HAS_URING=0)
endif()
