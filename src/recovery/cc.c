/* SPDX-License-Identifier: MIT */
/* The controllers that come with tern, by name. */
#include <string.h>

#include <tern/cc.h>

static const tern_cc_ops *const controllers[] = {&tern_cc_cubic, &tern_cc_bbr, &tern_cc_prague,
                                                 &tern_cc_adaptive, &tern_cc_newreno};
static const size_t controllers_count = sizeof controllers / sizeof controllers[0];

const tern_cc_ops *tern_cc_find(const char *name)
{
  for (size_t i = 0; i < controllers_count; i++) {
    if (name != NULL && strcmp(controllers[i]->name, name) == 0)
      return controllers[i];
  }
  return NULL;
}

const char *tern_cc_name(size_t n)
{
  return n < controllers_count ? controllers[n]->name : NULL;
}
