/* accels.c - the keys of the program's and the windows' actions
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "ui/accels.h"

void
descry_accels_add (GtkApplication *application)
{
  static const struct
  {
    const char *action;
    const char *accels[4];
  } table[] = {
    { "win.open", { "<Control>o" } },
    { "win.paste", { "<Control>v" } },
    { "win.undo", { "<Control>z" } },
    { "win.redo", { "<Control><Shift>z" } },
    { "app.new-window", { "<Control>n" } },
    { "window.close", { "<Control>w" } },
    { "app.quit", { "<Control>q" } },
    { "app.preferences", { "<Control>comma" } },
    { "win.zoom-in", { "<Control>plus", "<Control>equal", "<Control>KP_Add" } },
    { "win.zoom-out", { "<Control>minus", "<Control>KP_Subtract" } },
    { "win.zoom-fit", { "<Control>0", "<Control>KP_0" } },
    { "win.zoom-one", { "<Control>1", "<Control>KP_1" } },
    { "win.boxes", { "<Control>b" } },
    { "win.masks", { "<Control>m" } },
    { "win.names", { "<Control>l" } },
    { "win.scores", { "<Control>e" } },
    { "win.group-objects", { "<Control>g" } },
    { "win.sidebar", { "F9" } },
    { "win.fullscreen", { "F11" } },
    { "win.next-part", { "F6" } },
    { "win.analyze", { "F5" } },
    { "win.search", { "<Control>f" } },
    { "win.next-picture", { "<Alt>Right" } },
    { "win.previous-picture", { "<Alt>Left" } },
    { "win.show-help-overlay", { "<Control>question" } },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (table); i++)
    gtk_application_set_accels_for_action (application, table[i].action, table[i].accels);
}
