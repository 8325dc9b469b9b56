/* SPDX-License-Identifier: MIT */
/* Opens files below a folder, and never outside of it. */
#ifndef TERN_TOOLS_ROOT_H
#define TERN_TOOLS_ROOT_H

/* `path` relative, from tern_target_decode; "" is the folder. Symbolic links may stay inside; one that
 * leads out does not exist. Reading only, close-on-exec, never blocking. -1 with errno set. */
int tern_root_open(int root_fd, const char *path);

#endif
