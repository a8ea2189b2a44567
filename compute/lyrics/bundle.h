/* bundle.h - which networks fill the slots
 *
 * A folder with `bundle.json`. File names in it are plain base names in that folder; each has a
 * SHA-256, a size and a licence. A slot may be empty; the reason is kept for the user.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/error.h"
#include "compute/lyrics/prompt.h"

G_BEGIN_DECLS

typedef enum
{
  DESCRY_SLOT_TAGGER,
  DESCRY_SLOT_DETECTOR,  /* may hold several files: compact has NanoDet and CenterNet */
  DESCRY_SLOT_SEGMENTER,
  DESCRY_SLOT_ENCODER,
  DESCRY_SLOT_CONNECTOR,
  DESCRY_SLOT_LLM,
  DESCRY_N_SLOTS
} DescrySlot;

const char *descry_slot_name (DescrySlot slot); /* "tagger" …, as in bundle.json */

typedef struct
{
  char     *file; /* base name */
  char     *path; /* absolute */
  char     *title; /* "NanoDet-g, COCO" */
  char     *licence;
  char     *source; /* package and version */
  char     *sha256; /* hex */
  guint64   size;
  gboolean  present; /* file is there with this size */
} DescryBundleFile;

typedef struct
{
  char           *path; /* of the folder */
  char           *name;
  char           *title;
  GPtrArray      *slots[DESCRY_N_SLOTS]; /* of DescryBundleFile */
  char           *missing[DESCRY_N_SLOTS]; /* why the slot cannot be used, or NULL */
  DescrySceneText scene_text;
} DescryBundle;

/* @name: a folder, or a name looked up in the user's data folder, then the installed one; NULL: "compact". */
DescryBundle *descry_bundle_open   (const char *name, GError **error);
void          descry_bundle_free   (DescryBundle *bundle);

/* Reads the whole file; remembered by (device, inode, mtime, size) in the cache folder. */
gboolean      descry_bundle_verify (DescryBundle *bundle, DescryBundleFile *file, GCancellable *cancellable, GError **error);

/* The same with news of how far it is, 0…1, from the calling thread. A remembered hash comes without any. */
typedef void (*DescryBundleProgress) (double fraction, gpointer data);
gboolean      descry_bundle_verify_watched (DescryBundle *bundle, DescryBundleFile *file, DescryBundleProgress progress, gpointer data,
                                            GCancellable *cancellable, GError **error);

/* What an earlier verification of the file as it is now found; reads nothing but that. */
typedef enum { DESCRY_HASH_UNKNOWN, DESCRY_HASH_RIGHT, DESCRY_HASH_WRONG } DescryHashState;
DescryHashState descry_bundle_hash_state (const DescryBundleFile *file);

/* The architectures that a slot can run, ending with NULL. */
const char *const *descry_bundle_architectures (DescrySlot slot);

/* Whether @path is a GGUF of an architecture that @slot can run, or adapters for one in the llm slot; the error names
 * file, expected, found. */
gboolean      descry_bundle_fits   (DescrySlot slot, const char *path, GError **error);

/* An empty bundle in the user's folder, if there is none of this name. NULL: "compact". */
DescryBundle *descry_bundle_create (const char *name, GError **error);

/* Copies @path (a GGUF) into the bundle and makes it the one file of @slot; writes bundle.json anew. Adapters join the
 * language model that is there, in the place of other adapters. */
gboolean      descry_bundle_add    (DescryBundle *bundle, DescrySlot slot, const char *path, GError **error);
gboolean      descry_bundle_remove (DescryBundle *bundle, DescrySlot slot, const char *file, GError **error);

/* The user's folder of bundles: $XDG_DATA_HOME/descry/bundles. (transfer full) */
char         *descry_bundle_folder (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (DescryBundle, descry_bundle_free)

G_END_DECLS
