/* pickle.h - plain values out of a Python pickle, read without running anything
 *
 * A pickle is a program for a stack machine that may call any function by name. This machine knows the opcodes that make
 * numbers, texts, tuples, lists and dictionaries. Every other one is an error, unless the caller reads it: the converter
 * does for torch's tensors. Nothing is looked up, nothing is called.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/arena.h"
#include "compute/files/cursor.h"

G_BEGIN_DECLS

typedef enum
{
  PICKLE_NONE,
  PICKLE_BOOL,
  PICKLE_INT,
  PICKLE_FLOAT,
  PICKLE_TEXT,
  PICKLE_TUPLE,
  PICKLE_LIST,
  PICKLE_DICT,
  PICKLE_MARK,
  PICKLE_OTHER /* and above: the caller's own */
} DescryPickleKind;

typedef struct _DescryPickleObject DescryPickleObject;

typedef struct
{
  guint   kind;
  guint32 n; /* of a text: bytes */
  union
  {
    gint64              i; /* INT, BOOL */
    double              f;
    const char         *text; /* UTF-8, not terminated */
    DescryPickleObject *object; /* TUPLE, LIST, DICT */
    gpointer            other;
  };
} DescryPickleValue;

/* Elements of a tuple or list; key, value, key, value … of a dictionary. */
struct _DescryPickleObject
{
  DescryPickleValue  *items;
  guint32             n;
  guint32             capacity;
  guint               depth;
  DescryPickleObject *next; /* all of one pickle, to be freed */
};

typedef struct _DescryPickle DescryPickle;

struct _DescryPickle
{
  const char  *path; /* for messages */
  const char  *what; /* "state dictionaries": what is read, for messages */
  DescryArena *arena;
  guint        limit; /* objects, values on the stack, numbers of the memo */
  gboolean     plain; /* protocols 0 to 4 with their opcodes in lines of text; else protocol 2 alone */

  /* An opcode that the machine does not know; FALSE with a problem at the cursor or with @error set. NULL: all are refused. */
  gboolean (*read) (DescryPickle *pickle, DescryCursor *cursor, guint opcode, GError **error);

  /* Private, but for opcodes: how often each was met. */
  DescryPickleObject *objects;
  guint               n_objects;
  DescryPickleValue  *stack;
  guint               n_stack;
  guint               max_stack;
  DescryPickleValue  *memo;
  guint               n_memo;
  guint               max_memo;
  guint               opcodes[256];
};

/* Reads one pickle from the cursor's position up to and including its STOP. The values point into the cursor's memory. */
gboolean descry_pickle_run    (DescryPickle      *pickle,
                               DescryCursor      *cursor,
                               DescryPickleValue *result,
                               GError           **error);
void     descry_pickle_clear  (DescryPickle      *pickle);
gboolean descry_pickle_is     (const DescryPickleValue *value,
                               const char              *text);

/* For readers of further opcodes: FALSE or NULL with a problem at the cursor. */
gboolean            descry_pickle_refuse      (DescryCursor *cursor, const char *problem);
gboolean            descry_pickle_refuse_byte (DescryPickle *pickle, DescryCursor *cursor, guint opcode, GError **error);
gboolean            descry_pickle_grow        (gpointer *items, guint n, guint *capacity, gsize size); /* room for one more */
gboolean            descry_pickle_push        (DescryPickle *pickle, DescryCursor *cursor, DescryPickleValue value);
gboolean            descry_pickle_pop         (DescryPickle *pickle, DescryCursor *cursor, DescryPickleValue *value);
gboolean            descry_pickle_expect      (DescryPickle *pickle, DescryCursor *cursor, guint kind); /* on top, left there */
DescryPickleObject *descry_pickle_make_object (DescryPickle *pickle, DescryCursor *cursor);
const char         *descry_pickle_read_line   (DescryCursor *cursor, gsize longest, gsize *n); /* without its end */

G_END_DECLS
