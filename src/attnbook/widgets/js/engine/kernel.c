// Products of quantized matrices with float32 vectors, in WebAssembly SIMD. `node kernel.mjs` builds kernel.wasm; kernel.js calls it
// and contains the same functions in JavaScript.
//
// A matrix arrives in GGUF's blocks of 32 weights, row by row: Q4_0 (float16 scale, 16 bytes with two weights each), Q4_1 (scale, minimum,
// 16 bytes) or Q8_0 (scale, 32 signed bytes). Byte i of the 16 holds weights i (low half) and i + 16 (high half). `pack` interleaves four
// rows, so that their scales form one vector:
//   4 bits: 4 scales, 4 minima (float32), 4 × 16 bytes; 8 bits: 4 scales, 4 × 32 bytes.
// `quantize` turns each block of a vector into 16-bit integers with one scale, which is as exact as float32 needs to be here, and lets one
// instruction multiply and add eight pairs.

#include <stdint.h>
#include <wasm_simd128.h>

#define BLOCK 32
#define Q4_0 2 // GGUF's numbers of the formats
#define Q4_1 3
#define EXPORT(name) __attribute__((export_name(#name)))

static float half(uint16_t bits) {
  union { uint32_t bits; float number; } value = {(uint32_t)(bits & 0x7fff) << 13}, power = {(254 - 15) << 23};
  value.number *= power.number; // 2^112: corrects the exponent's bias, subnormal numbers included
  return bits & 0x8000 ? -value.number : value.number;
}

// The order in which the weights of a block meet those of a vector: even ones of the first half, even ones of the second, then the odd ones.
static int place(int i) { return (i & 1) * 16 + (i >> 4) * 8 + ((i & 15) >> 1); }

EXPORT(pack) void pack(int kind, const uint8_t *from, float *to, int rows, int columns) {
  const int blocks = columns / BLOCK, bits4 = kind == Q4_0 || kind == Q4_1;
  const int head = kind == Q4_1 ? 4 : 2, size = head + (bits4 ? 16 : 32);
  for (int row = 0; row < rows; row += 4)
    for (int block = 0; block < blocks; block++) {
      uint8_t *bytes = (uint8_t *)(to + (bits4 ? 8 : 4));
      for (int r = 0; r < 4; r++) {
        const uint8_t *source = from + ((row + r) * blocks + block) * size;
        const float scale = half(*(const uint16_t *)source);
        to[r] = scale;
        if (bits4) {
          to[4 + r] = kind == Q4_1 ? half(*(const uint16_t *)(source + 2)) : -8 * scale;
          wasm_v128_store(bytes + 16 * r, wasm_v128_load(source + head));
        } else {
          for (int i = 0; i < BLOCK; i++) bytes[32 * r + place(i)] = source[head + i];
        }
      }
      to = (float *)(bytes + (bits4 ? 64 : 128));
    }
}

// `count` vectors x: integers `to` in the order above, one scale per block, and the sum of each block.
EXPORT(quantize) void quantize(const float *x, int16_t *to, float *scales, float *sums, int count, int columns) {
  for (int block = 0; block < count * columns / BLOCK; block++, x += BLOCK, to += BLOCK) {
    v128_t largest = wasm_f32x4_splat(0);
    for (int i = 0; i < BLOCK; i += 4) largest = wasm_f32x4_max(largest, wasm_f32x4_abs(wasm_v128_load(x + i)));
    largest = wasm_f32x4_max(largest, wasm_i32x4_shuffle(largest, largest, 2, 3, 0, 1));
    largest = wasm_f32x4_max(largest, wasm_i32x4_shuffle(largest, largest, 1, 0, 3, 2));
    const float scale = wasm_f32x4_extract_lane(largest, 0) / 32767;
    const v128_t factor = wasm_f32x4_splat(scale > 0 ? 1 / scale : 0);
    int sum = 0;
    for (int half = 0; half < 2; half++) {
      v128_t parts[4];
      for (int i = 0; i < 4; i++)
        parts[i] = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(wasm_f32x4_mul(factor, wasm_v128_load(x + 16 * half + 4 * i))));
      const v128_t first = wasm_i16x8_narrow_i32x4(parts[0], parts[1]), second = wasm_i16x8_narrow_i32x4(parts[2], parts[3]);
      wasm_v128_store(to + 8 * half, wasm_i16x8_shuffle(first, second, 0, 2, 4, 6, 8, 10, 12, 14));
      wasm_v128_store(to + 16 + 8 * half, wasm_i16x8_shuffle(first, second, 1, 3, 5, 7, 9, 11, 13, 15));
      const v128_t all = wasm_i32x4_add(wasm_i32x4_add(parts[0], parts[1]), wasm_i32x4_add(parts[2], parts[3]));
      sum += wasm_i32x4_extract_lane(all, 0) + wasm_i32x4_extract_lane(all, 1) + wasm_i32x4_extract_lane(all, 2) + wasm_i32x4_extract_lane(all, 3);
    }
    scales[block] = scale;
    sums[block] = sum * scale;
  }
}

// The 32 weights of one row's block as 16-bit integers.
static inline __attribute__((always_inline)) void widen(int bits4, const uint8_t *bytes, v128_t to[4]) {
  if (bits4) {
    const v128_t low = wasm_i16x8_splat(15), all = wasm_v128_load(bytes);
    to[0] = wasm_v128_and(all, low);
    to[1] = wasm_v128_and(wasm_u16x8_shr(all, 4), low);
    to[2] = wasm_v128_and(wasm_u16x8_shr(all, 8), low);
    to[3] = wasm_u16x8_shr(all, 12);
  } else {
    for (int i = 0; i < 4; i++) to[i] = wasm_i16x8_load8x8(bytes + 8 * i);
  }
}

static inline __attribute__((always_inline)) v128_t dot(const v128_t w[4], const v128_t x[4]) {
  const v128_t first = wasm_i32x4_add(wasm_i32x4_dot_i16x8(w[0], x[0]), wasm_i32x4_dot_i16x8(w[1], x[1]));
  return wasm_i32x4_add(first, wasm_i32x4_add(wasm_i32x4_dot_i16x8(w[2], x[2]), wasm_i32x4_dot_i16x8(w[3], x[3])));
}

// Four vectors → one vector of their sums.
static inline v128_t sums_of(const v128_t x[4]) {
  const v128_t a = wasm_f32x4_add(wasm_i32x4_shuffle(x[0], x[1], 0, 4, 1, 5), wasm_i32x4_shuffle(x[0], x[1], 2, 6, 3, 7));
  const v128_t b = wasm_f32x4_add(wasm_i32x4_shuffle(x[2], x[3], 0, 4, 1, 5), wasm_i32x4_shuffle(x[2], x[3], 2, 6, 3, 7));
  return wasm_f32x4_add(wasm_i64x2_shuffle(a, b, 0, 2), wasm_i64x2_shuffle(a, b, 1, 3));
}

// Four rows times one vector. `wide` holds these rows' weights already widened, or is null.
static inline __attribute__((always_inline)) v128_t product(int bits4, const float *packed, const v128_t *wide, const int16_t *x, const float *scales, const float *sums, int blocks) {
  v128_t total[4] = {0}, minima = wasm_f32x4_splat(0);
  for (int block = 0; block < blocks; block++, x += BLOCK) {
    const uint8_t *bytes = (const uint8_t *)(packed + (bits4 ? 8 : 4));
    const v128_t scale = wasm_f32x4_mul(wasm_v128_load(packed), wasm_v128_load32_splat(scales + block));
    if (bits4) minima = wasm_f32x4_add(minima, wasm_f32x4_mul(wasm_v128_load(packed + 4), wasm_v128_load32_splat(sums + block)));
    v128_t numbers[4], weights[4];
    for (int i = 0; i < 4; i++) numbers[i] = wasm_v128_load(x + 8 * i);
#define ROW(r) \
    if (wide) for (int i = 0; i < 4; i++) weights[i] = wide[16 * block + 4 * r + i]; \
    else widen(bits4, bytes + (bits4 ? 16 : 32) * r, weights); \
    total[r] = wasm_f32x4_add(total[r], wasm_f32x4_mul(wasm_f32x4_convert_i32x4(dot(weights, numbers)), wasm_i32x4_shuffle(scale, scale, r, r, r, r)));
    ROW(0) ROW(1) ROW(2) ROW(3)
    packed = (const float *)(bytes + (bits4 ? 64 : 128));
  }
  return wasm_f32x4_add(minima, sums_of(total));
}

// y (count × rows) = x (count × columns) times the packed matrix, transposed. `scratch` holds 8 bytes per column.
static inline __attribute__((always_inline)) void multiply(int bits4, const float *packed, const int16_t *x, const float *scales, const float *sums, float *y, int count, int rows, int columns, v128_t *scratch) {
  const int blocks = columns / BLOCK, size = bits4 ? 24 : 36; // floats per block of four rows
  for (int row = 0; row < rows; row += 4, packed += blocks * size) {
    if (count == 1) {
      wasm_v128_store(y + row, product(bits4, packed, 0, x, scales, sums, blocks));
      continue;
    }
    for (int block = 0; block < blocks; block++)
      for (int r = 0; r < 4; r++)
        widen(bits4, (const uint8_t *)(packed + block * size + (bits4 ? 8 : 4)) + (bits4 ? 16 : 32) * r, scratch + 16 * block + 4 * r);
    for (int i = 0; i < count; i++)
      wasm_v128_store(y + i * rows + row, product(bits4, packed, scratch, x + i * columns, scales + i * blocks, sums + i * blocks, blocks));
  }
}

EXPORT(matmul) void matmul(int bits4, const float *packed, const int16_t *x, const float *scales, const float *sums, float *y, int count, int rows, int columns, v128_t *scratch) {
  if (bits4) multiply(1, packed, x, scales, sums, y, count, rows, columns, scratch);
  else multiply(0, packed, x, scales, sums, y, count, rows, columns, scratch);
}
