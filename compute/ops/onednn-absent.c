/* onednn-absent.c - the provider where oneDNN's headers were not there at build time
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/ops/onednn.h"

gboolean
descry_onednn_available (DescryDevice  *device,
                         const char   **reason)
{
  if (reason != NULL)
    *reason = "this program was built without it";
  return FALSE;
}

gboolean
descry_onednn_has_bf16 (void)
{
  return FALSE;
}

const char *
descry_onednn_version (void)
{
  return NULL;
}

DescryOnednnConv *
descry_onednn_conv_new (guint                  out,
                        guint                  in,
                        const DescryConvShape *shape,
                        const float           *weights,
                        const float           *bias)
{
  return NULL;
}

const float *
descry_onednn_conv_weights (DescryOnednnConv *conv,
                            const float     **bias)
{
  return NULL;
}

void
descry_onednn_conv_free (DescryOnednnConv *conv)
{
}

gboolean
descry_onednn_conv (DescryRun             *run,
                    DescryTensor           y,
                    DescryTensor           x,
                    DescryOnednnConv      *conv,
                    const DescryConvShape *shape,
                    DescryActivation       act,
                    DescryTensor           residual,
                    gboolean               bf16)
{
  return FALSE;
}

DescryOnednnMatmul *
descry_onednn_matmul_new (guint        n,
                          guint        k,
                          const float *weights)
{
  return NULL;
}

DescryOnednnMatmul *
descry_onednn_matmul_new_later (guint            n,
                                guint            k,
                                gboolean         transposed,
                                DescryOnednnFill fill,
                                gpointer         data)
{
  return NULL;
}

void
descry_onednn_matmul_free (DescryOnednnMatmul *matmul)
{
}

gboolean
descry_onednn_matmul (DescryRun            *run,
                      DescryTensor          c,
                      DescryTensor          a,
                      DescryOnednnMatmul   *matmul,
                      const DescryEpilogue *epilogue,
                      gboolean              bf16)
{
  return FALSE;
}

gboolean
descry_onednn_panels (DescryRun            *run,
                      DescryTensor          c,
                      DescryTensor          a,
                      DescryTensor          panels,
                      const DescryEpilogue *epilogue)
{
  return FALSE;
}

void
descry_onednn_product (DescryRun    *run,
                       DescryTensor  c,
                       DescryTensor  a,
                       gboolean      turned_a,
                       DescryTensor  b,
                       gboolean      turned_b,
                       gboolean      add)
{
  descry_run_fail (run, DESCRY_ERROR_FAILED, "oneDNN is not part of this build");
}
