/* main-thread.h - UI objects are touched by one thread only, and that is checked
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* Registers resources, types and the style sheet; the calling thread becomes the UI thread.
 * After gtk_init(); more calls do nothing. */
void     descry_ui_init           (void);

gboolean descry_ui_is_main_thread (void);

/* In every function that a worker could call by mistake. */
#define descry_assert_main_thread() g_assert (descry_ui_is_main_thread ())

G_END_DECLS
