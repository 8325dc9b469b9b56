/* SPDX-License-Identifier: MIT */
/* The controllers that come with tern, by name. */
#include <string.h>

#include <tern/cc.h>

const tern_cc_ops *tern_cc_find(const char *name)
{
  static const tern_cc_ops *const controllers[] = {&tern_cc_cubic, &tern_cc_newreno};

  for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++) {
    if (name && strcmp(controllers[i]->name, name) == 0)
      return controllers[i];
  }
  return NULL;
}
