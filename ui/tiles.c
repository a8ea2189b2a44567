/* tiles.c - a photo and its masks as textures, made by workers
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-tiles"

#include "config.h"

#include "ui/tiles.h"

#include <math.h>

#include "ui/main-thread.h"
#include "ui/overlay.h"
#include "ui/pyramid.h"

#define MAX_MASK_SIDE 2048
#define TRACE_SIDE 1024
#define TILE_BUDGET (128u << 20) /* bytes */
#define MASK_BUDGET (96u << 20)
#define SETTLE_MS 70

/* --------- The tiler ------------------ */

typedef struct
{
  GdkTexture *texture; /* NULL while it is being made */
  guint64     used; /* stamp of the last view that wanted it */
} Tile;

/* Tiles of one scale. */
typedef struct
{
  guint       width; /* of the scaled picture, device pixels */
  guint       height;
  GHashTable *tiles; /* column | row << 16 -> Tile */
} TileSet;

typedef struct
{
  DescryMask *mask;
  GArray     *contour; /* shared by all scales; NULL until traced */
  GdkTexture *texture;
  double      scale; /* of the texture */
  double      wanted; /* scale asked for, 0 if none */
  gboolean    seen; /* by the newest scene */
} MaskEntry;

struct _DescryTiler
{
  int             refs; /* main thread: the owner and the jobs' results */
  gboolean        closed;
  DescryTilerFunc changed;
  gpointer        changed_data;

  DescryImage    *image; /* given last */
  guint           generation; /* of the image */
  DescryPyramid        *pyramid; /* NULL while it is built */

  double          scale; /* wanted */
  GdkRectangle    visible;
  guint           settle_source;
  TileSet        *set; /* being filled, at the wanted scale */
  TileSet        *old_set; /* shown below until the new one covers the view */
  guint64         stamp;
  gsize           tile_bytes;

  GHashTable     *masks; /* id -> MaskEntry */
  gsize           mask_bytes;

  GThreadPool    *pool;
  int             serial; /* atomic: newest tile request, so that stale ones are skipped */
  DescryTilerStats stats;
};

typedef enum { JOB_PYRAMID, JOB_TILE, JOB_MASK } JobKind;

typedef struct
{
  JobKind      kind;
  DescryTiler *tiler; /* counted on the main thread only */
  int         *serial; /* borrowed from the tiler, read atomically */
  int          set_serial;
  guint        generation;

  DescryImage *image;
  DescryPyramid     *pyramid; /* in for tiles, out for pyramids */
  guint        column, row, width, height;

  DescryObject object; /* id and mask only */
  GArray      *contour;
  double       scale;

  GdkTexture  *texture; /* out */
} Job;

static void
tile_free (gpointer data)
{
  Tile *tile = data;

  g_clear_object (&tile->texture);
  g_free (tile);
}

static TileSet *
tile_set_new (guint width,
              guint height)
{
  TileSet *set = g_new0 (TileSet, 1);

  set->width = width;
  set->height = height;
  set->tiles = g_hash_table_new_full (NULL, NULL, NULL, tile_free);
  return set;
}

static void
tile_set_free (TileSet *set)
{
  g_hash_table_unref (set->tiles);
  g_free (set);
}

static void
mask_entry_free (gpointer data)
{
  MaskEntry *entry = data;

  descry_mask_unref (entry->mask);
  g_clear_pointer (&entry->contour, g_array_unref);
  g_clear_object (&entry->texture);
  g_free (entry);
}

static gsize
texture_bytes (GdkTexture *texture)
{
  return texture == NULL ? 0 : (gsize) gdk_texture_get_width (texture) * gdk_texture_get_height (texture) * 4;
}

static void
drop_tiler (DescryTiler *self)
{
  if (--self->refs > 0)
    return;

  g_clear_pointer (&self->image, descry_image_unref);
  g_clear_pointer (&self->pyramid, descry_pyramid_unref);
  g_clear_pointer (&self->set, tile_set_free);
  g_clear_pointer (&self->old_set, tile_set_free);
  g_clear_pointer (&self->masks, g_hash_table_unref);
  g_free (self);
}

static void
job_free (Job *job)
{
  g_clear_pointer (&job->image, descry_image_unref);
  g_clear_pointer (&job->pyramid, descry_pyramid_unref);
  g_clear_pointer (&job->object.mask, descry_mask_unref);
  g_clear_pointer (&job->contour, g_array_unref);
  g_clear_object (&job->texture);
  g_free (job);
}

static void ask_for_tiles (DescryTiler *self);

static gboolean
deliver_cb (gpointer data)
{
  Job *job = data;
  DescryTiler *self = job->tiler;

  descry_assert_main_thread ();
  self->stats.pending--;

  if (!self->closed && job->kind == JOB_PYRAMID && job->generation == self->generation)
    {
      self->pyramid = g_steal_pointer (&job->pyramid);
      ask_for_tiles (self);
      self->changed (self->changed_data);
    }
  else if (!self->closed && job->kind == JOB_TILE && self->set != NULL && job->set_serial == self->serial)
    {
      gpointer key = GUINT_TO_POINTER (job->column | job->row << 16);
      Tile *tile = g_hash_table_lookup (self->set->tiles, key);

      if (tile != NULL && job->texture != NULL)
        {
          tile->texture = g_steal_pointer (&job->texture);
          self->tile_bytes += texture_bytes (tile->texture);
          self->stats.tiles++;
          self->changed (self->changed_data);
        }
    }
  else if (!self->closed && job->kind == JOB_MASK)
    {
      MaskEntry *entry = g_hash_table_lookup (self->masks, GUINT_TO_POINTER (job->object.id));

      if (entry != NULL && entry->mask == job->object.mask)
        {
          if (entry->contour == NULL)
            entry->contour = g_steal_pointer (&job->contour);
          if (job->texture != NULL)
            {
              self->mask_bytes -= texture_bytes (entry->texture);
              g_clear_object (&entry->texture);
              entry->texture = g_steal_pointer (&job->texture);
              entry->scale = job->scale;
              self->mask_bytes += texture_bytes (entry->texture);
              self->stats.masks++;
              self->changed (self->changed_data);
            }
        }
    }

  drop_tiler (self);
  job_free (job);
  return G_SOURCE_REMOVE;
}

static void
make_mask_texture (Job *job)
{
  DescryMask *mask = job->object.mask;
  DescryView view;
  cairo_surface_t *surface;
  cairo_t *cr;
  GBytes *bytes;
  guint width, height;

  if (job->contour == NULL)
    job->contour = descry_overlay_trace (mask, TRACE_SIDE);
  if (job->contour == NULL)
    return;

  /* One pixel around the mask for the outer half of its outline. */
  width = (guint) ceil ((mask->x1 - mask->x0) * job->scale) + 2;
  height = (guint) ceil ((mask->y1 - mask->y0) * job->scale) + 2;
  surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, width, height);
  if (cairo_surface_status (surface) == CAIRO_STATUS_SUCCESS)
    {
      descry_view_init (&view);
      view.scale = job->scale;
      view.x = 1.0 - mask->x0 * job->scale;
      view.y = 1.0 - mask->y0 * job->scale;
      cr = cairo_create (surface);
      descry_overlay_draw_mask (cr, &job->object, job->contour, &view);
      cairo_destroy (cr);
      cairo_surface_flush (surface);
      bytes = g_bytes_new_with_free_func (cairo_image_surface_get_data (surface),
                                          (gsize) cairo_image_surface_get_stride (surface) * height,
                                          (GDestroyNotify) cairo_surface_destroy,
                                          cairo_surface_reference (surface));
      job->texture = gdk_memory_texture_new (width, height, GDK_MEMORY_DEFAULT, bytes, cairo_image_surface_get_stride (surface));
      g_bytes_unref (bytes);
    }
  cairo_surface_destroy (surface);
}

static void
job_worker (gpointer data,
            gpointer unused)
{
  Job *job = data;

  if (job->kind == JOB_PYRAMID)
    job->pyramid = descry_pyramid_new (job->image);
  else if (job->kind == JOB_MASK)
    make_mask_texture (job);
  else if (g_atomic_int_get (job->serial) == job->set_serial) /* else the scale has changed meanwhile */
    job->texture = descry_pyramid_cut (job->pyramid, job->width, job->height,
                             job->column * DESCRY_TILE_SIDE, job->row * DESCRY_TILE_SIDE,
                             MIN (DESCRY_TILE_SIDE, job->width - job->column * DESCRY_TILE_SIDE),
                             MIN (DESCRY_TILE_SIDE, job->height - job->row * DESCRY_TILE_SIDE));

  g_idle_add_full (G_PRIORITY_DEFAULT, deliver_cb, job, NULL);
}

static int
compare_jobs (gconstpointer a,
              gconstpointer b,
              gpointer      data)
{
  return (int) ((const Job *) a)->kind - (int) ((const Job *) b)->kind;
}

static Job *
job_new (DescryTiler *self,
         JobKind      kind)
{
  Job *job = g_new0 (Job, 1);

  job->kind = kind;
  job->tiler = self;
  job->serial = &self->serial;
  job->set_serial = self->serial;
  job->generation = self->generation;
  self->refs++;
  self->stats.pending++;
  return job;
}

static void
push_job (DescryTiler *self,
          Job         *job)
{
  g_thread_pool_push (self->pool, job, NULL);
}

static gboolean
is_unused_tile (gpointer key,
                gpointer value,
                gpointer data)
{
  DescryTiler *self = data;
  Tile *tile = value;

  if (tile->used == self->stamp || tile->texture == NULL || self->tile_bytes <= TILE_BUDGET / 2)
    return FALSE;

  self->tile_bytes -= texture_bytes (tile->texture);
  return TRUE;
}

static void
ask_for_tiles (DescryTiler *self)
{
  guint width, height;
  int columns, rows;
  int x, y, ring;

  if (self->pyramid == NULL || self->scale <= 0)
    return;

  width = MAX (1, (guint) round (self->pyramid->image->width * self->scale));
  height = MAX (1, (guint) round (self->pyramid->image->height * self->scale));
  if (self->set == NULL || self->set->width != width || self->set->height != height)
    {
      /* What is on screen stays below the new set, unless it had nothing yet. */
      if (self->set != NULL)
        {
          if (self->old_set == NULL || g_hash_table_size (self->set->tiles) > 0)
            {
              g_clear_pointer (&self->old_set, tile_set_free);
              self->old_set = g_steal_pointer (&self->set);
            }
          g_clear_pointer (&self->set, tile_set_free);
        }
      self->set = tile_set_new (width, height);
      self->tile_bytes = 0;
      g_atomic_int_inc (&self->serial);
    }

  self->stamp++;
  columns = (width + DESCRY_TILE_SIDE - 1) / DESCRY_TILE_SIDE;
  rows = (height + DESCRY_TILE_SIDE - 1) / DESCRY_TILE_SIDE;

  /* The view first, then the ring around it, for the next step of a pan. */
  for (ring = 0; ring <= 1; ring++)
    {
      int x0 = MAX (0, self->visible.x / DESCRY_TILE_SIDE - ring);
      int y0 = MAX (0, self->visible.y / DESCRY_TILE_SIDE - ring);
      int x1 = MIN (columns - 1, (self->visible.x + self->visible.width - 1) / DESCRY_TILE_SIDE + ring);
      int y1 = MIN (rows - 1, (self->visible.y + self->visible.height - 1) / DESCRY_TILE_SIDE + ring);

      for (y = y0; y <= y1; y++)
        for (x = x0; x <= x1; x++)
          {
            gpointer key = GUINT_TO_POINTER ((guint) x | (guint) y << 16);
            Tile *tile = g_hash_table_lookup (self->set->tiles, key);

            if (tile == NULL)
              {
                Job *job = job_new (self, JOB_TILE);

                tile = g_new0 (Tile, 1);
                g_hash_table_insert (self->set->tiles, key, tile);
                job->pyramid = descry_pyramid_ref (self->pyramid);
                job->column = x;
                job->row = y;
                job->width = width;
                job->height = height;
                push_job (self, job);
              }
            tile->used = self->stamp;
          }
    }

  if (self->tile_bytes > TILE_BUDGET)
    g_hash_table_foreach_remove (self->set->tiles, is_unused_tile, self);
}

static gboolean
settle_cb (gpointer data)
{
  DescryTiler *self = data;

  self->settle_source = 0;
  ask_for_tiles (self);
  self->changed (self->changed_data);
  return G_SOURCE_REMOVE;
}

DescryTiler *
descry_tiler_new (DescryTilerFunc changed,
                  gpointer        data)
{
  DescryTiler *self = g_new0 (DescryTiler, 1);

  self->refs = 1;
  self->changed = changed;
  self->changed_data = data;
  self->masks = g_hash_table_new_full (NULL, NULL, NULL, mask_entry_free);
  self->pool = g_thread_pool_new (job_worker, NULL, MIN (g_get_num_processors (), 4), FALSE, NULL);
  g_thread_pool_set_sort_function (self->pool, compare_jobs, NULL);
  return self;
}

void
descry_tiler_free (DescryTiler *self)
{
  descry_assert_main_thread ();

  self->closed = TRUE;
  g_atomic_int_inc (&self->serial);
  g_clear_handle_id (&self->settle_source, g_source_remove);
  /* Queued jobs still run, each comes back and is dropped there; nothing waits here. */
  g_thread_pool_free (g_steal_pointer (&self->pool), FALSE, FALSE);
  drop_tiler (self);
}

void
descry_tiler_set_image (DescryTiler *self,
                        DescryImage *image)
{
  descry_assert_main_thread ();

  if (image == self->image)
    return;

  self->generation++;
  g_atomic_int_inc (&self->serial);
  g_clear_pointer (&self->image, descry_image_unref);
  g_clear_pointer (&self->pyramid, descry_pyramid_unref);
  g_clear_pointer (&self->set, tile_set_free);
  g_clear_pointer (&self->old_set, tile_set_free);
  g_hash_table_remove_all (self->masks);
  self->tile_bytes = self->mask_bytes = 0;

  if (image != NULL)
    {
      Job *job = job_new (self, JOB_PYRAMID);

      self->image = descry_image_ref (image);
      job->image = descry_image_ref (image);
      push_job (self, job);
    }
  self->changed (self->changed_data);
}

gboolean
descry_tiler_is_ready (DescryTiler *self)
{
  return self->pyramid != NULL;
}

void
descry_tiler_set_view (DescryTiler        *self,
                       double              scale,
                       const GdkRectangle *visible)
{
  gboolean same_scale = scale == self->scale;
  gboolean first = self->set == NULL;

  descry_assert_main_thread ();

  self->scale = scale;
  self->visible = *visible;
  if (same_scale && self->settle_source != 0)
    return;
  if (same_scale || first)
    {
      ask_for_tiles (self);
      return;
    }

  /* Tiles of a scale that is passed through would be thrown away at once. */
  g_clear_handle_id (&self->settle_source, g_source_remove);
  self->settle_source = g_timeout_add (SETTLE_MS, settle_cb, self);
}

/* Whether each tile that is seen is there. */
static gboolean
set_covers (TileSet               *set,
            double                 unit, /* application pixels of one device pixel of the set */
            const graphene_rect_t *visible)
{
  double side = DESCRY_TILE_SIDE * unit;
  int x0 = MAX (0, (int) floor (visible->origin.x / side));
  int y0 = MAX (0, (int) floor (visible->origin.y / side));
  int x1 = MIN ((int) (set->width - 1) / DESCRY_TILE_SIDE, (int) floor ((visible->origin.x + visible->size.width - 0.01) / side));
  int y1 = MIN ((int) (set->height - 1) / DESCRY_TILE_SIDE, (int) floor ((visible->origin.y + visible->size.height - 0.01) / side));
  int x, y;

  for (y = y0; y <= y1; y++)
    for (x = x0; x <= x1; x++)
      {
        Tile *tile = g_hash_table_lookup (set->tiles, GUINT_TO_POINTER ((guint) x | (guint) y << 16));

        if (tile == NULL || tile->texture == NULL)
          return FALSE;
      }

  return TRUE;
}

static void
snapshot_set (TileSet               *set,
              GtkSnapshot           *snapshot,
              double                 unit,
              const graphene_rect_t *visible)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, set->tiles);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      Tile *tile = value;
      guint x = (GPOINTER_TO_UINT (key) & 0xffff) * DESCRY_TILE_SIDE;
      guint y = (GPOINTER_TO_UINT (key) >> 16) * DESCRY_TILE_SIDE;
      graphene_rect_t place;

      if (tile->texture == NULL)
        continue;
      graphene_rect_init (&place, x * unit, y * unit,
                          gdk_texture_get_width (tile->texture) * unit, gdk_texture_get_height (tile->texture) * unit);
      if (graphene_rect_intersection (&place, visible, NULL))
        gtk_snapshot_append_texture (snapshot, tile->texture, &place);
    }
}

void
descry_tiler_snapshot (DescryTiler           *self,
                       GtkSnapshot           *snapshot,
                       double                 scale,
                       int                    scale_factor,
                       const graphene_rect_t *visible)
{
  double width, height;
  double unit = 0;
  gboolean exact = FALSE;

  if (self->pyramid == NULL)
    return;

  width = self->pyramid->image->width * scale;
  height = self->pyramid->image->height * scale;
  if (self->set != NULL)
    {
      /* Exactly one device pixel where the sizes agree: then no pixel is resampled. */
      unit = width / self->set->width;
      exact = fabs (unit * scale_factor - 1.0) * MAX (self->set->width, self->set->height) < 1.0;
      if (exact)
        unit = 1.0 / scale_factor;
    }

  if (self->set == NULL || !exact || !set_covers (self->set, unit, visible))
    {
      GdkTexture *best = NULL;
      graphene_rect_t place;
      guint i;

      /* The overview nearest to the scale: reduced by less than 3/4 a renderer may take a slow, good filter. */
      for (i = 0; i < self->pyramid->overviews->len; i++)
        {
          GdkTexture *overview = g_ptr_array_index (self->pyramid->overviews, i);

          if (best == NULL || gdk_texture_get_width (overview) >= width * scale_factor * 0.75)
            best = overview;
        }
      graphene_rect_init (&place, 0, 0, width, height);
      if (best != NULL)
        gtk_snapshot_append_texture (snapshot, best, &place);
      if (self->old_set != NULL)
        {
          double old_unit = width / self->old_set->width;

          if (old_unit * scale_factor >= 0.75)
            snapshot_set (self->old_set, snapshot, old_unit, visible);
        }
    }
  else
    g_clear_pointer (&self->old_set, tile_set_free);

  if (self->set != NULL && unit * scale_factor >= 0.75)
    snapshot_set (self->set, snapshot, unit, visible);
}

GdkTexture *
descry_tiler_mask (DescryTiler        *self,
                   const DescryObject *object,
                   graphene_rect_t    *place)
{
  MaskEntry *entry = g_hash_table_lookup (self->masks, GUINT_TO_POINTER (object->id));

  if (entry == NULL || entry->texture == NULL)
    return NULL;

  graphene_rect_init (place, entry->mask->x0 - 1.0 / entry->scale, entry->mask->y0 - 1.0 / entry->scale,
                      gdk_texture_get_width (entry->texture) / entry->scale,
                      gdk_texture_get_height (entry->texture) / entry->scale);
  return entry->texture;
}

static gboolean
is_gone (gpointer key,
         gpointer value,
         gpointer data)
{
  DescryTiler *self = data;
  MaskEntry *entry = value;

  if (entry->seen)
    return FALSE;

  self->mask_bytes -= texture_bytes (entry->texture);
  return TRUE;
}

void
descry_tiler_set_masks (DescryTiler           *self,
                        DescryScene           *scene,
                        const graphene_rect_t *visible)
{
  GHashTableIter iter;
  gpointer value;
  guint i;

  descry_assert_main_thread ();

  g_hash_table_iter_init (&iter, self->masks);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    ((MaskEntry *) value)->seen = FALSE;

  for (i = 0; scene != NULL && i < scene->objects->len; i++)
    {
      const DescryObject *object = g_ptr_array_index (scene->objects, i);
      gpointer key = GUINT_TO_POINTER (object->id);
      MaskEntry *entry = g_hash_table_lookup (self->masks, key);
      graphene_rect_t bounds;
      guint side;
      double scale;

      if (object->mask == NULL || object->mask->area == 0)
        continue;
      if (entry == NULL || entry->mask != object->mask)
        {
          if (entry != NULL)
            self->mask_bytes -= texture_bytes (entry->texture);
          entry = g_new0 (MaskEntry, 1);
          entry->mask = descry_mask_ref (object->mask);
          g_hash_table_replace (self->masks, key, entry);
        }
      entry->seen = TRUE;

      side = MAX (object->mask->x1 - object->mask->x0, object->mask->y1 - object->mask->y0);
      scale = MIN (self->scale, (double) MAX_MASK_SIDE / side);
      graphene_rect_init (&bounds, object->mask->x0, object->mask->y0,
                          object->mask->x1 - object->mask->x0, object->mask->y1 - object->mask->y0);
      if (scale <= 0 || entry->wanted == scale || !graphene_rect_intersection (&bounds, visible, NULL))
        continue;
      /* A mask that has a texture waits until the scale is settled. */
      if (entry->texture != NULL && self->settle_source != 0)
        continue;
      if (self->mask_bytes > MASK_BUDGET && entry->texture != NULL)
        continue;

      entry->wanted = scale;
      {
        Job *job = job_new (self, JOB_MASK);

        job->object.id = object->id;
        job->object.mask = descry_mask_ref (object->mask);
        job->contour = entry->contour != NULL ? g_array_ref (entry->contour) : NULL;
        job->scale = scale;
        push_job (self, job);
      }
    }

  g_hash_table_foreach_remove (self->masks, is_gone, self);
}

void
descry_tiler_get_stats (DescryTiler      *self,
                        DescryTilerStats *stats)
{
  *stats = self->stats;
  stats->bytes = self->tile_bytes + self->mask_bytes;
}
