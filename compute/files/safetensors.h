/* safetensors.h - reading and writing safetensors files (goldens, `descry stage`)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gio/gio.h>

#include "compute/error.h"

G_BEGIN_DECLS

typedef enum { DESCRY_ST_F32, DESCRY_ST_F16, DESCRY_ST_BF16, DESCRY_ST_F64, DESCRY_ST_I64, DESCRY_ST_I32, DESCRY_ST_I16, DESCRY_ST_I8, DESCRY_ST_U8, DESCRY_ST_BOOL } DescryStType;

typedef struct
{
  const char  *name;
  DescryStType type;
  guint        n_dims; /* 0-d becomes [1] */
  guint64      dims[8]; /* outermost first */
  guint64      count;
  guint64      offset;
  guint64      bytes;
} DescryStTensor;

typedef struct _DescrySafetensors DescrySafetensors;

DescrySafetensors    *descry_safetensors_open (const char *path, GError **error);
void                  descry_safetensors_free (DescrySafetensors *file);
guint                 descry_safetensors_n_tensors (DescrySafetensors *file);
const DescryStTensor *descry_safetensors_tensor (DescrySafetensors *file, guint index);
const DescryStTensor *descry_safetensors_find (DescrySafetensors *file, const char *name);
gpointer              descry_safetensors_read (DescrySafetensors *file, const DescryStTensor *tensor, GError **error); /* descry_free() */
float                *descry_safetensors_read_f32 (DescrySafetensors *file, const char *name, guint64 *count /* (optional) */, GError **error); /* from any float or integer type */
gint32               *descry_safetensors_read_i32 (DescrySafetensors *file, const char *name, guint64 *count, GError **error);

typedef struct _DescrySafetensorsWriter DescrySafetensorsWriter;
DescrySafetensorsWriter *descry_safetensors_writer_new (void);
void     descry_safetensors_writer_free (DescrySafetensorsWriter *writer);
void     descry_safetensors_writer_add  (DescrySafetensorsWriter *writer, const char *name, DescryStType type, guint n_dims, const guint64 *dims, gconstpointer data /* copied */);
gboolean descry_safetensors_writer_write (DescrySafetensorsWriter *writer, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescrySafetensors, descry_safetensors_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescrySafetensorsWriter, descry_safetensors_writer_free)

G_END_DECLS
