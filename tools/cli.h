/* SPDX-License-Identifier: MIT */
/* What every subcommand shares: exit codes, messages, numbers and addresses from the command line. */
#ifndef TERN_TOOLS_CLI_H
#define TERN_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tern/base.h>

#define TERN_CLI_VERSION "0.1.0"

/* Exit codes of `tern get`, documented in its manual page. The other subcommands use the first three. */
enum tern_exit {
  TERN_EXIT_OK = 0,
  TERN_EXIT_LOCAL = 1,    /* something on this machine: a file, a socket, memory */
  TERN_EXIT_USAGE = 2,    /* the command line */
  TERN_EXIT_RESOLVE = 3,  /* the host has no address */
  TERN_EXIT_TLS = 4,      /* certificate or TLS */
  TERN_EXIT_CONNECT = 5,  /* no answer, refused, no version in common */
  TERN_EXIT_TRANSFER = 6, /* the connection or the message broke */
  TERN_EXIT_STATUS = 7,   /* HTTP status 400 or more */
  TERN_EXIT_MAX_TIME = 8, /* --max-time ran out */
};

/* A subcommand: argv[0] is its name. Returns an exit code. */
typedef int tern_command(int argc, char **argv);
tern_command tern_get_main;
tern_command tern_serve_main;
tern_command tern_perf_main;
tern_command tern_sim_main;
tern_command tern_link_main;

/* "tern get: <message>" and a newline on stderr. `who` is "tern get" and the like. */
__attribute__((format(printf, 2, 3))) void tern_cli_say(const char *who, const char *format, ...);
/* The same and the hint to --help; returns TERN_EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int tern_cli_refuse(const char *who, const char *format, ...);

/* A decimal number of at most `max`; false for anything else, also for signs and blanks. */
bool tern_cli_parse_number(const char *text, uint64_t max, uint64_t *value);
/* The same with an optional suffix K, M, G or T: powers of 1,024. */
bool tern_cli_parse_bytes(const char *text, uint64_t max, uint64_t *value);
/* Seconds with an optional fraction, "1.5"; up to a year. */
bool tern_cli_parse_seconds(const char *text, uint64_t *ns);
/* "1.2.3.4:80", "[::]:80", or ":80" and "80" for every address. */
bool tern_cli_parse_listen(const char *text, tern_addr *addr);

/* Never NULL: ends the program when there is no memory. */
void *tern_cli_take(size_t count, size_t size);
void *tern_cli_grow(void *block, size_t count, size_t size);
char *tern_cli_copy(const char *text, size_t len);

/* Writes all of it, whatever write(2) takes at a time; false with errno set. */
bool tern_cli_write_all(int fd, const void *data, size_t len);

#endif
