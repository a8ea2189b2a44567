/* interposer.h - how a test tells the preloaded library what to break
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

enum { FAULT_CONTEXT, FAULT_QUEUE, FAULT_BUFFER, FAULT_PROGRAM, FAULT_KERNEL, FAULT_EVENT, FAULT_N_KINDS };

/* The @n-th call of @function from now (1 is the next; "*": of any) gives @status. NULL: nothing fails. */
void     fault_set   (const char *function, unsigned n, int status);
unsigned fault_calls (void); /* of @function since then */
int      fault_fired (void); /* a call has failed since then */
long     fault_live  (int kind); /* objects made and not released, by FAULT_ kind */
