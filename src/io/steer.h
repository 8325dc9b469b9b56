/* SPDX-License-Identifier: MIT */
/* Steering in the kernel: a filter of a SO_REUSEPORT group that reads the worker from a packet's
 * connection id, by the formula of tern_steer. No privileges are needed. Socket i of the group, in the
 * order in which they were bound, must be that of worker i. */
#ifndef TERN_IO_STEER_H
#define TERN_IO_STEER_H

#include <tern/config.h>

/* For the whole group that the bound socket `fd` is in. False with errno set. */
bool tern_steer_attach(int fd, const tern_steer *steer);

#endif
