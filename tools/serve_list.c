/* SPDX-License-Identifier: MIT */
/* The listing of a folder: names in order, folders first, hidden ones left out. At most ENTRIES_MAX
 * names; the page says so if there are more. */
#define _GNU_SOURCE /* fdopendir, st_mtim */
#include "serve.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http_date.h"
#include "progress.h"
#include "text.h"

#define ENTRIES_MAX 5000

struct entry {
  char *name;
  uint64_t size;
  int64_t modified;
  bool is_folder;
};

struct listing {
  struct entry *entries;
  size_t count;
  bool is_cut;
};

static int compare(const void *a, const void *b)
{
  const struct entry *left = a, *right = b;
  if (left->is_folder != right->is_folder)
    return left->is_folder ? -1 : 1;
  return strcmp(left->name, right->name);
}

static void add_entry(struct listing *listing, int folder, const char *name)
{
  struct stat info;
  if (name[0] == '.' || fstatat(folder, name, &info, 0) != 0 ||
      (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)))
    return;
  if (listing->count == ENTRIES_MAX) {
    listing->is_cut = true;
    return;
  }
  listing->entries = tern_cli_grow(listing->entries, listing->count + 1, sizeof *listing->entries);
  listing->entries[listing->count++] = (struct entry){
      .name = tern_cli_copy(name, strlen(name)),
      .size = (uint64_t)info.st_size,
      .modified = info.st_mtim.tv_sec,
      .is_folder = S_ISDIR(info.st_mode),
  };
}

/* False if the folder cannot be read. */
static bool read_folder(struct listing *listing, int fd)
{
  DIR *folder = fdopendir(fd);
  if (folder == NULL) {
    close(fd);
    return false;
  }
  for (struct dirent *at = readdir(folder); at != NULL && !listing->is_cut; at = readdir(folder))
    add_entry(listing, fd, at->d_name);
  closedir(folder);
  if (listing->count > 0)
    qsort(listing->entries, listing->count, sizeof *listing->entries, compare);
  return true;
}

static void add_row(struct tern_text *page, const struct entry *entry)
{
  char date[TERN_HTTP_DATE_SIZE], size[32] = "";
  const char *slash = entry->is_folder ? "/" : "";
  if (!entry->is_folder)
    tern_progress_format_bytes(entry->size, size, sizeof size);
  tern_text_add(page, "<tr><td><a href=\"./");
  tern_text_add_url(page, entry->name);
  tern_text_add(page, "%s\">", slash);
  tern_text_add_html(page, entry->name);
  tern_text_add(page, "%s</a></td><td>%s</td><td>%s</td></tr>\n", slash, size,
                tern_http_date_format(entry->modified, date));
}

static void make_page(struct tern_text *page, const struct listing *listing, const char *path)
{
  tern_text_add(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>/");
  tern_text_add_html(page, path);
  tern_text_add(
      page, "</title>\n<style>\n"
            "body { font: 16px/1.5 system-ui, sans-serif; margin: 2em; color-scheme: light dark }\n"
            "td { padding-right: 2em; font-variant-numeric: tabular-nums }\n"
            "td + td { text-align: right; white-space: nowrap; opacity: .7 }\n"
            "</style>\n</head>\n<body>\n<h1>/");
  tern_text_add_html(page, path);
  tern_text_add(page, "</h1>\n<table>\n");
  if (path[0] != '\0')
    tern_text_add(page, "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
  for (size_t i = 0; i < listing->count; i++)
    add_row(page, &listing->entries[i]);
  tern_text_add(page, "</table>\n%s</body>\n</html>\n",
                listing->is_cut ? "<p>There are more than can be listed.</p>\n" : "");
}

void tern_serve_list(struct tern_serve_request *self, int fd, const char *path)
{
  struct listing listing = {0};
  struct tern_text page = {0};
  if (read_folder(&listing, fd)) {
    make_page(&page, &listing, path);
    tern_serve_reply(self, 200, "text/html; charset=utf-8", tern_slice_of(page.data, page.len));
  } else {
    tern_serve_reply_status(self, 500);
  }
  for (size_t i = 0; i < listing.count; i++)
    free(listing.entries[i].name);
  free(listing.entries);
  tern_text_deinit(&page);
}
