/* SPDX-License-Identifier: MIT */
/* Content types by file name. */
#ifndef TERN_TOOLS_MIME_H
#define TERN_TOOLS_MIME_H

/* By the extension, in any case; "application/octet-stream" if it is not known. */
const char *tern_mime_get(const char *name);

#endif
