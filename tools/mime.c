/* SPDX-License-Identifier: MIT */
/* Content types: a sorted table of extensions and a binary search. */
#include "mime.h"

#include <stdlib.h>
#include <string.h>

#define EXTENSION_MAX 15

struct type {
  const char *extension;
  const char *name;
};

#define TEXT(name) "text/" name "; charset=utf-8"

/* Sorted by extension. */
static const struct type types[] = {
    {"7z", "application/x-7z-compressed"},
    {"aac", "audio/aac"},
    {"atom", "application/atom+xml"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"bz2", "application/x-bzip2"},
    {"c", TEXT("plain")},
    {"cjs", TEXT("javascript")},
    {"conf", TEXT("plain")},
    {"css", TEXT("css")},
    {"csv", TEXT("csv")},
    {"deb", "application/vnd.debian.binary-package"},
    {"epub", "application/epub+zip"},
    {"flac", "audio/flac"},
    {"gif", "image/gif"},
    {"gz", "application/gzip"},
    {"h", TEXT("plain")},
    {"htm", TEXT("html")},
    {"html", TEXT("html")},
    {"ico", "image/vnd.microsoft.icon"},
    {"ics", TEXT("calendar")},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"js", TEXT("javascript")},
    {"json", "application/json"},
    {"jxl", "image/jxl"},
    {"log", TEXT("plain")},
    {"m3u8", "application/vnd.apple.mpegurl"},
    {"m4a", "audio/mp4"},
    {"m4s", "video/iso.segment"},
    {"md", TEXT("markdown")},
    {"mjs", TEXT("javascript")},
    {"mkv", "video/matroska"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpd", "application/dash+xml"},
    {"oga", "audio/ogg"},
    {"ogg", "audio/ogg"},
    {"ogv", "video/ogg"},
    {"opus", "audio/ogg"},
    {"otf", "font/otf"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"rss", "application/rss+xml"},
    {"svg", "image/svg+xml"},
    {"tar", "application/x-tar"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"ts", "video/mp2t"},
    {"ttf", "font/ttf"},
    {"txt", TEXT("plain")},
    {"wasm", "application/wasm"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webmanifest", "application/manifest+json"},
    {"webp", "image/webp"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"xhtml", "application/xhtml+xml"},
    {"xml", "application/xml"},
    {"xz", "application/x-xz"},
    {"zip", "application/zip"},
    {"zst", "application/zstd"},
};

static int compare(const void *key, const void *item)
{
  const struct type *type = item;
  return strcmp(key, type->extension);
}

const char *tern_mime_get(const char *name)
{
  static const char unknown[] = "application/octet-stream";
  char extension[EXTENSION_MAX + 1];
  const char *slash = strrchr(name, '/');
  const char *dot = strrchr(slash == NULL ? name : slash, '.');
  if (dot == NULL || strlen(dot + 1) > EXTENSION_MAX)
    return unknown;
  size_t len = 0;
  for (const char *at = dot + 1; *at != '\0'; at++)
    extension[len++] = *at >= 'A' && *at <= 'Z' ? (char)(*at + ('a' - 'A')) : *at;
  extension[len] = '\0';
  const struct type *type =
      bsearch(extension, types, sizeof types / sizeof types[0], sizeof types[0], compare);
  return type == NULL ? unknown : type->name;
}
