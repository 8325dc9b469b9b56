/* SPDX-License-Identifier: MIT */
/* From a request's :path to a path below the served folder. */
#ifndef TERN_TOOLS_TARGET_H
#define TERN_TOOLS_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include <tern/base.h>

#define TERN_TARGET_MAX 4096

/* Decodes the path of `target` (without its query) into `path`: relative, without a leading slash,
 * without empty parts and ".", with a final slash if the target has one; "" is the folder itself.
 * False for what no honest client sends: "..", a NUL, a backslash, a broken %xx, control characters, no
 * leading slash, too long. A decoded %2F is a slash like any other. */
bool tern_target_decode(tern_slice target, char path[TERN_TARGET_MAX]);

/* May an upload be called so: one part, not hidden, no control characters, at most 200 bytes. */
bool tern_target_is_upload_name(const char *path);

#endif
