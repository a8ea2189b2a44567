/* torch-pickle.h - the state dictionaries in torch's files, read without running anything
 *
 * Beside plain values five names are known: OrderedDict, the two functions that put a tensor together (which become plain
 * records here), and the storage types. Every other name is an error.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/convert/source-private.h"
#include "compute/files/pickle.h"

G_BEGIN_DECLS

enum
{
  PICKLE_GLOBAL = PICKLE_OTHER, /* i: which */
  PICKLE_STORAGE, /* i: its number */
  PICKLE_TENSOR /* other: a DescryTorchTensor */
};

typedef struct
{
  const char   *key;
  DescryStType  type;
  guint64       numel;
  const guint8 *data; /* set by the container's reader */
} DescryTorchStorage;

/* Strides and offset in elements. */
typedef struct
{
  guint   storage;
  guint   n_dims;
  guint64 offset;
  guint64 dims[8];
  guint64 strides[8];
} DescryTorchTensor;

typedef struct
{
  DescryPickle        pickle; /* first: its reader of opcodes is given this */
  DescrySource       *source;
  DescryTorchStorage *storages;
  guint               n_storages;
  guint               max_storages;
  guint               n_tensors;
} DescryTorchPickle;

void     descry_torch_pickle_init   (DescryTorchPickle *self,
                                     DescrySource      *source);
void     descry_torch_pickle_clear  (DescryTorchPickle *self);

/* Adds every tensor under the dictionary @root to the source, nested names joined by dots, once
 * the storages have their data. Views become contiguous. @size is that of the file. */
gboolean descry_torch_pickle_export (DescryTorchPickle       *self,
                                     const DescryPickleValue *root,
                                     guint64                  size,
                                     GError                 **error);

/* The storages by key, once each; refuses two of one key that differ. */
gboolean descry_torch_pickle_index  (DescryTorchPickle *self,
                                     DescryNames       *names,
                                     GError           **error);

G_END_DECLS
