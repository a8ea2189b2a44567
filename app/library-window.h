/* library-window.h - the library keeps what a window shows and says
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "app/library.h"
#include "ui/window.h"

G_BEGIN_DECLS

/* Looks every picture up that @window opens, gives back what was kept, and keeps what happens from then on; adds the actions
 * win.forget-picture, win.forget-everything, win.search and win.recent. As long as the window lives. */
void descry_library_attach (DescryLibrary *library, DescryWindow *window, DescryEngine *engine);

/* How long a picture waits for what was kept before it is looked at anew: where everything is slow, longer. */
void descry_library_set_patience (guint ms);

G_END_DECLS
