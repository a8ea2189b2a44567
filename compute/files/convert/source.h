/* source.h - tensors out of foreign files, for the converter
 *
 * Whatever the container (torch's two formats, TensorFlow.js, ONNX, GGUF, safetensors), the
 * result is one table: name → type, shape with the outermost dimension first, contiguous values.
 * Nothing is executed and no name in a file is looked up; see the readers for what each accepts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/error.h"
#include "compute/files/safetensors.h"

G_BEGIN_DECLS

typedef struct
{
  const char  *name;
  DescryStType type;
  guint        n_dims; /* a single number, 0-d in its file, has one dimension of 1 and is @scalar */
  guint64      dims[8];
  guint64      count;
  guint64      bytes;
  gboolean     scalar;
  gconstpointer data; /* contiguous, not always aligned; lives as long as the source */
  gboolean     used; /* by the architecture's table */
} DescrySourceTensor;

/* A step of a graph, where the container has one: which tensors does it use? */
typedef struct
{
  const char *name; /* of the step; its first output when it has none */
  const char *op;
  guint       n_inputs;
  const char *inputs[4];
} DescrySourceNode;

/* What was read, for the record in the converted file. */
typedef struct
{
  char   *name; /* base name */
  guint64 size;
  char   *sha256;
} DescrySourceFile;

typedef struct _DescrySource DescrySource;

/**
 * descry_source_open:
 * @path: a file, told by its content; or `resources.json#KEY`, a list of chunks named by their
 *     own SHA-256 that make one file when joined
 * @report: (nullable): lines about what was met are added: opcodes, globals, formats
 *
 * Returns: (transfer full): the table, or %NULL with @error set
 */
DescrySource *descry_source_open  (const char *path,
                                   GString    *report,
                                   GError    **error);
void          descry_source_free  (DescrySource *source);

const char   *descry_source_path   (DescrySource *source);
const char   *descry_source_format (DescrySource *source); /* "torch stream", "torch zip", "tfjs", "onnx", … */
guint         descry_source_n_files (DescrySource *source);
const DescrySourceFile *descry_source_file (DescrySource *source, guint index);

guint                   descry_source_n_tensors (DescrySource *source);
DescrySourceTensor     *descry_source_tensor    (DescrySource *source, guint index);
DescrySourceTensor     *descry_source_find      (DescrySource *source, const char *name); /* NULL if absent */
const DescrySourceNode *descry_source_find_node (DescrySource *source, const char *name);

const char *descry_source_type_name (DescryStType type);

/* All values as f32; descry_free(). NULL when memory is out. */
float *descry_source_to_f32 (const DescrySourceTensor *tensor);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescrySource, descry_source_free)

G_END_DECLS
