/* golden-former.h - a tiny MQ-Former that is trained, beside what PyTorch found for it
 *
 * The network is data/mq-former-LAYOUT.gguf, its words data/mq-former-words.gguf.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/safetensors.h"
#include "compute/memory.h"
#include "compute/ops/provider.h"
#include "compute/train/mq-former-train.h"
#include "tests/ops/harness.h"

typedef struct
{
  DescryDevice      *device;
  DescryGguf        *gguf, *words;
  DescrySafetensors *golden;
  DescryTrainFormer *former;
  GPtrArray         *owned; /* what was read; descry_free() */
} GoldenFormer;

static inline char *
golden_former_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "golden", "data", name, NULL);
}

/* @golden: a file of the data folder. @own: products by our own kernels alone. FALSE: no such device here, skipped. */
static inline gboolean
golden_former_open (GoldenFormer                   *self,
                    const char                     *layout,
                    const char                     *golden,
                    DescryFamily                    family,
                    gboolean                        own,
                    const DescryTrainFormerOptions *options)
{
  g_autofree char *name = g_strdup_printf ("mq-former-%s.gguf", layout), *model = golden_former_path (name), *words = golden_former_path ("mq-former-words.gguf");
  g_autofree char *values = golden_former_path (golden);
  g_autoptr (GError) error = NULL;

  *self = (GoldenFormer) { .device = open_test_device (family) };
  if (self->device == NULL)
    return FALSE;
  descry_ops_set_fast (self->device, FALSE);
  if (own)
    descry_gemm_force (self->device, DESCRY_GEMM_OWN);
  self->owned = g_ptr_array_new_with_free_func (descry_free);
  self->gguf = descry_gguf_open (model, &error);
  g_assert_no_error (error);
  self->words = descry_gguf_open (words, &error);
  g_assert_no_error (error);
  self->golden = descry_safetensors_open (values, &error);
  g_assert_no_error (error);
  self->former = descry_train_former_new (self->device, self->gguf, self->words, options, &error);
  g_assert_no_error (error);

  return TRUE;
}

/* What the test itself has on the device is freed before: nothing may be left there. */
static inline void
golden_former_close (GoldenFormer *self)
{
  descry_train_former_free (self->former);
  descry_device_trim (self->device);
  g_assert_cmpuint (descry_device_stats (self->device)->live_bytes, ==, 0);
  descry_device_free (self->device);
  g_ptr_array_unref (self->owned);
  descry_safetensors_free (self->golden);
  descry_gguf_free (self->gguf);
  descry_gguf_free (self->words);
}

G_GNUC_PRINTF (4, 5)
static inline gpointer
golden_former_read (GoldenFormer *self,
                    gboolean      floats,
                    guint64      *n,
                    const char   *format,
                    ...)
{
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;
  gpointer values;
  va_list arguments;

  va_start (arguments, format);
  name = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  values = floats ? (gpointer) descry_safetensors_read_f32 (self->golden, name, n, &error) : (gpointer) descry_safetensors_read_i32 (self->golden, name, n, &error);
  g_assert_no_error (error);
  g_ptr_array_add (self->owned, values);

  return values;
}

/* "image.I", and "local.I" where the picture has objects. */
static inline DescryFormerPicture
golden_former_read_picture (GoldenFormer *self,
                            guint         i)
{
  const DescryTrainFormerShape *shape = descry_train_former_shape (self->former);
  g_autofree char *local = g_strdup_printf ("local.%u", i);
  DescryFormerPicture picture = { 0 };
  guint64 n;

  picture.visual = golden_former_read (self, TRUE, &n, "image.%u", i);
  picture.n_visual = (guint) (n / shape->visual_width);
  if (descry_safetensors_find (self->golden, local) != NULL)
    {
      picture.local = golden_former_read (self, TRUE, &n, "%s", local);
      picture.n_local = (guint) (n / shape->local_width);
    }

  return picture;
}
