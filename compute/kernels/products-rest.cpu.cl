/* products-rest.cpu.cl - products with weights of the other formats, a program of their own
 *
 * Kernels, arguments and launches: gemv.cpu.cl.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

GEMV (q5_0)
GEMV (q5_1)
GEMV (iq4_nl)
GEMV (q4_k)
GEMV (q5_k)
GEMV (q6_k)

#ifdef __AVX512F__

GEMV_DOT (q5_0)
GEMV_DOT (q5_1)
GEMV_DOT (iq4_nl)
GEMV_DOT (q4_k)
GEMV_DOT (q5_k)
GEMV_DOT (q6_k)
INTS (q5_0)
INTS (q5_1)
INTS (iq4_nl)
INTS (q4_k)
INTS (q5_k)

#endif
