/* error.c - the one error domain of the library
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/error.h"

G_DEFINE_QUARK (descry-error-quark, descry_error)
