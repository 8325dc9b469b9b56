/* SPDX-License-Identifier: MIT */
/* Programmer errors stop the program; nothing a peer sends may reach one. Kept in release builds:
 * the conditions are cheap, and a wrong state that goes on is worse than a stop. */
#ifndef TERN_BASE_ASSERT_H
#define TERN_BASE_ASSERT_H

_Noreturn void tern_assert_fail(const char *condition, const char *file, int line);

#define TERN_ASSERT(condition)                                                                     \
  ((condition) ? (void)0 : tern_assert_fail(#condition, __FILE__, __LINE__))

#define TERN_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define TERN_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#endif
