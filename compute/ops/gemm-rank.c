/* gemm-rank.c - which provider of products is fastest on this device, by measuring it
 *
 * Before a provider is measured it must compute a known product exactly; one that cannot is out, with the reason.
 * What was measured is kept in the user's cache folder by device, driver and versions. Below DESCRY_GEMM_LEAST rows the
 * own kernels are not asked to compete: others pad and pack what is small.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/provider.h"

#include <string.h>

#include "compute/device/device-private.h"
#include "compute/device/report.h"
#include "compute/memory.h"
#include "compute/ops/gemm-private.h"
#include "compute/ops/onednn.h"

#define ROUNDS 4 /* of which the first warms up */
/* A provider must be this much faster than the own kernels to be preferred: ties go to them. */
#define MARGIN 1.03

static const char *const names[] = { "auto", "own", "clblast", "onednn" };

/* Rows, columns and depth that stand for a class: up to 256 rows or more, a weight of up to 2^20 numbers or more. */
static const guint shapes[DESCRY_GEMM_CLASSES][3] = { { 192, 576, 576 }, { 512, 576, 576 }, { 192, 2048, 1024 }, { 512, 2048, 1024 } };

const char *
descry_gemm_provider_name (DescryGemmProvider provider)
{
  return names[provider];
}

gboolean
descry_gemm_provider_parse (const char         *name,
                            DescryGemmProvider *provider)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_ascii_strcasecmp (names[i], name) == 0)
      {
        *provider = i;
        return TRUE;
      }

  return FALSE;
}

static guint
class_of (guint m,
          guint n,
          guint k)
{
  return (m > 256 ? 1 : 0) + ((guint64) n * k > 1u << 20 ? 2 : 0);
}

static DescryGemmRanks *
ranks_of (DescryDevice *device)
{
  if (device->gemm_ranks == NULL)
    device->gemm_ranks = g_new0 (DescryGemmRanks, 1);

  return device->gemm_ranks;
}

void
descry_gemm_demote (DescryDevice      *device,
                    DescryGemmProvider provider,
                    const char        *reason)
{
  DescryGemmRanks *ranks = ranks_of (device);
  guint i;

  if (provider <= DESCRY_GEMM_OWN)
    return; /* there must be one */
  ranks->reasons[provider] = g_intern_string (reason);
  for (i = 0; i < DESCRY_GEMM_CLASSES; i++)
    if (ranks->choice[i] == provider)
      ranks->choice[i] = DESCRY_GEMM_OWN;
}

/* Small integers, so that every order of adding gives the same number. */
static gboolean
computes_rightly (DescryDevice      *device,
                  DescryGemmProvider provider,
                  GError           **error)
{
  enum { M = 70, N = 71, K = 96 };
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (DescryWeight) weight = NULL;
  g_autofree float *a = g_new (float, M * K), *w = g_new (float, N * K), *c = g_new0 (float, M * N);
  DescryTensor ta = descry_run_tensor2 (run, M, K), tc = descry_run_tensor2 (run, M, N);
  guint i, j, l;

  for (i = 0; i < M * K; i++)
    a[i] = (float) ((int) (i * 53 % 19) - 9);
  for (i = 0; i < N * K; i++)
    w[i] = (float) ((int) (i * 37 % 15) - 7);
  weight = descry_weight_new (device, "self-test", DESCRY_GGML_F32, N, K, w, error);
  if (weight == NULL)
    return FALSE;
  descry_run_write (run, ta, a, M * K);
  descry_gemm_force (device, provider);
  op_gemm (run, tc, ta, weight, NULL);
  descry_run_read (run, tc, c, M * N);
  if (!descry_run_finish (run, error))
    return FALSE;

  for (i = 0; i < M; i++)
    for (j = 0; j < N; j++)
      {
        double expected = 0;

        for (l = 0; l < K; l++)
          expected += (double) a[i * K + l] * w[j * K + l];
        if (c[i * N + j] != (float) expected)
          {
            g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "at %u, %u it has %g, expected %g", i, j, (double) c[i * N + j], expected);
            return FALSE;
          }
      }

  return TRUE;
}

/* Why @provider is not to be measured, or NULL. */
static const char *
why_not (DescryDevice      *device,
         DescryGemmProvider provider)
{
  const char *reason = NULL;

  if (provider == DESCRY_GEMM_ONEDNN)
    descry_onednn_available (device, &reason);
  else if (provider == DESCRY_GEMM_CLBLAST && !DESCRY_WITH_CLBLAST)
    reason = "this program was built without it";
  else if (provider == DESCRY_GEMM_CLBLAST && (device->info->type & CL_DEVICE_TYPE_GPU) == 0)
    reason = "it has no parameters for this kind of device, and compiles for seconds";

  return reason;
}

static gboolean
measure (DescryDevice    *device,
         guint            class,
         DescryGemmRanks *ranks,
         GError         **error)
{
  const guint m = shapes[class][0], n = shapes[class][1], k = shapes[class][2];
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (DescryWeight) weight = NULL;
  float *values = descry_try_alloc ((gsize) MAX (m, n) * k, sizeof *values);
  DescryTensor a = descry_run_tensor2 (run, m, k), c = descry_run_tensor2 (run, m, n);
  guint round, provider;
  gsize i;

  if (values == NULL)
    {
      g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory to measure a product");
      return FALSE;
    }
  for (i = 0; i < (gsize) MAX (m, n) * k; i++)
    values[i] = (float) (i % 23) / 23.0f - 0.5f;
  descry_run_write (run, a, values, (gsize) m * k);
  weight = descry_weight_new (device, "measured", DESCRY_GGML_F32, n, k, values, error);
  descry_free (values);
  if (weight == NULL)
    return FALSE;

  /* In turns, so that other work on the machine meets all alike. */
  for (round = 0; round < ROUNDS; round++)
    for (provider = DESCRY_GEMM_OWN; provider < DESCRY_GEMM_PROVIDERS; provider++)
      {
        gint64 begin;
        double rate;

        if (ranks->reasons[provider] != NULL)
          continue;
        descry_gemm_force (device, provider);
        begin = g_get_monotonic_time ();
        op_gemm (run, c, a, weight, NULL);
        if (!descry_run_finish (run, error))
          return FALSE;
        rate = 2e-3 * m * n * k / MAX (g_get_monotonic_time () - begin, 1);
        if (round > 0)
          ranks->rates[class][provider] = MAX (ranks->rates[class][provider], rate);
      }

  ranks->choice[class] = DESCRY_GEMM_OWN;
  for (provider = DESCRY_GEMM_OWN + 1; provider < DESCRY_GEMM_PROVIDERS; provider++)
    if (ranks->rates[class][provider] > ranks->rates[class][ranks->choice[class]] * (ranks->choice[class] == DESCRY_GEMM_OWN ? MARGIN : 1.0))
      ranks->choice[class] = provider;

  return TRUE;
}

static char *
cache_path (void)
{
  return g_build_filename (g_get_user_cache_dir (), "descry", "products.ini", NULL);
}

static char *
cache_group (DescryDevice *device)
{
  g_autofree char *key = descry_device_make_key (device->info->platform, device->info->name, device->info->driver);
  g_autofree char *text = g_strdup_printf ("%s\t%s\t%d\t%s\t%s", key, device->info->version, device->family, DESCRY_VERSION,
                                           descry_onednn_available (device, NULL) ? descry_onednn_version () : "");

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

static gboolean
load_ranks (DescryDevice    *device,
            DescryGemmRanks *ranks)
{
  g_autoptr (GKeyFile) cache = g_key_file_new ();
  g_autofree char *path = cache_path (), *group = cache_group (device);
  g_auto (GStrv) choice = NULL;
  gsize n = 0, i;

  if (!g_key_file_load_from_file (cache, path, G_KEY_FILE_NONE, NULL))
    return FALSE;
  choice = g_key_file_get_string_list (cache, group, "fastest", &n, NULL);
  if (choice == NULL || n != DESCRY_GEMM_CLASSES)
    return FALSE;
  for (i = 0; i < n; i++)
    {
      DescryGemmProvider provider;

      if (!descry_gemm_provider_parse (choice[i], &provider) || provider == DESCRY_GEMM_AUTO || ranks->reasons[provider] != NULL)
        return FALSE;
      ranks->choice[i] = provider;
    }

  return TRUE;
}

static void
save_ranks (DescryDevice          *device,
            const DescryGemmRanks *ranks)
{
  g_autoptr (GKeyFile) cache = g_key_file_new ();
  g_autofree char *path = cache_path (), *group = cache_group (device), *folder = g_path_get_dirname (path);
  const char *choice[DESCRY_GEMM_CLASSES];
  guint i;

  for (i = 0; i < DESCRY_GEMM_CLASSES; i++)
    choice[i] = names[ranks->choice[i]];
  g_key_file_load_from_file (cache, path, G_KEY_FILE_NONE, NULL);
  g_key_file_set_string (cache, group, "device", device->info->name);
  g_key_file_set_string_list (cache, group, "fastest", choice, DESCRY_GEMM_CLASSES);
  if (g_mkdir_with_parents (folder, 0700) != 0 || !g_key_file_save_to_file (cache, path, NULL))
    g_debug ("What was measured is not kept: %s cannot be written", path);
}

const DescryGemmRanks *
descry_gemm_rank (DescryDevice *device,
                  gboolean      again)
{
  DescryGemmRanks *ranks = ranks_of (device);
  int forced = device->gemm_provider;
  gboolean ok = TRUE;
  guint i, provider, rivals = 0;

  if (ranks->ranked && !again)
    return ranks;
  ranks->ranked = TRUE;
  memset (ranks->rates, 0, sizeof ranks->rates);
  for (i = 0; i < DESCRY_GEMM_CLASSES; i++)
    ranks->choice[i] = DESCRY_GEMM_OWN;

  for (provider = DESCRY_GEMM_OWN + 1; provider < DESCRY_GEMM_PROVIDERS; provider++)
    {
      g_autoptr (GError) error = NULL;
      const char *reason = ranks->reasons[provider] != NULL ? ranks->reasons[provider] : why_not (device, provider);

      if (reason != NULL)
        descry_gemm_demote (device, provider, reason);
      else if (!computes_rightly (device, provider, &error))
        {
          descry_gemm_demote (device, provider, error->message);
          g_message ("%s: %s is left out of products: %s", device->info->name, names[provider], error->message);
        }
      rivals += ranks->reasons[provider] == NULL;
    }

  if (rivals > 0 && (again || !load_ranks (device, ranks)))
    {
      for (i = 0; i < DESCRY_GEMM_CLASSES && ok; i++)
        {
          g_autoptr (GError) error = NULL;

          ok = measure (device, i, ranks, &error);
          if (!ok)
            {
              g_message ("%s: products cannot be measured: %s", device->info->name, error->message);
              for (i = 0; i < DESCRY_GEMM_CLASSES; i++)
                ranks->choice[i] = DESCRY_GEMM_OWN;
            }
        }
      if (ok)
        save_ranks (device, ranks);
    }

  descry_gemm_force (device, forced);
  return ranks;
}

const char *
descry_gemm_class_shape (guint class)
{
  static const char *const texts[DESCRY_GEMM_CLASSES] = { "192×576×576", "512×576×576", "192×2048×1024", "512×2048×1024" };

  return texts[class];
}

DescryGemmProvider
descry_gemm_choose (DescryDevice *device,
                    guint         m,
                    guint         n,
                    guint         k)
{
  DescryGemmProvider forced = descry_ops_provider (device);

  if (forced == DESCRY_GEMM_OWN || m == 1)
    return DESCRY_GEMM_OWN;
  if (forced != DESCRY_GEMM_AUTO)
    return ranks_of (device)->reasons[forced] != NULL ? DESCRY_GEMM_OWN : forced;
  if (MIN (m, MIN (n, k)) < DESCRY_GEMM_LEAST)
    return DESCRY_GEMM_OWN;

  return descry_gemm_rank (device, FALSE)->choice[class_of (m, n, k)];
}
