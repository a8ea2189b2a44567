/* mq-former-looked.c - what the queries of a batch look at, once for all passes of a step
 *
 * Keys and values of a picture's features are the same for every pass until the parameters change, and features are wide:
 * they are projected once, the passes' gradients add up, and the way back through the projections goes once too.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/mq-former-private.h"

/* All pictures' rows under each other, and where each begins. */
static void
place_pictures (DescryFormerLooked        *looked,
                const DescryFormerPicture *pictures)
{
  const DescryTrainFormerShape *shape = &looked->former->shape;
  const DescryTensor places = looked->former->visual_places;
  DescryRun *run = looked->run;
  guint visual = 0, local = 0, i;

  for (i = 0; i < looked->n_pictures; i++)
    {
      looked->visual_first[i] = visual;
      looked->n_visual[i] = pictures[i].n_visual;
      looked->local_first[i] = local;
      looked->n_local[i] = pictures[i].local != NULL ? pictures[i].n_local : 0;
      visual += looked->n_visual[i];
      local += looked->n_local[i];
      if (pictures[i].n_visual == 0 || (places.buffer != NULL && pictures[i].n_visual != descry_tensor_rows (places)))
        descry_run_fail (run, DESCRY_ERROR_SHAPE, "mq-former: picture %u has %u image tokens", i, pictures[i].n_visual);
    }
  if (looked->n_pictures == 0)
    return;

  looked->visual = descry_run_tensor2 (run, visual, shape->visual_width);
  if (local > 0)
    looked->local = descry_run_tensor2 (run, local, shape->local_width);
  for (i = 0; i < looked->n_pictures && descry_run_ok (run); i++)
    {
      descry_run_write (run, descry_tensor_slice (looked->visual, looked->visual_first[i], looked->n_visual[i]), pictures[i].visual,
                        (gsize) looked->n_visual[i] * shape->visual_width);
      if (looked->n_local[i] > 0)
        descry_run_write (run, descry_tensor_slice (looked->local, looked->local_first[i], looked->n_local[i]), pictures[i].local,
                          (gsize) looked->n_local[i] * shape->local_width);
    }
}

static void
project (DescryFormerLooked           *looked,
         DescryLookedKeys             *to,
         DescryTensor                  features,
         const DescryTrainedAttention *attention)
{
  const guint rows = descry_tensor_rows (features), width = looked->former->shape.width;

  to->k = descry_run_tensor2 (looked->run, rows, width);
  to->v = descry_run_tensor2 (looked->run, rows, width);
  descry_trained_forward (looked->run, to->k, features, &attention->k);
  descry_trained_forward (looked->run, to->v, features, &attention->v);
}

/* Positions of a picture's grid, for keys and values alike. */
static void
add_places (DescryFormerLooked *looked,
            DescryLookedKeys   *to)
{
  const DescryTensor places = looked->former->visual_places;
  guint i;

  for (i = 0; i < looked->n_pictures && places.buffer != NULL && descry_run_ok (looked->run); i++)
    {
      DescryTensor k = descry_tensor_slice (to->k, looked->visual_first[i], looked->n_visual[i]), v = descry_tensor_slice (to->v, looked->visual_first[i], looked->n_visual[i]);

      op_add (looked->run, k, k, places, DESCRY_ACT_NONE);
      op_add (looked->run, v, v, places, DESCRY_ACT_NONE);
    }
}

DescryFormerLooked *
descry_former_looked_new (DescryTrainFormer         *former,
                          DescryRun                 *run,
                          const DescryFormerPicture *pictures,
                          guint                      n_pictures)
{
  DescryFormerLooked *looked = g_new0 (DescryFormerLooked, 1);
  guint i;

  looked->former = former;
  looked->run = run;
  looked->n_pictures = n_pictures;
  looked->visual_first = g_new0 (guint, n_pictures);
  looked->n_visual = g_new0 (guint, n_pictures);
  looked->local_first = g_new0 (guint, n_pictures);
  looked->n_local = g_new0 (guint, n_pictures);
  looked->layers = g_new0 (DescryLookedLayer, former->shape.layers);
  place_pictures (looked, pictures);
  for (i = 0; i < former->shape.layers && descry_run_ok (run); i++)
    {
      if (former->layers[i].crosses && looked->visual.buffer != NULL)
        {
          project (looked, &looked->layers[i].visual, looked->visual, &former->layers[i].visual);
          add_places (looked, &looked->layers[i].visual);
        }
      if (former->layers[i].crosses && looked->local.buffer != NULL && former->shape.grounding_queries > 0)
        project (looked, &looked->layers[i].local, looked->local, &former->layers[i].local);
    }
  return looked;
}

void
descry_former_looked_add (DescryFormerLooked *looked,
                          DescryLookedKeys   *keys,
                          DescryTensor       *dk,
                          DescryTensor       *dv)
{
  if (keys->dk.buffer == NULL)
    {
      keys->dk = *dk;
      keys->dv = *dv;
    }
  else
    {
      op_add (looked->run, keys->dk, keys->dk, *dk, DESCRY_ACT_NONE);
      op_add (looked->run, keys->dv, keys->dv, *dv, DESCRY_ACT_NONE);
      descry_run_release (looked->run, dk);
      descry_run_release (looked->run, dv);
    }
  *dk = *dv = (DescryTensor) { 0 };
}

static void
project_back (DescryFormerLooked           *looked,
              DescryLookedKeys             *keys,
              DescryTensor                  features,
              const DescryTrainedAttention *attention)
{
  const DescryTensor none = { 0 };

  if (keys->dk.buffer == NULL)
    return;
  descry_trained_backward (looked->run, none, keys->dk, features, &attention->k, FALSE);
  descry_trained_backward (looked->run, none, keys->dv, features, &attention->v, FALSE);
  descry_run_release (looked->run, &keys->dk);
  descry_run_release (looked->run, &keys->dv);
}

void
descry_former_looked_backward (DescryFormerLooked *looked)
{
  guint i;

  for (i = 0; i < looked->former->shape.layers && descry_run_ok (looked->run); i++)
    {
      project_back (looked, &looked->layers[i].visual, looked->visual, &looked->former->layers[i].visual);
      project_back (looked, &looked->layers[i].local, looked->local, &looked->former->layers[i].local);
    }
}

static void
release_keys (DescryRun        *run,
              DescryLookedKeys *keys)
{
  descry_run_release (run, &keys->k);
  descry_run_release (run, &keys->v);
  descry_run_release (run, &keys->dk);
  descry_run_release (run, &keys->dv);
}

void
descry_former_looked_free (DescryFormerLooked *looked)
{
  guint i;

  if (looked == NULL)
    return;

  for (i = 0; i < looked->former->shape.layers; i++)
    {
      release_keys (looked->run, &looked->layers[i].visual);
      release_keys (looked->run, &looked->layers[i].local);
    }
  descry_run_release (looked->run, &looked->visual);
  descry_run_release (looked->run, &looked->local);
  g_free (looked->layers);
  g_free (looked->visual_first);
  g_free (looked->n_visual);
  g_free (looked->local_first);
  g_free (looked->n_local);
  g_free (looked);
}
