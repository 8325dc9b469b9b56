/* SPDX-License-Identifier: MIT */
/* Names of what local calls answer. */
#include <tern/base.h>

const char *tern_status_name(tern_status status)
{
  switch (status) {
  case TERN_OK:
    return "ok";
  case TERN_BLOCKED:
    return "blocked";
  case TERN_EOF:
    return "eof";
  case TERN_RESET:
    return "reset";
  case TERN_CLOSED:
    return "closed";
  case TERN_INVALID:
    return "invalid";
  case TERN_STATE:
    return "state";
  case TERN_REENTRY:
    return "reentry";
  case TERN_LIMIT:
    return "limit";
  case TERN_NOMEM:
    return "nomem";
  case TERN_TLS:
    return "tls";
  case TERN_IO:
    return "io";
  case TERN_UNSUPPORTED:
    return "unsupported";
  }
  return "unknown";
}
