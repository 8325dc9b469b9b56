/* SPDX-License-Identifier: MIT */
/* What every report has in common: head with the style sheet, tables, foot. Nothing is loaded from
 * anywhere. */
#ifndef TERN_TOOLS_SIM_PAGE_H
#define TERN_TOOLS_SIM_PAGE_H

#include "text.h"

void tern_page_begin(struct tern_text *text, const char *title);
void tern_page_end(struct tern_text *text);
/* A paragraph with a command to copy. */
void tern_page_command(struct tern_text *text, const char *intro, const char *command);
/* <th> for each of `heads`, which ends with NULL. */
void tern_page_table(struct tern_text *text, const char *const *heads);
void tern_page_table_end(struct tern_text *text);

#endif
