/* pickle.h - the state dictionaries in torch's files, read without running anything
 *
 * A pickle is a program for a stack machine that may call any function by name. This reader
 * knows the opcodes that state dictionaries use, and five names: OrderedDict, the two functions
 * that put a tensor together (which become plain records here), and the storage types. Every
 * other opcode or name is an error. Nothing is looked up, nothing is called.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/convert/source-private.h"
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
  PICKLE_GLOBAL,
  PICKLE_STORAGE,
  PICKLE_TENSOR,
  PICKLE_MARK
} DescryPickleKind;

typedef struct _DescryPickleObject DescryPickleObject;

typedef struct
{
  DescryPickleKind kind;
  guint32          n; /* of a text: bytes */
  union
  {
    gint64              i; /* INT, BOOL; of GLOBAL and STORAGE an index */
    double              f;
    const char         *text; /* UTF-8, not terminated */
    DescryPickleObject *object; /* TUPLE, LIST, DICT, TENSOR */
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

  /* TENSOR; strides and offset in elements */
  guint   storage;
  guint   n_dims;
  guint64 offset;
  guint64 dims[8];
  guint64 strides[8];
};

typedef struct
{
  const char   *key;
  DescryStType  type;
  guint64       numel;
  const guint8 *data; /* set by the container's reader */
} DescryPickleStorage;

typedef struct
{
  DescrySource        *source;
  DescryPickleObject  *objects;
  guint                n_objects;
  DescryPickleStorage *storages;
  guint                n_storages;
  guint                max_storages;
  DescryPickleValue   *stack;
  guint                n_stack;
  guint                max_stack;
  DescryPickleValue   *memo;
  guint                n_memo;
  guint                max_memo;
  guint                opcodes[256]; /* how often each was met */
} DescryPickle;

/* Reads one pickle from the cursor's position up to and including its STOP. */
gboolean descry_pickle_run    (DescryPickle      *pickle,
                               DescryCursor      *cursor,
                               DescryPickleValue *result,
                               GError           **error);
void     descry_pickle_clear  (DescryPickle      *pickle);
gboolean descry_pickle_is     (const DescryPickleValue *value,
                               const char              *text);

/* Adds every tensor under the dictionary @root to the source, nested names joined by dots, once
 * the storages have their data. Views become contiguous. @size is that of the file. */
gboolean descry_pickle_export (DescryPickle            *pickle,
                               const DescryPickleValue *root,
                               guint64                  size,
                               GError                 **error);

/* The storages by key, once each; refuses two of one key that differ. */
gboolean descry_pickle_index  (DescryPickle *pickle,
                               DescryNames  *names,
                               GError      **error);

G_END_DECLS
