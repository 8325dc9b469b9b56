/* SPDX-License-Identifier: MIT */
/* The rig and oracles of the hostile tests, for the fuzz targets that share them. They are compiled
 * here, too, because the tests' library needs cmocka and these do not. */
#include "support/fail_alloc.c"   /* NOLINT(bugprone-suspicious-include) */
#include "support/hostile_peer.c" /* NOLINT(bugprone-suspicious-include) */
#include "support/hostile_rig.c"  /* NOLINT(bugprone-suspicious-include) */
#include "support/oracle.c"       /* NOLINT(bugprone-suspicious-include) */
