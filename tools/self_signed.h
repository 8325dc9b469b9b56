/* SPDX-License-Identifier: MIT */
/* A certificate for trying things out, made by the program openssl. */
#ifndef TERN_TOOLS_SELF_SIGNED_H
#define TERN_TOOLS_SELF_SIGNED_H

#include <stdbool.h>
#include <stddef.h>

#include <tern/base.h>

#define TERN_SELF_SIGNED_PATH_MAX 256
#define TERN_SPKI_HASH_SIZE 48

struct tern_self_signed {
  char cert[TERN_SELF_SIGNED_PATH_MAX];
  char key[TERN_SELF_SIGNED_PATH_MAX];
  char spki_hash[TERN_SPKI_HASH_SIZE]; /* base64 of the SHA-256 of the public key's DER */
};

/* Makes the pair, or takes the one of an earlier run that is still good: it lies in a folder of this user
 * below $XDG_RUNTIME_DIR or /tmp. It is for localhost, this host's name, the loopback addresses and
 * `listen`. False with a sentence in `why`. */
bool tern_self_signed_make(struct tern_self_signed *pair, const tern_addr *listen, char *why,
                           size_t why_size);

#endif
