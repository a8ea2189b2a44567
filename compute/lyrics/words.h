/* words.h - English nouns in running text: numbers, synonyms, kinds
 *
 * What the prompt writer, the linker and the template answers share. Matching is by whole words,
 * case-folded, independent of the locale.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/lyrics/scene.h"

G_BEGIN_DECLS

typedef struct
{
  guint start; /* bytes in the text */
  guint end;
  char *folded;
} DescryWord;

/* Letters and digits in runs; everything else separates. */
GArray *descry_words_split (const char *text);

/* The folded words of @text with a space after each: answers that differ in nothing else are the same. (transfer full) */
char   *descry_words_bare  (const char *text);

/* How surely words mean an object, weakest first. */
typedef enum
{
  DESCRY_MATCH_NONE,
  DESCRY_MATCH_KIND, /* "animal" for a dog */
  DESCRY_MATCH_HEAD, /* "ball" for a soccer ball */
  DESCRY_MATCH_SYNONYM, /* "man" for a person, "puppy" for a dog */
  DESCRY_MATCH_NAME /* its name or its finer name */
} DescryMatch;

/* What the words from @at on mean for an object of these names (@finer may be NULL). @n: how many words. */
DescryMatch descry_words_match (GArray     *words,
                                guint       at,
                                const char *name,
                                const char *finer,
                                guint      *n,
                                gboolean   *plural);

gboolean    descry_word_is (GArray     *words,
                            guint       at,
                            const char *word);

/* "one" … "twelve", then digits. (transfer full) */
char       *descry_number_name (guint n);

/* "a", "an" for the noun that follows. */
const char *descry_noun_article (const char *noun);

/* A noun that is plural already, such as "scissors". */
gboolean    descry_noun_is_plural (const char *noun);

/* "dogs" -> "dog"; a noun that is no plural stays. (transfer full) */
char       *descry_noun_singular (const char *noun);

/* The two axes of a place: -1 left or top, 0 middle, 1 right or bottom. */
typedef struct { gint x, y; gboolean has_x, has_y; } DescryPlace;

DescryPlace descry_place_of    (DescryBox box,
                                guint     width,
                                guint     height);

/* The place named in words [from, to): "on the left", "top right corner", "middle". FALSE: none. */
gboolean    descry_place_parse (GArray      *words,
                                guint        from,
                                guint        to,
                                DescryPlace *place);

gboolean    descry_place_fits  (DescryPlace named,
                                DescryPlace actual);

G_END_DECLS
