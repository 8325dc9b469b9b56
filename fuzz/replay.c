/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over saved inputs, without a fuzzer: each argument is a file or a folder of
 * files. The empty input is always run too, so that a target without a corpus is still called once.
 * Files are taken in the order of their names, so that a failure is found again. */
#define _DEFAULT_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATH_BYTES_MAX = 4096 };

/* The copy has exactly the file's size, so that a sanitizer sees a read past its end. */
static void run_file(const char *path)
{
  FILE *file = fopen(path, "rb");
  long size = -1;
  if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
    size = ftell(file);
    rewind(file);
  }
  uint8_t *data = size >= 0 ? malloc(size > 0 ? (size_t)size : 1) : NULL;
  if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
    fprintf(stderr, "replay: cannot read %s\n", path);
    exit(2);
  }
  fclose(file);
  LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
}

static int run_entries(const char *folder, struct dirent **entries, int count)
{
  int files = 0;
  for (int i = 0; i < count; i++) {
    char path[PATH_BYTES_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && len > 0 && (size_t)len < sizeof path) {
      run_file(path);
      files++;
    }
    free(entries[i]);
  }
  return files;
}

/* Returns how many files were run. */
static int run_argument(const char *path)
{
  struct dirent **entries = NULL;
  int count = scandir(path, &entries, NULL, alphasort);
  if (count >= 0) {
    int files = run_entries(path, entries, count);
    free(entries);
    return files;
  }
  if (errno == ENOENT) {
    printf("%s: none yet\n", path);
    return 0;
  }
  run_file(path);
  return 1;
}

int main(int argc, char **argv)
{
  uint8_t nothing = 0;
  LLVMFuzzerTestOneInput(&nothing, 0);
  int files = 0;
  for (int i = 1; i < argc; i++) {
    files += run_argument(argv[i]);
  }
  printf("%d files\n", files);
  return 0;
}
