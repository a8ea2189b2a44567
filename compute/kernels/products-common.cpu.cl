/* products-common.cpu.cl - products with weights of the formats that most models have
 *
 * Kernels, arguments and launches: gemv.cpu.cl.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

GEMV_FLOATS (f32)
GEMV_FLOATS (f16)
GEMV_FLOATS (bf16)
GEMV (q8_0)
GEMV (q4_0)
GEMV (q4_1)

#ifdef __AVX512F__

GEMV_DOT (q8_0)
GEMV_DOT (q4_0)
GEMV_DOT (q4_1)
INTS (q8_0)
INTS (q4_0)
INTS (q4_1)

#endif
