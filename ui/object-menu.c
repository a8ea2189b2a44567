/* object-menu.c - what can be done with the selected objects, the same on the picture and in the list
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-object-menu"

#include "config.h"

#include "ui/object-menu.h"

#include <glib/gi18n.h>

/* The letters act while the picture has the focus, as a class's bindings, so the menu cannot find them itself. */
static void
append (GMenu      *menu,
        const char *label,
        const char *action,
        const char *key)
{
  g_autoptr (GMenuItem) item = g_menu_item_new (label, action);

  g_menu_item_set_attribute (item, "accel", "s", key);
  g_menu_append_item (menu, item);
}

static GMenuModel *
make_export_menu (void)
{
  static const char *const formats[][2] = {
    { "PNG…", "win.export-selection::png" }, { "SVG…", "win.export-selection::svg" },   { "PDF…", "win.export-selection::pdf" }, { "JSON…", "win.export-selection::json" },
    { "COCO…", "win.export-selection::coco" }, { "YOLO…", "win.export-selection::yolo" }, { "Pascal VOC…", "win.export-selection::voc" },
  };
  GMenu *menu = g_menu_new ();
  guint i;

  for (i = 0; i < G_N_ELEMENTS (formats); i++)
    g_menu_append (menu, formats[i][0], formats[i][1]);

  return G_MENU_MODEL (menu);
}

static GMenuModel *
make_menu (guint    n_selected,
           gboolean solo)
{
  g_autoptr (GMenu) menu = g_menu_new ();
  g_autoptr (GMenu) ask = g_menu_new ();
  g_autoptr (GMenu) edit = g_menu_new ();
  g_autoptr (GMenu) take = g_menu_new ();
  g_autoptr (GMenuModel) export = make_export_menu ();

  append (ask, n_selected > 1 ? _("_Ask About These") : _("_Ask About This"), "win.ask-about", "a");
  g_menu_append (ask, n_selected > 1 ? _("_Compare") : _("_Inspect"), "win.panel::inspect");
  g_menu_append (edit, _("_Rename…"), "win.rename");
  append (edit, _("_Hide"), "win.hide", "h");
  if (solo)
    g_menu_append (edit, _("Show _All"), "win.show-all");
  else if (n_selected == 1)
    append (edit, _("Show _Only This"), "win.solo", "o");
  g_menu_append (edit, _("_Delete"), "win.delete");
  g_menu_append_section (menu, NULL, G_MENU_MODEL (ask));
  g_menu_append (take, _("_Copy Cut-Out"), "win.copy-cut-out");
  g_menu_append (take, _("_Save Cut-Out…"), "win.cut-out");
  g_menu_append_submenu (take, n_selected > 1 ? _("_Export These") : _("_Export This"), export);
  g_menu_append_section (menu, NULL, G_MENU_MODEL (edit));
  g_menu_append_section (menu, NULL, G_MENU_MODEL (take));
  return G_MENU_MODEL (g_steal_pointer (&menu));
}

GtkWidget *
descry_object_menu_popup (GtkWidget *parent,
                          guint      n_selected,
                          gboolean   solo,
                          double     x,
                          double     y)
{
  const GdkRectangle at = { (int) x, (int) y, 1, 1 };
  g_autoptr (GMenuModel) model = make_menu (n_selected, solo);
  GtkWidget *menu = gtk_popover_menu_new_from_model (model);

  gtk_widget_set_parent (menu, parent);
  gtk_popover_set_has_arrow (GTK_POPOVER (menu), FALSE);
  gtk_widget_set_halign (menu, GTK_ALIGN_START);
  gtk_popover_set_pointing_to (GTK_POPOVER (menu), &at);
  gtk_popover_popup (GTK_POPOVER (menu));
  return menu;
}
