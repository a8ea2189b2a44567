/* composer.c - one synthetic picture: cut-outs on a landscape, and everything that is known about it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/synthetic/composer.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"
#include "compute/train/synthetic/questions.h"

#define WIDTH    DESCRY_COMPOSED_WIDTH
#define HEIGHT   DESCRY_COMPOSED_HEIGHT
#define RECOLOUR 0.45 /* of the objects */
#define VISIBLE  0.7  /* of an object that later ones may leave */
#define OVERLAP  0.12 /* of the smaller box */
#define TRIES    40

static const struct { const char *word; guint8 rgb[3]; } paints[] = {
  { "red", { 205, 30, 35 } }, { "orange", { 240, 130, 20 } }, { "yellow", { 245, 215, 40 } }, { "green", { 40, 155, 50 } }, { "blue", { 35, 85, 205 } },
  { "purple", { 125, 50, 165 } }, { "pink", { 245, 125, 180 } }, { "brown", { 120, 75, 40 } }, { "black", { 28, 28, 30 } }, { "white", { 242, 242, 242 } }, { "gray", { 130, 130, 130 } },
};

/* A cut-out where it lies in the picture. */
typedef struct
{
  const DescryCutout *cutout;
  const char *color;
  guint       x, y, w, h;
  float      *rgba; /* [h, w, 4] premultiplied, 0..1; descry_free() */
} Placed;

typedef struct
{
  GRand       *rand;
  DescryStock *stock;
  DescrySplit  split;
  DescryImage *image;
  Placed       placed[DESCRY_COMPOSED_MOST];
  guint        n;
} Composer;

static double
uniform (Composer *composer,
         double    low,
         double    high)
{
  return g_rand_double_range (composer->rand, low, high);
}

static guint
pick (Composer *composer,
      guint     n)
{
  return g_rand_int (composer->rand) % n;
}

/* Mean over each pixel's 3 x 3 neighbours, @times times. */
static gboolean
blur (DescryImage *image,
      guint        times)
{
  const gsize row = 3 * (gsize) image->width;
  guint8 *copy = descry_try_alloc (row * image->height, 1);
  guint y, t;
  gsize i;

  if (copy == NULL)
    return FALSE;
  for (t = 0; t < times; t++)
    {
      memcpy (copy, image->pixels, row * image->height);
      for (y = 1; y + 1 < image->height; y++)
        for (i = 3; i + 3 < row; i++)
          {
            const guint8 *at = copy + y * row + i;

            image->pixels[y * row + i] = (guint8) ((at[-3] + at[0] + at[3] + at[-3 - (gssize) row] + at[-(gssize) row] + at[3 - (gssize) row]
                                                    + at[row - 3] + at[row] + at[row + 3] + 4) / 9);
          }
    }
  descry_free (copy);

  return TRUE;
}

static void
light (DescryImage *image,
       double       gain,
       double       warmth)
{
  const double gains[3] = { gain * (1.0 + warmth), gain, gain * (1.0 - warmth) };
  guint8 table[3][256];
  gsize n = (gsize) image->width * image->height, i;
  guint c, v;

  for (c = 0; c < 3; c++)
    for (v = 0; v < 256; v++)
      table[c][v] = (guint8) CLAMP (lround (v * gains[c]), 0, 255);
  for (i = 0; i < n; i++)
    for (c = 0; c < 3; c++)
      image->pixels[3 * i + c] = table[c][image->pixels[3 * i + c]];
}

static void
mirror (DescryImage *image)
{
  guint x, y, c;

  for (y = 0; y < image->height; y++)
    for (x = 0; x < image->width / 2; x++)
      for (c = 0; c < 3; c++)
        {
          guint8 *a = image->pixels + 3 * ((gsize) y * image->width + x) + c, *b = image->pixels + 3 * ((gsize) y * image->width + image->width - 1 - x) + c, v = *a;

          *a = *b;
          *b = v;
        }
}

/* A part of a landscape of the picture's shape. */
static const DescryLandscape *
lay_ground (Composer *composer,
            GError  **error)
{
  GPtrArray *all = composer->stock->landscapes[composer->split];
  const DescryLandscape *landscape = g_ptr_array_index (all, pick (composer, all->len));
  const DescryImage *from = landscape->image;
  double part = uniform (composer, 0.75, 1.0);
  guint h = (guint) (from->height * part), w = MIN (h * WIDTH / HEIGHT, from->width), x = pick (composer, from->width - w + 1), y = pick (composer, from->height - h + 1);

  composer->image = descry_image_resize (landscape->image, x, y, x + w, y + h, WIDTH, HEIGHT, DESCRY_FILTER_BILINEAR, error);
  if (composer->image == NULL)
    return NULL;
  if (pick (composer, 2) == 0)
    mirror (composer->image);
  if (!blur (composer->image, pick (composer, 3)))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for a landscape");
      return NULL;
    }

  return landscape;
}

/* Grey values of @cutout between which most of it lies. */
static void
find_range (const DescryCutout *cutout,
            double             *low,
            double             *high)
{
  guint counts[256] = { 0 }, total = 0, sum = 0, i;

  for (i = 0; i < cutout->width * cutout->height; i++)
    {
      const guint8 *pixel = cutout->rgba + 4 * (gsize) i;

      if (pixel[3] < 128)
        continue;
      counts[(pixel[0] * 77 + pixel[1] * 150 + pixel[2] * 29) >> 8]++;
      total++;
    }
  *low = 0.0;
  *high = 255.0;
  for (i = 0; i < 256; i++)
    {
      if (sum < total / 20 && sum + counts[i] >= total / 20)
        *low = i;
      if (sum < total - total / 20 && sum + counts[i] >= total - total / 20)
        *high = i;
      sum += counts[i];
    }
  if (*high < *low + 24.0)
    *high = *low + 24.0;
}

/* Shades stay, hue and base brightness become the paint's. */
static void
paint (const double rgb[3],
       double       low,
       double       high,
       float        pixel[4])
{
  double grey = 255.0 * (0.3 * pixel[0] + 0.59 * pixel[1] + 0.11 * pixel[2]), shade = CLAMP ((grey - low) / (high - low), -0.2, 1.2) - 0.5;
  guint c;

  for (c = 0; c < 3; c++)
    pixel[c] = (float) CLAMP ((rgb[c] * (1.0 + 0.45 * shade) + 26.0 * shade) / 255.0, 0.0, 1.0);
}

/* The pixel at (@x, @y) in a cut-out's own pixels, bilinear, premultiplied; transparent outside. */
static void
sample (const DescryCutout *cutout,
        double              x,
        double              y,
        float               out[4])
{
  int x0 = (int) floor (x - 0.5), y0 = (int) floor (y - 0.5), i, j, c;
  double fx = x - 0.5 - x0, fy = y - 0.5 - y0;

  memset (out, 0, 4 * sizeof (float));
  for (j = 0; j < 2; j++)
    for (i = 0; i < 2; i++)
      {
        double weight = (i ? fx : 1.0 - fx) * (j ? fy : 1.0 - fy);
        const guint8 *pixel;

        if (x0 + i < 0 || y0 + j < 0 || x0 + i >= (int) cutout->width || y0 + j >= (int) cutout->height)
          continue;
        pixel = cutout->rgba + 4 * ((gsize) (y0 + j) * cutout->width + (guint) (x0 + i));
        for (c = 0; c < 3; c++)
          out[c] += (float) (weight * pixel[c] * pixel[3] / (255.0 * 255.0));
        out[3] += (float) (weight * pixel[3] / 255.0);
      }
}

/* Enlarges or reduces (mean of as many samples as an output pixel covers), mirrors, paints, lights. */
static gboolean
render (Composer *composer,
        Placed   *placed)
{
  const DescryCutout *cutout = placed->cutout;
  const double sx = (double) cutout->width / placed->w, sy = (double) cutout->height / placed->h;
  const guint nx = (guint) CLAMP (ceil (sx), 1, 8), ny = (guint) CLAMP (ceil (sy), 1, 8);
  gboolean mirrored = pick (composer, 2) == 0, painted = uniform (composer, 0.0, 1.0) < RECOLOUR;
  guint which = pick (composer, G_N_ELEMENTS (paints)), x, y, i, j, c;
  double rgb[3], low, high, gain = uniform (composer, 0.85, 1.12), jitter = uniform (composer, -10.0, 10.0);

  placed->rgba = descry_try_alloc ((gsize) placed->w * placed->h * 4, sizeof (float));
  if (placed->rgba == NULL)
    return FALSE;
  find_range (cutout, &low, &high);
  for (c = 0; c < 3; c++)
    rgb[c] = CLAMP (paints[which].rgb[c] + jitter, 0.0, 255.0);
  placed->color = painted ? paints[which].word : cutout->color;

  for (y = 0; y < placed->h; y++)
    for (x = 0; x < placed->w; x++)
      {
        float *out = placed->rgba + 4 * ((gsize) y * placed->w + (mirrored ? placed->w - 1 - x : x)), one[4];

        for (j = 0; j < ny; j++)
          for (i = 0; i < nx; i++)
            {
              sample (cutout, (x + (i + 0.5) / nx) * sx, (y + (j + 0.5) / ny) * sy, one);
              for (c = 0; c < 4; c++)
                out[c] += one[c] / (float) (nx * ny);
            }
        if (out[3] < 1e-3f)
          continue;
        if (painted)
          {
            memcpy (one, out, sizeof one);
            for (c = 0; c < 3; c++)
              one[c] /= out[3];
            paint (rgb, low, high, one);
            for (c = 0; c < 3; c++)
              out[c] = one[c] * out[3];
          }
        for (c = 0; c < 3; c++)
          out[c] = MIN (out[c] * (float) gain, out[3]);
      }

  return TRUE;
}

static gboolean
is_free (const Composer *composer,
         const Placed   *new)
{
  guint i;

  for (i = 0; i < composer->n; i++)
    {
      const Placed *old = &composer->placed[i];
      double w = (double) MIN (old->x + old->w, new->x + new->w) - MAX (old->x, new->x), h = (double) MIN (old->y + old->h, new->y + new->h) - MAX (old->y, new->y);

      if (w > 0.0 && h > 0.0 && w * h > OVERLAP * MIN ((double) old->w * old->h, (double) new->w * new->h))
        return FALSE;
    }

  return TRUE;
}

static const DescryCutout *
choose (Composer *composer)
{
  GPtrArray *all = composer->stock->cutouts[composer->split];
  const DescryCutout *cutout = g_ptr_array_index (all, pick (composer, all->len));
  guint i;

  /* Now and then a second one of the same kind, so that counting means something. */
  if (composer->n > 0 && pick (composer, 7) == 0)
    return composer->placed[pick (composer, composer->n)].cutout;

  /* Kinds with many files (flowers, signs) would fill the pictures: half of such draws are drawn again. */
  for (i = 0; i < 3; i++)
    {
      guint same = 0, k;

      for (k = 0; k < all->len && same < 5; k++)
        same += strcmp (((DescryCutout *) g_ptr_array_index (all, k))->noun, cutout->noun) == 0;
      if (same < 5 || pick (composer, 3) == 0)
        break;
      cutout = g_ptr_array_index (all, pick (composer, all->len));
    }

  return cutout;
}

static gboolean
place_object (Composer *composer,
              guint     wanted)
{
  Placed *placed = &composer->placed[composer->n];
  const double most = wanted <= 2 ? 0.62 : wanted == 3 ? 0.45 : 0.36;
  guint try;

  placed->cutout = choose (composer);
  for (try = 0; try < TRIES; try++)
    {
      double side = uniform (composer, 0.14, most) * HEIGHT * 1.2, aspect = (double) placed->cutout->width / placed->cutout->height;
      double w = side * sqrt (aspect), h = side / sqrt (aspect);

      if (w > WIDTH * 0.9 || h > HEIGHT * 0.9 || w < 24.0 || h < 24.0)
        continue;
      placed->w = (guint) w;
      placed->h = (guint) h;
      placed->x = pick (composer, WIDTH - placed->w);
      placed->y = pick (composer, HEIGHT - placed->h);
      if (!is_free (composer, placed))
        continue;
      if (!render (composer, placed))
        return FALSE;
      composer->n++;
      return TRUE;
    }

  return TRUE;
}

static void
draw (Composer     *composer,
      const Placed *placed)
{
  guint x, y, c;

  for (y = 0; y < placed->h; y++)
    for (x = 0; x < placed->w; x++)
      {
        const float *from = placed->rgba + 4 * ((gsize) y * placed->w + x);
        guint8 *to = composer->image->pixels + 3 * ((gsize) (placed->y + y) * WIDTH + placed->x + x);

        for (c = 0; c < 3; c++)
          to[c] = (guint8) CLAMP (lroundf (255.0f * from[c] + (1.0f - from[3]) * to[c]), 0, 255);
      }
}

/* Outline of object @which that those above it leave; NULL: too little. */
static DescryMask *
visible_mask (Composer *composer,
              guint     which)
{
  const Placed *own = &composer->placed[which];
  guint8 *bits = descry_try_alloc ((gsize) own->w * own->h, 1);
  DescryMask *mask = NULL;
  guint x, y, i, all = 0, left = 0;

  if (bits == NULL)
    return NULL;
  for (y = 0; y < own->h; y++)
    for (x = 0; x < own->w; x++)
      {
        gboolean set = own->rgba[4 * ((gsize) y * own->w + x) + 3] >= 0.5f;

        all += set;
        for (i = which + 1; i < composer->n && set; i++)
          {
            const Placed *above = &composer->placed[i];
            gint ax = (gint) (own->x + x) - (gint) above->x, ay = (gint) (own->y + y) - (gint) above->y;

            if (ax >= 0 && ay >= 0 && ax < (gint) above->w && ay < (gint) above->h)
              set = above->rgba[4 * ((gsize) ay * above->w + (gsize) ax) + 3] < 0.5f;
          }
        left += set;
        bits[(gsize) y * own->w + x] = set;
      }
  if (all > 0 && left >= VISIBLE * all)
    mask = descry_mask_new (WIDTH, HEIGHT, own->x, own->y, own->w, own->h, bits, NULL);
  descry_free (bits);

  return mask;
}

/* A detector's box is never the true one: each edge moves by some hundredths of the size. */
static DescryBox
roughen (Composer         *composer,
         const DescryMask *mask)
{
  const double w = mask->x1 - mask->x0, h = mask->y1 - mask->y0, most = pick (composer, 4) == 0 ? 0.0 : 0.05;
  DescryBox box = { (float) CLAMP (mask->x0 + uniform (composer, -most, most + 1e-9) * w, 0.0, WIDTH - 2.0),
                    (float) CLAMP (mask->y0 + uniform (composer, -most, most + 1e-9) * h, 0.0, HEIGHT - 2.0), 0.0f, 0.0f };

  box.x1 = (float) CLAMP (mask->x1 + uniform (composer, -most, most + 1e-9) * w, box.x0 + 1.0, (double) WIDTH);
  box.y1 = (float) CLAMP (mask->y1 + uniform (composer, -most, most + 1e-9) * h, box.y0 + 1.0, (double) HEIGHT);

  return box;
}

static int
compare_scores (gconstpointer a,
                gconstpointer b)
{
  const DescryPictureObject *left = *(DescryPictureObject *const *) a, *right = *(DescryPictureObject *const *) b;

  return left->score < right->score ? 1 : left->score > right->score ? -1 : 0;
}

static gboolean
compose (Composer      *composer,
         DescryPicture *picture,
         GError       **error)
{
  static const guint counts[] = { 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5 };
  guint wanted = counts[pick (composer, G_N_ELEMENTS (counts))], i;
  const DescryLandscape *landscape = lay_ground (composer, error);

  if (landscape == NULL)
    return FALSE;
  picture->scene = g_strdup (landscape->scene);
  for (i = 0; i < wanted; i++)
    if (!place_object (composer, wanted))
      {
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for a cut-out");
        return FALSE;
      }
  for (i = 0; i < composer->n; i++)
    draw (composer, &composer->placed[i]);
  light (composer->image, uniform (composer, 0.88, 1.1), uniform (composer, -0.05, 0.05));
  if (pick (composer, 4) == 0 && !blur (composer->image, 1))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for a picture");
      return FALSE;
    }

  for (i = 0; i < composer->n; i++)
    {
      g_autoptr (DescryMask) mask = visible_mask (composer, i);
      DescryPictureObject *object;
      double score = uniform (composer, 0.55, 0.99);

      if (mask == NULL)
        continue;
      object = descry_picture_add_object (picture, roughen (composer, mask), composer->placed[i].cutout->noun, composer->placed[i].color);
      object->mask = g_steal_pointer (&mask);
      object->score = (float) score;
    }
  g_ptr_array_sort (picture->objects, compare_scores);

  return TRUE;
}

DescryPicture *
descry_compose (DescryStock  *stock,
                DescrySplit   split,
                guint64       seed,
                guint64       index,
                DescryImage **image,
                GError      **error)
{
  const guint32 state[] = { (guint32) seed, (guint32) (seed >> 32), (guint32) index, (guint32) (index >> 32), split, 0x70696373u };
  g_autofree char *name = g_strdup_printf ("synthetic-%" G_GUINT64_FORMAT "-%d-%" G_GUINT64_FORMAT, seed, split, index);
  g_autoptr (DescryPicture) picture = descry_picture_new (name, WIDTH, HEIGHT);
  Composer composer = { .rand = g_rand_new_with_seed_array (state, G_N_ELEMENTS (state)), .stock = stock, .split = split };
  gboolean ok;
  guint i;

  picture->split = split;
  ok = compose (&composer, picture, error);
  if (ok)
    descry_picture_ask (picture, seed, index);
  for (i = 0; i < G_N_ELEMENTS (composer.placed); i++)
    descry_free (composer.placed[i].rgba);
  g_rand_free (composer.rand);
  if (!ok)
    {
      g_clear_pointer (&composer.image, descry_image_unref);
      return NULL;
    }
  *image = composer.image;

  return g_steal_pointer (&picture);
}
