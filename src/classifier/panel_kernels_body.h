// The body of panel_kernels_avx2.cpp and panel_kernels_avx512.cpp, on registers V of `lanes` floats that they define
// with their arithmetic. Included by those two files alone, each inside its own anonymous namespace.

constexpr std::uint32_t tile_classes = 2 * lanes;  // two registers side by side; a panel is 1 or 2 tiles wide

// e^x for x <= 0, 1.6e-38 below -87; NaN stays NaN. 2^n e^r with |r| <= ln(2) / 2 and Taylor's polynomial, whose first
// left-out term is 5e-9. At most 1.5 units in the last place off over all x.
inline V exp_of(V x) {
  x = max_of(set(-87.0f), x);  // this order keeps a NaN
  const V n = round_of(mul(x, set(1.44269504f)));
  V r = fma(n, set(-0.693359375f), x);  // ln 2 in two parts, the first exact in 10 bits
  r = fma(n, set(2.12194440e-4f), r);
  V y = set(1.0f / 5040);
  y = fma(y, r, set(1.0f / 720));
  y = fma(y, r, set(1.0f / 120));
  y = fma(y, r, set(1.0f / 24));
  y = fma(y, r, set(1.0f / 6));
  y = fma(y, r, set(0.5f));
  y = fma(y, r, set(1.0f));
  y = fma(y, r, set(1.0f));
  return mul(y, power_of_2(n));
}

template <int Rows>
inline void logits_tile(const BatchView& x, std::uint32_t row, const float* panel, std::uint32_t first,
                        std::uint32_t last, float* z) {
  const float* from = x.x + row * x.stride;
  V sum[Rows][2];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v)
      sum[r][v] = first == 0 ? set(0) : load(z + (row + r) * std::size_t{panel_classes} + v * lanes);
  for (std::uint32_t k = first; k < last; ++k) {
    const float* w = panel + k * std::size_t{panel_classes};
    const V w0 = load(w), w1 = load(w + lanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const V value = broadcast(from + r * x.stride + k);
      sum[r][0] = fma(value, w0, sum[r][0]);
      sum[r][1] = fma(value, w1, sum[r][1]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) store(z + (row + r) * std::size_t{panel_classes} + v * lanes, sum[r][v]);
}

void logits(const BatchView& x, const float* panel, std::uint32_t first, std::uint32_t last, float* z) {
  for (std::uint32_t c = 0; c < panel_classes; c += tile_classes) {
    std::uint32_t row = 0;
    for (; row + tile_rows <= x.batch; row += tile_rows) logits_tile<tile_rows>(x, row, panel + c, first, last, z + c);
    for (; row + 4 <= x.batch; row += 4) logits_tile<4>(x, row, panel + c, first, last, z + c);
    for (; row < x.batch; ++row) logits_tile<1>(x, row, panel + c, first, last, z + c);
  }
}

template <int Rows>
inline void update_tile(const BatchView& x, const float* p, std::uint32_t input, const StepSizes& sizes, float* panel,
                        float* velocity) {
  float* w = panel + input * std::size_t{panel_classes};
  V g[Rows][2];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) g[r][0] = g[r][1] = set(0);
  for (std::uint32_t b = 0; b < x.batch; ++b) {
    const float* from = x.x + b * x.stride + input;
    const V p0 = load(p + b * std::size_t{panel_classes}), p1 = load(p + b * std::size_t{panel_classes} + lanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const V value = broadcast(from + r);
      g[r][0] = fma(value, p0, g[r][0]);
      g[r][1] = fma(value, p1, g[r][1]);
    }
  }
  const V decay = set(sizes.decay), minus_rate = set(-sizes.rate), momentum = set(sizes.momentum);
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const std::size_t at = r * std::size_t{panel_classes} + v * lanes;
      const V old = load(w + at);
      V step = fma(decay, old, g[r][v]);
      if (velocity != nullptr) {
        float* own = velocity + input * std::size_t{panel_classes} + at;
        step = fma(momentum, load(own), step);
        store(own, step);
      }
      store(w + at, fma(minus_rate, step, old));
    }
}

void update(const BatchView& x, const float* p, std::uint32_t first, std::uint32_t last, const StepSizes& sizes,
            float* panel, float* velocity) {
  for (std::uint32_t c = 0; c < panel_classes; c += tile_classes) {
    float* own = velocity != nullptr ? velocity + c : nullptr;
    std::uint32_t k = first;
    for (; k + tile_rows <= last; k += tile_rows) update_tile<tile_rows>(x, p + c, k, sizes, panel + c, own);
    for (; k + 4 <= last; k += 4) update_tile<4>(x, p + c, k, sizes, panel + c, own);
    for (; k < last; ++k) update_tile<1>(x, p + c, k, sizes, panel + c, own);
  }
}

void exponentials(float* z, std::uint32_t batch, std::uint32_t classes, float* maxima, float* sums) {
  constexpr int registers = panel_classes / lanes;
  for (std::uint32_t b = 0; b < batch; ++b, z += panel_classes) {
    for (std::uint32_t c = classes; c < panel_classes; ++c) z[c] = -3e38f;
    V value[registers];
    for (int v = 0; v < registers; ++v) value[v] = load(z + v * lanes);
    const float maximum = row_max(value);
    for (int v = 0; v < registers; ++v) value[v] = exp_of(sub(value[v], set(maximum)));
    maxima[b] = maximum;
    sums[b] = row_sum(value);
    for (int v = 0; v < registers; ++v) store(z + v * lanes, value[v]);
    for (std::uint32_t c = classes; c < panel_classes; ++c) z[c] = 0;
  }
}

void join(const float* maxima, const float* sums, std::uint32_t panels, std::uint32_t pitch, float* maximum,
          float* sum) {
  for (std::uint32_t b = 0; b < pitch; b += lanes) {
    V largest = load(maxima + b), total = set(0);
    for (std::uint32_t p = 1; p < panels; ++p) largest = max_of(load(maxima + p * std::size_t{pitch} + b), largest);
    for (std::uint32_t p = 0; p < panels; ++p) {
      const std::size_t at = p * std::size_t{pitch} + b;
      total = fma(load(sums + at), exp_of(sub(load(maxima + at), largest)), total);
    }
    store(maximum + b, largest);
    store(sum + b, total);
  }
}

void probabilities(float* e, std::uint32_t batch, const float* panel_maxima, const float* maximum, const float* sum,
                   float weight) {
  for (std::uint32_t b = 0; b < batch; b += lanes) {
    float factor[lanes];
    store(factor, div(mul(exp_of(sub(load(panel_maxima + b), load(maximum + b))), set(weight)), load(sum + b)));
    for (std::uint32_t r = 0; r < lanes && b + r < batch; ++r)
      for (std::uint32_t c = 0; c < panel_classes; c += lanes) {
        float* at = e + (b + r) * std::size_t{panel_classes} + c;
        store(at, mul(load(at), set(factor[r])));
      }
  }
}
