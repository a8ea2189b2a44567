/* gemv-formats.cpu.cl - how weights of every format lie in panels, cpu family; packed by compute/ops/weight-format.c
 *
 * Weights stand in panels of 32 rows, so that a vector holds one column of 16 rows and nothing is ever summed
 * across a vector. A panel is one stream of bytes, read once from its beginning to its end. It consists of blocks of
 * 32 columns:
 *   f32 [32 columns][32 rows], f16 and bf16 the same;
 * the other formats put a head in front of each block (of each eight blocks: K formats): scales f16 [32 rows], then minima
 * f16 [32] (q4_1, q5_1, q4_k, q5_k). A block is
 *   bytes [2][32 rows] (K formats): scale and minimum under the head's, or scales of the two halves (q6_k);
 *   quants: q8_0 i8 [8][32 rows][4], columns 4 j to 4 j + 3 of a row side by side; else u8 [4][32 rows][4], low nibbles
 *   columns 4 j to 4 j + 3, high nibbles columns 16 + 4 j to 16 + 4 j + 3;
 *   high bits (q5_0, q5_1, q5_k) u32 [32 rows], bit 8 i + j is column 4 j + i; q6_k u32 [2][32 rows], two bits from
 *   8 i + 2 j on are column 4 j + i of one half.
 *
 * For each FORMAT, with L 16 (vectors of rows p * 16 to p * 16 + 15) or 1 (row p):
 *   GROUP (L, block, j, p)       columns 4 j to 4 j + 3 as the four bytes of ints
 *   VALUE (L, bytes)             such a byte as a number, ZERO below it
 *   SCALE (L, head, block, p, h) what the numbers of half h are multiplied by, MINIMUM (...) what is added then
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define LOAD16(i, p, at) vload16 (2 * (i) + (p), (__global const int *) (at))
#define LOAD1(i, p, at) ((__global const int *) (at))[32 * (i) + (p)]
#define HALF16(p, at) vload_half16 (p, (__global const half *) (at))
#define HALF1(p, at) vload_half (p, (__global const half *) (at))
#define UCHAR16(p, at) convert_float16 (vload16 (p, at))
#define UCHAR1(p, at) (float) (at)[p]
#define CHAR16(p, at) convert_float16 (vload16 (p, (__global const char *) (at)))
#define CHAR1(p, at) (float) ((__global const char *) (at))[p]
#define FLOAT16(v) convert_float16 (v)
#define FLOAT1(v) (float) (v)

#define NIBBLES(L, at, j, p) ((LOAD##L ((j) % 4, p, at) >> ((j) < 4 ? 0 : 4)) & 0x0f0f0f0f)
#define FIFTH(L, at, j, p) (((LOAD##L (0, p, at) >> (j)) & 0x01010101) << 4)
#define SIXTH(L, at, j, p) (((LOAD##L ((j) / 4, p, at) >> (2 * ((j) % 4))) & 0x03030303) << 4)

#define SUPER_q8_0 1
#define HEAD_q8_0 64
#define BLOCK_q8_0 1024
#define HALVES_q8_0 1
#define ZERO_q8_0 128
#define HAS_MINIMUM_q8_0 0
#define GROUP_q8_0(L, block, j, p) (LOAD##L (j, p, block) ^ (int) 0x80808080) /* 128 more, so that nothing has a sign */
#define VALUE_q8_0(L, v) (FLOAT##L (v) - 128.0f)
#define SCALE_q8_0(L, head, block, p, h) HALF##L (p, head)
#define MINIMUM_q8_0(L, head, block, p) 0.0f

#define SUPER_q4_0 1
#define HEAD_q4_0 64
#define BLOCK_q4_0 512
#define HALVES_q4_0 1
#define ZERO_q4_0 8
#define HAS_MINIMUM_q4_0 0
#define GROUP_q4_0(L, block, j, p) NIBBLES (L, block, j, p)
#define VALUE_q4_0(L, v) (FLOAT##L (v) - 8.0f)
#define SCALE_q4_0(L, head, block, p, h) HALF##L (p, head)
#define MINIMUM_q4_0(L, head, block, p) 0.0f

#define SUPER_q4_1 1
#define HEAD_q4_1 128
#define BLOCK_q4_1 512
#define HALVES_q4_1 1
#define ZERO_q4_1 0
#define HAS_MINIMUM_q4_1 1
#define GROUP_q4_1(L, block, j, p) NIBBLES (L, block, j, p)
#define VALUE_q4_1(L, v) FLOAT##L (v)
#define SCALE_q4_1(L, head, block, p, h) HALF##L (p, head)
#define MINIMUM_q4_1(L, head, block, p) HALF##L (p, head + 64)

#define SUPER_q5_0 1
#define HEAD_q5_0 64
#define BLOCK_q5_0 640
#define HALVES_q5_0 1
#define ZERO_q5_0 16
#define HAS_MINIMUM_q5_0 0
#define GROUP_q5_0(L, block, j, p) (NIBBLES (L, block, j, p) | FIFTH (L, block + 512, j, p))
#define VALUE_q5_0(L, v) (FLOAT##L (v) - 16.0f)
#define SCALE_q5_0(L, head, block, p, h) HALF##L (p, head)
#define MINIMUM_q5_0(L, head, block, p) 0.0f

#define SUPER_q5_1 1
#define HEAD_q5_1 128
#define BLOCK_q5_1 640
#define HALVES_q5_1 1
#define ZERO_q5_1 0
#define HAS_MINIMUM_q5_1 1
#define GROUP_q5_1(L, block, j, p) (NIBBLES (L, block, j, p) | FIFTH (L, block + 512, j, p))
#define VALUE_q5_1(L, v) FLOAT##L (v)
#define SCALE_q5_1(L, head, block, p, h) HALF##L (p, head)
#define MINIMUM_q5_1(L, head, block, p) HALF##L (p, head + 64)

/* Sixteen levels that are not evenly spaced. */
#define LEVELS (float16) (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
__constant const float gemv_levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };
#define LEVEL16(v) shuffle (LEVELS, as_uint16 (v))
#define LEVEL1(v) gemv_levels[v]

#define SUPER_iq4_nl 1
#define HEAD_iq4_nl 64
#define BLOCK_iq4_nl 512
#define HALVES_iq4_nl 1
#define ZERO_iq4_nl 128 /* of the levels as bytes */
#define HAS_MINIMUM_iq4_nl 0
#define GROUP_iq4_nl(L, block, j, p) NIBBLES (L, block, j, p)
#define VALUE_iq4_nl(L, v) LEVEL##L (v)
#define SCALE_iq4_nl(L, head, block, p, h) HALF##L (p, head)
#define MINIMUM_iq4_nl(L, head, block, p) 0.0f

#define SUPER_q4_k 8
#define HEAD_q4_k 128
#define BLOCK_q4_k 576
#define HALVES_q4_k 1
#define ZERO_q4_k 0
#define HAS_MINIMUM_q4_k 1
#define GROUP_q4_k(L, block, j, p) NIBBLES (L, block + 64, j, p)
#define VALUE_q4_k(L, v) FLOAT##L (v)
#define SCALE_q4_k(L, head, block, p, h) (HALF##L (p, head) * UCHAR##L (p, block))
#define MINIMUM_q4_k(L, head, block, p) (HALF##L (p, head + 64) * -UCHAR##L (p, (block + 32)))

#define SUPER_q5_k 8
#define HEAD_q5_k 128
#define BLOCK_q5_k 704
#define HALVES_q5_k 1
#define ZERO_q5_k 0
#define HAS_MINIMUM_q5_k 1
#define GROUP_q5_k(L, block, j, p) (NIBBLES (L, block + 64, j, p) | FIFTH (L, block + 576, j, p))
#define VALUE_q5_k(L, v) FLOAT##L (v)
#define SCALE_q5_k(L, head, block, p, h) (HALF##L (p, head) * UCHAR##L (p, block))
#define MINIMUM_q5_k(L, head, block, p) (HALF##L (p, head + 64) * -UCHAR##L (p, (block + 32)))

#define SUPER_q6_k 8
#define HEAD_q6_k 64
#define BLOCK_q6_k 832
#define HALVES_q6_k 2
#define ZERO_q6_k 32
#define HAS_MINIMUM_q6_k 0
#define GROUP_q6_k(L, block, j, p) (NIBBLES (L, block + 64, j, p) | SIXTH (L, block + 576, j, p))
#define VALUE_q6_k(L, v) (FLOAT##L (v) - 32.0f)
#define SCALE_q6_k(L, head, block, p, h) (HALF##L (p, head) * CHAR##L (p, (block + 32 * (h))))
#define MINIMUM_q6_k(L, head, block, p) 0.0f

/* Where block b of a panel is, and its head. */
#define PANEL_BYTES(FORMAT, blocks) ((ulong) ((blocks) / SUPER_##FORMAT) * (HEAD_##FORMAT + SUPER_##FORMAT * BLOCK_##FORMAT))
#define HEAD_AT(FORMAT, panel, b) ((panel) + (ulong) ((b) / SUPER_##FORMAT) * (HEAD_##FORMAT + SUPER_##FORMAT * BLOCK_##FORMAT))
#define BLOCK_AT(FORMAT, head, b) ((head) + HEAD_##FORMAT + (b) % SUPER_##FORMAT * BLOCK_##FORMAT)
