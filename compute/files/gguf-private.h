/* gguf-private.h - what reader and writer of GGUF share
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/arena.h"
#include "compute/files/gguf.h"
#include "compute/files/io.h"
#include "compute/files/names.h"

G_BEGIN_DECLS

#define DESCRY_GGUF_MAGIC 0x46554747u /* "GGUF" */
#define DESCRY_GGUF_ALIGNMENT 32      /* unless general.alignment says otherwise */

#define DESCRY_GGUF_MAX_ENTRIES 100000
#define DESCRY_GGUF_MAX_KEY 65535
#define DESCRY_GGUF_MAX_NAME 1024
#define DESCRY_GGUF_MAX_STRING ((guint64) 16 << 20)
#define DESCRY_GGUF_MAX_COUNT ((guint64) 1 << 40)

/* Types of metadata as they stand in files. */
typedef enum
{
  VALUE_U8,
  VALUE_I8,
  VALUE_U16,
  VALUE_I16,
  VALUE_U32,
  VALUE_I32,
  VALUE_F32,
  VALUE_BOOL,
  VALUE_STRING,
  VALUE_ARRAY,
  VALUE_U64,
  VALUE_I64,
  VALUE_F64,
  N_VALUES
} DescryGgufValue;

typedef struct
{
  const char *key;
  guint32     type;    /* DescryGgufValue */
  guint32     element; /* of an array */
  guint64     n;       /* elements of an array, bytes of a string */
  union
  {
    guint64     u; /* unsigned, bool */
    gint64      i;
    double      f;
    const char *string; /* @n bytes and a zero */
    gpointer    array;  /* elements as in the file, DescryBytes for strings */
  };
} DescryGgufEntry;

struct _DescryGguf
{
  DescryFile       *file;
  DescryArena       arena;
  DescryGgufEntry  *entries;
  guint             n_entries;
  DescryNames       entry_names;
  DescryGgufTensor *tensors;
  guint             n_tensors;
  DescryNames       tensor_names;
};

/* Bytes of one element in an array, 8 for the length that a string begins with; 0 if unknown. */
guint       descry_gguf_value_bytes (guint32 type);
const char *descry_gguf_value_name  (guint32 type);

G_END_DECLS
