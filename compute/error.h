/* error.h - the one error domain of the library
 *
 * One code for each thing a person can act on; the window maps each to one state.
 * Messages name file or op, the place in it, what was expected and what was found.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DESCRY_ERROR (descry_error_quark ())

typedef enum
{
  DESCRY_ERROR_FAILED,        /* none of the others */
  DESCRY_ERROR_NO_DEVICE,     /* no usable OpenCL device */
  DESCRY_ERROR_DEVICE_LOST,   /* the driver gave up; the context must be rebuilt */
  DESCRY_ERROR_OUT_OF_MEMORY, /* of the host or of the device */
  DESCRY_ERROR_MODEL_MISSING, /* a slot of the bundle is empty */
  DESCRY_ERROR_MODEL_BAD,     /* a weight file is damaged or not what it should be */
  DESCRY_ERROR_SHAPE,         /* tensors that do not fit together */
  DESCRY_ERROR_BUILD_FAILED,  /* a kernel does not compile */
  DESCRY_ERROR_DECODE,        /* a picture cannot be read */
  DESCRY_ERROR_IO,            /* reading or writing a file */
  DESCRY_ERROR_USAGE          /* what the user asked for makes no sense */
} DescryError;

GQuark descry_error_quark (void);

G_END_DECLS
