/* SPDX-License-Identifier: MIT */
/* Head and foot of a report. */
#include "sim_page.h"

#include "cli.h"

static const char style[] =
    ":root{--ink:#1c2430;--soft:#5b6675;--grid:#e3e7ec;--back:#f4f6f8;--card:#fff;--bad:#b3261e;"
    "--c0:#0b6fc2;--c1:#d9730d;--c2:#16803c;--c3:#8a3ffc;--c4:#c2185b;--c5:#00838f;--c6:#7a5c00;"
    "--c7:#8b95a3}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--grid:#303946;"
    "--back:#12171e;--card:#1b222c;--bad:#ff8a80;--c0:#5cb3ff;--c1:#ffa657;--c2:#5fd38a;"
    "--c3:#c4a1ff;--c4:#ff7eb0;--c5:#4dd0e1;--c6:#e0c060;--c7:#8b95a3}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;padding:16px;background:var(--back);color:var(--ink);"
    "font:16px/1.45 system-ui,sans-serif}\n"
    "main{max-width:1320px;margin:auto}\n"
    "h1{font-size:1.4rem;margin:.2em 0}h2{font-size:1.1rem;margin:1.4em 0 .5em}"
    "h3{font-size:1rem;margin:0}small{font-weight:400;color:var(--soft)}\n"
    "p{margin:.4em 0;max-width:75ch}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,370px),1fr));gap:"
    "14px}\n"
    "figure,.box{margin:0;padding:12px;background:var(--card);border:1px solid var(--grid);"
    "border-radius:8px}\n"
    ".box{overflow-x:auto}\n"
    "figcaption{font-size:.86rem;color:var(--soft)}\n"
    ".legend{font-size:.86rem;min-height:1.3em;margin:.2em 0}.legend span{margin-right:1em;"
    "white-space:nowrap}.legend svg{width:22px;height:8px;margin-right:5px;vertical-align:middle}\n"
    ".plot{display:block;width:100%;height:auto}\n"
    ".plot text{font-size:12px;fill:var(--soft)}.mx{text-anchor:middle}.my{text-anchor:end}\n"
    ".grid{stroke:var(--grid);stroke-width:1}\n"
    ".line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}\n"
    ".thin{stroke-width:1.2;stroke-dasharray:4 3}\n"
    ".dots{fill:none;stroke:currentColor;stroke-width:4;stroke-linecap:round;opacity:.45}\n"
    ".c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}"
    ".c4{color:var(--c4)}.c5{color:var(--c5)}.c6{color:var(--c6)}.c7{color:var(--c7)}\n"
    "table{border-collapse:collapse;font-size:.93rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:4px 14px 4px 0;text-align:right;white-space:nowrap}"
    "th:first-child,td:first-child,td.text,th.text{text-align:left}"
    "th{font-weight:600;color:var(--soft);border-bottom:1px solid var(--grid)}\n"
    "code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}\n"
    ".bad{color:var(--bad);font-weight:600}\n";

void tern_page_begin(struct tern_text *text, const char *title)
{
  tern_text_add(text,
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>");
  tern_text_add_html(text, title);
  tern_text_add(text, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
  tern_text_add_html(text, title);
  tern_text_add(text, "</h1>\n");
}

void tern_page_end(struct tern_text *text)
{
  tern_text_add(text,
                "<p><small>Made by tern sim, version %s.</small></p>\n</main>\n</body>\n</html>\n",
                TERN_CLI_VERSION);
}

void tern_page_command(struct tern_text *text, const char *intro, const char *command)
{
  tern_text_add(text, "<p>");
  tern_text_add_html(text, intro);
  tern_text_add(text, " <code>");
  tern_text_add_html(text, command);
  tern_text_add(text, "</code></p>\n");
}

void tern_page_table(struct tern_text *text, const char *const *heads)
{
  tern_text_add(text, "<div class=\"box\"><table>\n<tr>");
  for (; *heads != NULL; heads++) {
    tern_text_add(text, "<th>");
    tern_text_add_html(text, *heads);
    tern_text_add(text, "</th>");
  }
  tern_text_add(text, "</tr>\n");
}

void tern_page_table_end(struct tern_text *text)
{
  tern_text_add(text, "</table></div>\n");
}
