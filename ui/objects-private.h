/* objects-private.h - shared by the list of objects, its rows and its tags
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "ui/objects.h"

#include <adwaita.h>

#include "ui/badge.h"

G_BEGIN_DECLS

/* A row's object, or the heading of those that follow it: only the id, since each scene has new objects. */
#define DESCRY_TYPE_OBJECT_ITEM (descry_object_item_get_type ())
G_DECLARE_FINAL_TYPE (DescryObjectItem, descry_object_item, DESCRY, OBJECT_ITEM, GObject)

struct _DescryObjectItem
{
  GObject parent_instance;
  guint   id; /* 0: a heading */
  char   *name; /* of a heading; NULL: of the others */
  guint   n; /* of a heading: how many follow it */
};

typedef struct
{
  DescryObjects    *panel;
  guint             id; /* 0: a heading, or not bound */
  DescryObjectItem *item; /* or NULL: not bound */
  GtkWidget        *stack; /* the row's widget: an object or a heading */
  GtkWidget        *box;
  GtkWidget        *heading;
  GtkWidget        *title; /* of a heading */
  GtkToggleButton  *all; /* the eye of a heading */
  DescryBadge      *badge;
  GtkLabel         *name;
  GtkLabel         *detail;
  GtkLabel         *score;
  GtkWidget        *ask;
  GtkToggleButton  *solo;
  GtkToggleButton  *eye;
} DescryObjectRow;

struct _DescryObjects
{
  GtkWidget          parent_instance;

  GtkStack          *stack;
  AdwStatusPage     *empty;
  GtkWidget         *lower;
  GtkWidget         *none; /* the same below the tags */
  GtkLabel          *none_label;
  GtkWidget         *none_lower;
  GtkFlowBox        *tags;
  GtkListView       *list;
  GtkWidget         *bar; /* above the list */
  GtkLabel          *count;
  char              *order; /* of descry_object_order() */

  DescryCanvas      *canvas;
  GListStore        *store; /* of DescryObjectItem */
  GtkMultiSelection *selection;
  GPtrArray         *rows; /* of DescryObjectRow: those that exist; owned by their boxes */
  GPtrArray         *tag_names; /* of char *: what the flow box shows */
  GtkWidget         *menu;
  gboolean           grouped; /* by name */
  gboolean           updating; /* our own changes of selection or toggles */
};

extern guint descry_objects_signals[];
enum { OBJECTS_ASK_ABOUT, OBJECTS_N_SIGNALS };

/* Rows (object-rows.c) */
void descry_objects_init_rows    (DescryObjects *self);
void descry_objects_refresh_row  (DescryObjects *self, DescryObjectRow *row);
void descry_objects_select_group (DescryObjects *self, const DescryObjectItem *heading);

/* Tags (object-tags.c) */
void descry_objects_update_tags  (DescryObjects *self);

G_END_DECLS
