/* suite.c - test | perf | support: the driver of the op suite
 *
 *   test     every line of the table on every device family and provider: against the reference in double, sentinels
 *            around every tensor, inputs unchanged, equal bits on a second launch, NaN and inf (TAP)
 *   perf     milliseconds, GFLOP/s or GB/s, and the ratio to what this device was measured to do at best
 *   support  who computes each line: the provider, or why it does not
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compute/device/ceiling.h"
#include "compute/files/quant.h"
#include "compute/ops/onednn.h"
#include "compute/ops/provider.h"
#include "tests/ops/random-blocks.h"
#include "tests/ops/suite/suite.h"

#define RIGHT 16 /* sentinel elements after each row */
#define MARK_32 0x4640e400u /* 12345 as a float */
#define MARK_16 0x7207u
#define MARK_8 0xa5u
#define MIN_SAMPLE_US 4000

typedef struct
{
  const char *op, *selector, *family, *provider;
  gboolean    small, json;
  int         seed, runs;
  DescryDevice *devices[2]; /* cpu and gpu family */
  GPtrArray  *cases;
  guint       done, failed, skipped;
  double      flops, bytes; /* GFLOP/s and GB/s of the device at hand, at best */
} Suite;

static const char *const family_names[] = { "cpu", "gpu" };
static const char *const provider_names[] = { "auto", "own", "clblast", "onednn" };

/* --- what a case is made of ---------------------------------------------------------------------- */

SuiteCase *
suite_add (SuiteTable *table,
           const char *op,
           const char *type,
           SuiteFunc   prepare,
           SuiteFunc   launch,
           SuiteFunc   reference,
           const char *format,
           ...)
{
  SuiteCase *c = g_new0 (SuiteCase, 1);
  va_list args;

  va_start (args, format);
  c->shape = g_strdup_vprintf (format, args);
  va_end (args);
  c->op = op;
  c->type = type;
  c->prepare = prepare;
  c->launch = launch;
  c->reference = reference;
  g_ptr_array_add (table->cases, c);

  return c;
}

static void
case_free (gpointer data)
{
  SuiteCase *c = data;

  g_free (c->shape);
  g_free (c);
}

double
suite_activate (double x,
                guint  act)
{
  const double sixth = 0.16662598;

  if (isnan (x))
    return x;
  switch (act)
    {
    case DESCRY_ACT_RELU: return MAX (x, 0);
    case DESCRY_ACT_RELU6: return CLAMP (x, 0, 6);
    case DESCRY_ACT_LEAKY: return x > 0 ? x : 0.1 * x;
    case DESCRY_ACT_GELU: return 0.5 * x * (1 + erf (x / sqrt (2)));
    case DESCRY_ACT_QUICK_GELU: return x / (1 + exp (-1.702 * x));
    case DESCRY_ACT_SILU: return x / (1 + exp (-x));
    case DESCRY_ACT_SIGMOID: return 1 / (1 + exp (-x));
    case DESCRY_ACT_TANH: return tanh (x);
    case DESCRY_ACT_HARD_SWISH: return x * CLAMP (x + 3, 0, 6) * sixth;
    case DESCRY_ACT_HARD_SIGMOID: return CLAMP (x + 3, 0, 6) * sixth;
    default: return x;
    }
}

/* A tensor of the run between sentinels. */
static guint
add_tensor (SuiteRun  *r,
            DescryType type,
            guint      rows,
            guint      cols,
            gboolean   vector)
{
  const guint index = r->n++;
  const guint pitch = r->left + cols + RIGHT;
  SuiteTensor *t = &r->t[index];
  DescryTensor whole;

  g_assert_cmpuint (index, <, SUITE_TENSORS);
  whole = descry_run_tensor (r->run, type, 2, (guint[]) { rows, pitch });
  t->rows = rows;
  t->cols = cols;
  t->tensor = descry_tensor_columns (whole, r->left, cols);
  if (vector)
    {
      t->tensor.n_dims = 1;
      t->tensor.shape[0] = cols;
      t->tensor.shape[1] = 1;
      t->tensor.pitch = cols;
    }
  t->values = g_new0 (float, (gsize) rows * cols);

  return index;
}

static void
fill_random (SuiteRun *r,
             guint     index,
             float     low,
             float     high)
{
  SuiteTensor *t = &r->t[index];
  gsize n = (gsize) t->rows * t->cols, i;

  for (i = 0; i < n; i++)
    {
      t->values[i] = (float) g_rand_double_range (r->rand, low, high);
      if (t->tensor.type == DESCRY_F16)
        t->values[i] = descry_half_to_float (descry_float_to_half (t->values[i]));
    }
}

guint
suite_input (SuiteRun  *r,
             DescryType type,
             guint      rows,
             guint      cols,
             float      low,
             float      high)
{
  guint index = add_tensor (r, type, rows, cols, FALSE);

  fill_random (r, index, low, high);
  return index;
}

guint
suite_vector (SuiteRun *r,
              guint     n,
              float     low,
              float     high)
{
  guint index = add_tensor (r, DESCRY_F32, 1, n, TRUE);

  fill_random (r, index, low, high);
  return index;
}

guint
suite_ids (SuiteRun *r,
           guint     n,
           guint     below)
{
  guint index = add_tensor (r, DESCRY_I32, 1, n, TRUE), i;

  r->t[index].ids = g_new (gint32, n);
  for (i = 0; i < n; i++)
    r->t[index].ids[i] = i == 0 ? 0 : i == 1 ? (gint32) below - 1 : g_rand_int_range (r->rand, 0, (gint32) below);
  return index;
}

guint
suite_output_of (SuiteRun  *r,
                 DescryType type,
                 guint      rows,
                 guint      cols)
{
  guint index = add_tensor (r, type, rows, cols, FALSE);

  fill_random (r, index, 50, 60); /* where nothing else is */
  r->t[index].output = TRUE;
  r->t[index].expected = g_new0 (double, (gsize) rows * cols);
  if (type == DESCRY_I32)
    r->t[index].ids = g_new0 (gint32, (gsize) rows * cols);
  return index;
}

guint
suite_output (SuiteRun *r,
              guint     rows,
              guint     cols)
{
  return suite_output_of (r, DESCRY_F32, rows, cols);
}

guint
suite_in_out (SuiteRun *r,
              guint     rows,
              guint     cols,
              float     low,
              float     high)
{
  guint index = suite_output (r, rows, cols);

  fill_random (r, index, low, high);
  return index;
}

DescryTensor
suite_pictures (SuiteRun *r,
                guint     index,
                guint     n,
                guint     h,
                guint     w)
{
  return descry_tensor_reshape (r->t[index].tensor, 4, (guint[]) { n, h, w, r->t[index].cols });
}

void
suite_weight (SuiteRun      *r,
              DescryGgmlType type,
              guint          n,
              guint          k)
{
  g_autofree guint8 *blocks = NULL;
  guint64 row = 0, i;

  descry_ggml_bytes (type, k, &row);
  blocks = g_malloc (row * n);
  r->weight_values = g_new (float, (gsize) n * k);
  random_blocks (r->rand, type, (gsize) n * k, 0.6, blocks);
  for (i = 0; i < n; i++)
    descry_ggml_dequantise (type, blocks + i * row, k, r->weight_values + i * k);
  r->weight = descry_weight_new (r->device, r->c->op, type, n, k, blocks, &r->error);
}

/* --- sentinels ------------------------------------------------------------------------------------ */

/* The whole memory of a tensor as it must be before a launch. */
static guint8 *
make_image (const SuiteRun    *r,
            const SuiteTensor *t,
            gsize             *bytes)
{
  const gsize size = descry_type_size (t->tensor.type), pitch = r->left + t->cols + RIGHT;
  guint8 *image = g_malloc (pitch * t->rows * size);
  gsize i, row;

  *bytes = pitch * t->rows * size;
  for (i = 0; i < pitch * t->rows; i++)
    if (size == 4)
      ((guint32 *) image)[i] = MARK_32;
    else if (size == 2)
      ((guint16 *) image)[i] = MARK_16;
    else
      image[i] = MARK_8;
  for (row = 0; row < t->rows; row++)
    for (i = 0; i < t->cols; i++)
      {
        const gsize at = row * pitch + r->left + i, from = row * t->cols + i;

        if (t->tensor.type == DESCRY_I32)
          ((gint32 *) image)[at] = t->ids[from];
        else if (size == 4)
          ((float *) image)[at] = t->values[from];
        else if (size == 1)
          image[at] = (guint8) t->values[from];
        else
          ((guint16 *) image)[at] = descry_float_to_half (t->values[from]);
      }

  return image;
}

static DescryTensor
whole_tensor (const SuiteRun    *r,
              const SuiteTensor *t)
{
  DescryTensor whole = t->tensor;

  whole.offset -= r->left;
  whole.n_dims = 2;
  whole.shape[0] = t->rows;
  whole.shape[1] = whole.pitch = r->left + t->cols + RIGHT;

  return whole;
}

static void
upload (SuiteRun *r)
{
  guint i;

  for (i = 0; i < r->n; i++)
    {
      const SuiteTensor *t = &r->t[i];
      gsize bytes;
      g_autofree guint8 *image = make_image (r, t, &bytes);

      descry_run_write (r->run, whole_tensor (r, t), image, bytes / descry_type_size (t->tensor.type));
    }
}

/* One tensor after a launch: sentinels, what must not have changed, what must be there. */
static char *
check_tensor (SuiteRun     *r,
              guint         index,
              const guint8 *found,
              double        limit)
{
  const SuiteTensor *t = &r->t[index];
  const gsize size = descry_type_size (t->tensor.type), pitch = r->left + t->cols + RIGHT;
  gsize bytes, row, i;
  g_autofree guint8 *image = make_image (r, t, &bytes);
  double error = 0, power = 0;

  for (row = 0; row < t->rows; row++)
    for (i = 0; i < pitch; i++)
      {
        const gsize at = row * pitch + i;
        double value, expected;

        if (i < r->left || i >= r->left + t->cols)
          {
            if (memcmp (image + at * size, found + at * size, size) != 0)
              return g_strdup_printf ("tensor %u: wrote outside, row %" G_GSIZE_FORMAT " column %d", index, row, (int) i - (int) r->left);
            continue;
          }
        if (!t->output)
          {
            if (memcmp (image + at * size, found + at * size, size) != 0)
              return g_strdup_printf ("tensor %u: an input changed at row %" G_GSIZE_FORMAT " column %" G_GSIZE_FORMAT, index, row, i - r->left);
            continue;
          }
        value = t->tensor.type == DESCRY_I32 ? ((const gint32 *) found)[at]
                : size == 4                  ? ((const float *) found)[at]
                : size == 1                  ? found[at]
                                             : descry_half_to_float (((const guint16 *) found)[at]);
        expected = t->expected[row * t->cols + i - r->left];
        if ((r->c->flags & SUITE_FACTORED) != 0 && isinf (expected) && isnan (value))
          continue;
        if (isnan (value) != isnan (expected) || ((isinf (value) || isinf ((float) expected)) && value != (float) expected))
          return g_strdup_printf ("tensor %u: found %g, expected %g at row %" G_GSIZE_FORMAT " column %" G_GSIZE_FORMAT, index, value, expected, row, i - r->left);
        if (isnan (value) || isinf (value))
          continue;
        if ((r->c->flags & SUITE_EXACT) != 0 && value != (double) (float) expected)
          return g_strdup_printf ("tensor %u: found %.9g, expected %.9g at row %" G_GSIZE_FORMAT " column %" G_GSIZE_FORMAT, index, value, expected, row, i - r->left);
        error += (value - expected) * (value - expected);
        power += expected * expected;
      }

  limit = t->limit != 0 ? t->limit : limit;
  /* Few numbers may be what is left when larger ones cancel: judged beside ones. */
  if (t->rows * t->cols < 16)
    {
      power = MAX (power, t->rows * t->cols);
      limit = limit >= 1e-8 ? MAX (limit, 1e-6) : limit;
    }
  if (error > limit * MAX (power, 1e-30))
    return g_strdup_printf ("tensor %u: NMSE %g over %g", index, error / MAX (power, 1e-30), limit);

  return NULL;
}

/* Uploads, launches, checks everything; if @loose only that it runs. @images: what is there afterwards, kept for the next time. */
static char *
launch_and_check (SuiteRun  *r,
                  double     limit,
                  gboolean   loose,
                  GPtrArray *images)
{
  g_autoptr (GError) error = NULL;
  char *problem = NULL;
  guint i;

  upload (r);
  r->c->launch (r);
  for (i = 0; i < r->n && problem == NULL; i++)
    {
      gsize bytes;
      guint8 *found = make_image (r, &r->t[i], &bytes);

      descry_run_read (r->run, whole_tensor (r, &r->t[i]), found, bytes / descry_type_size (r->t[i].tensor.type));
      if (descry_run_ok (r->run) && !loose)
        problem = check_tensor (r, i, found, limit);
      if (images != NULL && i < images->len)
        {
          if (problem == NULL && memcmp (g_bytes_get_data (g_ptr_array_index (images, i), NULL), found, bytes) != 0)
            problem = g_strdup_printf ("tensor %u: a second launch gives other bits", i);
          g_free (found);
        }
      else if (images != NULL)
        g_ptr_array_add (images, g_bytes_new_take (found, bytes));
      else
        g_free (found);
    }
  if (!descry_run_finish (r->run, &error))
    {
      g_free (problem);
      return g_strdup (error->message);
    }

  return problem;
}

/* --- one line of the table on one device by one provider ------------------------------------------- */

static void
run_clear (SuiteRun *r)
{
  guint i;

  for (i = 0; i < r->n; i++)
    {
      g_free (r->t[i].values);
      g_free (r->t[i].ids);
      g_free (r->t[i].expected);
    }
  descry_weight_free (r->weight);
  descry_conv_free (r->conv);
  for (i = 0; i < G_N_ELEMENTS (r->joined); i++)
    descry_conv_free (r->joined[i]);
  descry_conv_transposed_free (r->transposed);
  g_clear_pointer (&r->matmul, descry_onednn_matmul_free);
  g_free (r->weight_values);
  g_free (r->bias_values);
  g_clear_error (&r->error);
  g_clear_pointer (&r->run, descry_run_free);
  g_clear_pointer (&r->rand, g_rand_free);
}

static char *
run_prepare (SuiteRun        *r,
             const Suite     *suite,
             const SuiteCase *c,
             DescryDevice    *device,
             guint            index)
{
  r->c = c;
  r->device = device;
  r->run = descry_run_new (device, NULL);
  /* Its numbers are a line's own, wherever it stands in the table. */
  r->rand = g_rand_new_with_seed ((guint32) suite->seed + g_str_hash (c->shape) + g_str_hash (c->op));
  r->left = index % 2 ? 13 : 16;
  c->prepare (r);
  if (r->error != NULL)
    return g_strdup (r->error->message);

  return descry_run_ok (r->run) ? NULL : g_strdup ("the tensors could not be made");
}

/* Who computed what was launched between the two states. */
static DescryGemmProvider
who (const DescryDeviceStats *before,
     const DescryDeviceStats *after)
{
  return after->native_launches > before->native_launches ? DESCRY_GEMM_ONEDNN
         : after->launches > before->launches ? DESCRY_GEMM_OWN
                                              : DESCRY_GEMM_CLBLAST;
}

/* A NaN in the first input, then an inf: where the reference has them, and nowhere else. */
static char *
check_alarms (SuiteRun *r,
              double    limit)
{
  static const float alarms[] = { NAN, INFINITY };
  gsize n = (gsize) r->t[0].rows * r->t[0].cols, at = n > 1 ? (gsize) g_rand_int_range (r->rand, 0, (gint32) n) : 0;
  const float kept = r->t[0].values[at];
  guint i;

  for (i = 0; i < G_N_ELEMENTS (alarms); i++)
    {
      g_autofree char *problem = NULL;

      r->t[0].values[at] = alarms[i];
      r->c->reference (r);
      problem = launch_and_check (r, limit, FALSE, NULL);
      r->t[0].values[at] = kept;
      if (problem != NULL)
        return g_strdup_printf ("with %g in the first input: %s", alarms[i], problem);
    }

  return NULL;
}

static char *
test_line (SuiteRun          *r,
           gboolean           small,
           DescryGemmProvider provider,
           DescryGemmProvider *by)
{
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  DescryDeviceStats before;
  double limit = r->c->limit;
  char *problem;

  descry_gemm_force (r->device, provider);
  r->c->reference (r);

  /* A simulator watches every access by itself: once is enough. */
  if (small)
    {
      *by = DESCRY_GEMM_OWN;
      return launch_and_check (r, limit, FALSE, NULL);
    }

  /* The first launch may compile, pack or probe; the second one shows who computes. */
  problem = launch_and_check (r, G_MAXDOUBLE, TRUE, NULL);
  if (problem != NULL)
    return problem;
  before = *descry_device_stats (r->device);
  /* A provider that declines leaves the choice to the device. */
  if (provider != DESCRY_GEMM_OWN && (r->c->flags & SUITE_INTEGERS) != 0)
    limit = MAX (limit, 1e-8);
  problem = launch_and_check (r, limit, FALSE, images);
  *by = who (&before, descry_device_stats (r->device));
  if (problem == NULL)
    problem = launch_and_check (r, limit, FALSE, images);
  if (problem == NULL && (r->c->flags & SUITE_ALARM) != 0 && provider == DESCRY_GEMM_OWN)
    problem = check_alarms (r, limit);

  return problem;
}

/* Whether it makes sense to ask @provider for a line. */
static gboolean
is_asked (const SuiteCase   *c,
          DescryGemmProvider provider)
{
  switch (provider)
    {
    case DESCRY_GEMM_OWN:
      return TRUE;
    case DESCRY_GEMM_CLBLAST:
      return (c->flags & SUITE_CLBLAST) != 0 && DESCRY_WITH_CLBLAST;
    case DESCRY_GEMM_ONEDNN:
      return (c->flags & SUITE_ONEDNN) != 0;
    case DESCRY_GEMM_AUTO:
    default:
      return (c->flags & (SUITE_CLBLAST | SUITE_ONEDNN | SUITE_INTEGERS)) != 0;
    }
}

/* Calls @func for each line that the options leave over. */
typedef void (*LineFunc) (Suite *suite, SuiteRun *r, guint family, DescryGemmProvider provider, char *problem);

static void
for_each_line (Suite   *suite,
               gboolean speed,
               LineFunc func)
{
  static const DescryGemmProvider order[] = { DESCRY_GEMM_OWN, DESCRY_GEMM_AUTO, DESCRY_GEMM_CLBLAST, DESCRY_GEMM_ONEDNN };
  guint i, family, k;

  for (i = 0; i < suite->cases->len; i++)
    {
      const SuiteCase *c = g_ptr_array_index (suite->cases, i);

      if ((suite->op != NULL && strcmp (suite->op, c->op) != 0) || (c->flags & (speed ? SUITE_SPEED | SUITE_ONLY_SPEED : SUITE_ONLY_SPEED)) == (speed ? 0 : SUITE_ONLY_SPEED))
        continue;
      for (family = 0; family < 2; family++)
        for (k = 0; k < G_N_ELEMENTS (order); k++)
          {
            SuiteRun r = { 0 };
            char *problem;

            if (suite->devices[family] == NULL || !is_asked (c, order[k]) || (suite->small && order[k] != DESCRY_GEMM_OWN) || (suite->family != NULL && strcmp (suite->family, family_names[family]) != 0)
                || (suite->provider != NULL && strcmp (suite->provider, provider_names[order[k]]) != 0))
              continue;
            descry_gemm_force (suite->devices[family], order[k]); /* some ask when their weights are packed */
            problem = run_prepare (&r, suite, c, suite->devices[family], i);
            func (suite, &r, family, order[k], problem);
            descry_gemm_force (suite->devices[family], DESCRY_GEMM_AUTO);
            run_clear (&r);
          }
    }
}

static void
line_test (Suite             *suite,
           SuiteRun          *r,
           guint              family,
           DescryGemmProvider provider,
           char              *problem)
{
  g_autofree char *message = problem;
  DescryGemmProvider by = DESCRY_GEMM_OWN;

  if (message == NULL)
    message = test_line (r, suite->small, provider, &by);
  if (message == NULL && provider != DESCRY_GEMM_AUTO && by != provider)
    {
      suite->skipped++; /* it declines; support tells */
      return;
    }
  suite->done++;
  suite->failed += message != NULL;
  g_print ("%sok %u - %s %s %s [%s, %s]\n", message != NULL ? "not " : "", suite->done, r->c->op, r->c->type, r->c->shape, family_names[family],
           provider_names[provider]);
  if (message != NULL)
    g_print ("# %s\n", message);
}

static const char *
why_not (Suite             *suite,
         guint              family,
         DescryGemmProvider provider)
{
  const char *reason = NULL;

  if (provider == DESCRY_GEMM_ONEDNN && !descry_onednn_available (suite->devices[family], &reason))
    return reason;
  return provider == DESCRY_GEMM_CLBLAST ? "one row, or declined" : "this type or shape is not for it";
}

static void
line_support (Suite             *suite,
              SuiteRun          *r,
              guint              family,
              DescryGemmProvider provider,
              char              *problem)
{
  g_autofree char *message = problem;
  DescryDeviceStats before = { 0 };
  DescryGemmProvider by = provider;

  if (message == NULL)
    {
      descry_gemm_force (r->device, provider);
      message = launch_and_check (r, G_MAXDOUBLE, TRUE, NULL);
      before = *descry_device_stats (r->device);
    }
  if (message == NULL)
    {
      r->c->launch (r);
      descry_run_finish (r->run, NULL);
      by = who (&before, descry_device_stats (r->device));
    }
  suite->done++;
  suite->failed += message != NULL;
  g_print ("%-24s %-8s %-44s %-4s %-8s %s%s%s\n", r->c->op, r->c->type, r->c->shape, family_names[family], provider_names[provider],
           message != NULL ? "no: " : provider == DESCRY_GEMM_AUTO || by == provider ? "yes" : "no: ",
           message != NULL ? message : provider == DESCRY_GEMM_AUTO ? ", by " : by == provider ? "" : why_not (suite, family, provider),
           message == NULL && provider == DESCRY_GEMM_AUTO ? provider_names[by] : "");
}

/* Median of a few samples, each as many launches as fill some milliseconds. */
static void
line_perf (Suite             *suite,
           SuiteRun          *r,
           guint              family,
           DescryGemmProvider provider,
           char              *problem)
{
  g_autofree char *message = problem;
  g_autofree double *ms = g_new0 (double, (gsize) suite->runs);
  DescryDeviceStats before = { 0 };
  DescryGemmProvider by = provider;
  guint times = 1, k;
  int i;

  if (message == NULL)
    {
      descry_gemm_force (r->device, provider);
      message = launch_and_check (r, G_MAXDOUBLE, TRUE, NULL);
      before = *descry_device_stats (r->device);
    }
  for (i = 0; message == NULL && i < suite->runs; i++)
    {
      g_autoptr (GError) error = NULL;
      gint64 begin, spent = 0;

      for (;;)
        {
          begin = g_get_monotonic_time ();
          for (k = 0; k < times; k++)
            r->c->launch (r);
          if (!descry_run_finish (r->run, &error))
            {
              message = g_strdup (error->message);
              break;
            }
          spent = g_get_monotonic_time () - begin;
          if (spent >= MIN_SAMPLE_US || times >= 4096)
            break;
          times *= 2;
        }
      if (message == NULL)
        ms[i] = spent / 1e3 / times;
    }
  if (message != NULL)
    {
      suite->failed++;
      g_printerr ("%s %s %s: %s\n", r->c->op, r->c->type, r->c->shape, message);
      return;
    }

  by = who (&before, descry_device_stats (r->device));
  if (provider != DESCRY_GEMM_AUTO && by != provider)
    return;
  suite->done++;
  {
    const double median = descry_median (ms, (guint) suite->runs), gflops = r->c->flop / median / 1e6, rate = r->c->bytes / median / 1e6;
    const double of_flops = suite->flops > 0 ? gflops / suite->flops : 0, of_bytes = suite->bytes > 0 ? rate / suite->bytes : 0;
    const gboolean by_flops = r->c->flop > 0 && of_flops >= of_bytes;

    if (suite->json)
      g_print ("{\"op\":\"%s\",\"type\":\"%s\",\"shape\":\"%s\",\"family\":\"%s\",\"provider\":\"%s\",\"by\":\"%s\",\"ms\":%.5f,\"gflops\":%.3f,\"gbs\":%.3f,\"ratio\":%.4f}\n",
               r->c->op, r->c->type, r->c->shape, family_names[family], provider_names[provider], provider_names[by], median, gflops, rate,
               by_flops ? of_flops : of_bytes);
    else
      g_print ("%-22s %-8s %-40s %-4s %-8s %10.4f ms %9.2f %-7s %5.2f\n", r->c->op, r->c->type, r->c->shape, family_names[family],
               provider == DESCRY_GEMM_AUTO && by != DESCRY_GEMM_OWN ? provider_names[by] : provider_names[provider], median, by_flops ? gflops : rate,
               by_flops ? "GFLOP/s" : "GB/s", by_flops ? of_flops : of_bytes);
  }
}

static gboolean
measure_ceilings (Suite        *suite,
                  DescryDevice *device,
                  GError      **error)
{
  g_autofree double *rates = g_new0 (double, (gsize) suite->runs);
  g_autofree char *processor = descry_processor_name ();

  if (!descry_ceiling_read (device, (guint) suite->runs, rates, NULL, error))
    return FALSE;
  descry_median (rates, (guint) suite->runs);
  suite->bytes = rates[suite->runs - 1];
  if (!descry_ceiling_multiply (device, (guint) suite->runs, rates, NULL, error))
    return FALSE;
  descry_median (rates, (guint) suite->runs);
  suite->flops = rates[suite->runs - 1];
  descry_device_trim (device);
  if (suite->json)
    g_print ("{\"device\":\"%s\",\"processor\":\"%s\",\"read\":%.2f,\"multiply\":%.2f}\n", descry_device_info (device)->name, processor, suite->bytes, suite->flops);
  else
    g_print ("# %s on %s; at best %.1f GB/s read, %.1f GFLOP/s multiplied; median of %d\n", descry_device_info (device)->name, processor, suite->bytes,
             suite->flops, suite->runs);

  return TRUE;
}

int
main (int    argc,
      char **argv)
{
  Suite suite = { .seed = 1, .runs = 5 };
  char *op = NULL, *selector = NULL, *family = NULL, *provider = NULL;
  const GOptionEntry entries[] = {
    { "op", 0, 0, G_OPTION_ARG_STRING, &op, "Only this operation", "OP" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &selector, "Index or part of the name", "DEVICE" },
    { "family", 0, 0, G_OPTION_ARG_STRING, &family, "cpu or gpu kernels only", "FAMILY" },
    { "provider", 0, 0, G_OPTION_ARG_STRING, &provider, "auto, own, clblast or onednn only", "PROVIDER" },
    { "small", 0, 0, G_OPTION_ARG_NONE, &suite.small, "Shapes for a simulator", NULL },
    { "seed", 0, 0, G_OPTION_ARG_INT, &suite.seed, "Of the random numbers", "N" },
    { "runs", 0, 0, G_OPTION_ARG_INT, &suite.runs, "Measurements of each line", "N" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &suite.json, "perf: one JSON object a line", NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("test|perf|support");
  g_autoptr (GError) error = NULL;
  SuiteTable table;
  const char *mode;
  guint i;

  setlocale (LC_ALL, "");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2 || suite.runs < 1)
    {
      g_printerr ("%s\n", error != NULL ? error->message : "test, perf or support; --help explains");
      return 2;
    }
  mode = argv[1];
  suite.op = op;
  suite.family = family;
  suite.provider = provider;
  suite.selector = selector != NULL ? selector : g_getenv ("DESCRY_TEST_DEVICE");
  suite.small |= g_getenv ("DESCRY_TEST_SMALL") != NULL;

  for (i = 0; i < 2; i++)
    {
      suite.devices[i] = descry_device_open (suite.selector, i == 0 ? DESCRY_FAMILY_CPU : DESCRY_FAMILY_GPU, &error);
      if (suite.devices[i] == NULL)
        {
          g_print ("1..0 # SKIP %s\n", error->message);
          return 0;
        }
    }
  /* A GPU would run the cpu family, slowly, and nobody ever will; a simulator should. */
  if (descry_device_info (suite.devices[0])->family != DESCRY_FAMILY_CPU && !suite.small && family == NULL)
    g_clear_pointer (&suite.devices[0], descry_device_free);

  table = (SuiteTable) { g_ptr_array_new_with_free_func (case_free), suite.small };
  suite_cases_rows (&table);
  suite_cases_gemm (&table);
  suite_cases_attention (&table);
  suite_cases_pictures (&table);
  suite_cases_backward (&table);
  suite_cases_joined (&table);
  suite.cases = table.cases;

  if (strcmp (mode, "test") == 0)
    {
      g_print ("TAP version 13\n");
      for_each_line (&suite, FALSE, line_test);
      g_print ("1..%u\n# %u lines of the table, %u checks, %u failed, %u declined by a provider\n", suite.done, suite.cases->len, suite.done, suite.failed, suite.skipped);
    }
  else if (strcmp (mode, "support") == 0)
    for_each_line (&suite, FALSE, line_support);
  else if (strcmp (mode, "perf") == 0)
    {
      if (!measure_ceilings (&suite, suite.devices[suite.devices[0] != NULL ? 0 : 1], &error))
        {
          g_printerr ("%s\n", error->message);
          suite.failed++;
        }
      else
        for_each_line (&suite, TRUE, line_perf);
    }
  else
    {
      g_printerr ("%s: expected test, perf or support\n", mode);
      suite.failed++;
    }

  g_ptr_array_unref (suite.cases);
  for (i = 0; i < 2; i++)
    g_clear_pointer (&suite.devices[i], descry_device_free);
  g_free (op);
  g_free (selector);
  g_free (family);
  g_free (provider);

  return suite.failed > 0 ? 1 : 0;
}
