/* commands.h - the sub-commands of the one program
 *
 * Each gets its own arguments (argv[0] is the sub-command's name) and gives the exit status:
 * 0 done, 1 the work failed, 2 wrong usage. Results go to stdout, everything else to stderr.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

enum { DESCRY_EXIT_DONE = 0, DESCRY_EXIT_FAILED = 1, DESCRY_EXIT_USAGE = 2 };

int descry_command_analyze (int argc, char **argv);
int descry_command_ask (int argc, char **argv);
int descry_command_chat (int argc, char **argv);
int descry_command_convert (int argc, char **argv);
int descry_command_bench (int argc, char **argv);
int descry_command_devices (int argc, char **argv);
int descry_command_models (int argc, char **argv);
int descry_command_pictures (int argc, char **argv);
int descry_command_stage (int argc, char **argv);
int descry_command_train (int argc, char **argv);

G_END_DECLS
