/* tokenizer-text.h - text of many scripts, made anew from a line's number
 *
 * Ten thousand lines need not be stored: the reference script reads them from
 * `test-golden-tokenizer --write-text FILE`, the test makes them again.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

#define TEXT_LINES 10000

/* A line of text, valid UTF-8, no NUL, any length from 0 to 10 kB. */
GString *tokenizer_text_line (guint line);
