/* ui-test.h - what tests of widgets share: a bounded main loop, the widget tree, pictures of it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <adwaita.h>

G_BEGIN_DECLS

/* Seconds that something may take before it counts as hanging: more under a sanitizer or valgrind. */
guint       ui_test_patience (void);

/* Turns the main loop while the condition holds; fails when patience is at its end. */
#define WAIT_WHILE(condition)                                                                         \
  G_STMT_START                                                                                        \
  {                                                                                                   \
    gint64 ui_test_deadline = g_get_monotonic_time () + ui_test_patience () * G_TIME_SPAN_SECOND;      \
    while (condition)                                                                                 \
      {                                                                                               \
        if (g_get_monotonic_time () > ui_test_deadline)                                               \
          g_error ("%s:%d: still true after %u s: %s", __FILE__, __LINE__, ui_test_patience (), #condition); \
        ui_test_turn ();                                                                              \
      }                                                                                               \
  }                                                                                                   \
  G_STMT_END

/* A registered application for the windows. (transfer full) */
AdwApplication *ui_test_application (void);

/* One turn of the main loop, waiting at most a few milliseconds. */
void        ui_test_turn  (void);
/* Turns for a while. */
void        ui_test_pump  (guint ms);

typedef void (*UiTestFunc) (GtkWidget *widget, gpointer data);

/* @func for @root and everything below it. */
void        ui_test_walk  (GtkWidget *root, UiTestFunc func, gpointer data);
/* The first visible descendant of a type whose label or tooltip is @text (NULL: any). */
GtkWidget  *ui_test_find  (GtkWidget *root, GType type, const char *text);

/* The first visible label that has @text in it. */
GtkWidget  *ui_test_find_text (GtkWidget *root, const char *text);

/* For ui_test_walk(): an icon says nothing to a screen reader, so every button without text has a tooltip and an
 * accessible label, or the test fails. Counts them in the guint at @data. */
void        ui_test_check_named (GtkWidget *widget, gpointer data);

/* A widget as it is on screen, drawn by the Cairo renderer. (transfer full) */
GdkTexture *ui_test_shoot (GtkWidget *widget);
/* Saves into the build folder's tests/output. */
void        ui_test_save  (GdkTexture *texture, const char *name);
/* Both, when what moves has come to rest. */
void        ui_test_look  (GtkWidget *widget, const char *name);

/* Longest time between two turns of the main loop since the start, milliseconds; what the test itself does
 * between pause and resume does not count. */
void        ui_test_watch_start  (void);
void        ui_test_watch_pause  (void);
void        ui_test_watch_resume (void);
double      ui_test_watch_stop   (double *cpu_ms); /* of it, processor time of the main thread; longest turn by that measure */

G_END_DECLS
