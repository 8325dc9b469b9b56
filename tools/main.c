/* SPDX-License-Identifier: MIT */
/* The program tern: finds the subcommand and hands over to it. */
#include <stdio.h>
#include <string.h>

#include <tern/transport.h>

#include "cli.h"

static const struct {
  const char *name;
  tern_command *run;
  const char *text;
} commands[] = {
    {"get", tern_get_main, "fetch or send files over HTTP/3"},
    {"serve", tern_serve_main, "serve a folder over HTTP/3"},
    {"perf", tern_perf_main, "measure QUIC and HTTP/3, ours or another's"},
    {"sim", tern_sim_main, "run tern over a simulated network"},
    {"link", tern_link_main, "relay UDP over a bad network, live"},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(void)
{
  puts("usage: tern COMMAND [OPTION]...\n\nHTTP/3 from the command line.\n\ncommands:");
  for (size_t i = 0; i < COMMANDS; i++)
    printf("  %-8s %s\n", commands[i].name, commands[i].text);
  puts("\noptions:\n"
       "  -h, --help     this text; `tern COMMAND --help` for a command's own\n"
       "  -V, --version  versions of tern and of the TLS library");
}

static bool is_either(const char *text, const char *a, const char *b)
{
  return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

int main(int argc, char **argv)
{
  if (argc < 2)
    return tern_cli_refuse("tern", "no command given");
  const char *name = argv[1];
  if (is_either(name, "-h", "--help") || strcmp(name, "help") == 0) {
    print_help();
    return TERN_EXIT_OK;
  }
  if (is_either(name, "-V", "--version")) {
    printf("tern %s (%s)\n", TERN_CLI_VERSION, tern_tls_library());
    return TERN_EXIT_OK;
  }
  for (size_t i = 0; i < COMMANDS; i++)
    if (strcmp(name, commands[i].name) == 0)
      return commands[i].run(argc - 1, argv + 1);
  if (name[0] == '-')
    return tern_cli_refuse("tern", "unknown option %s", name);
  return tern_cli_refuse("tern", "unknown command \"%s\"", name);
}
