// The loops are written for the widest vectors of the machine that runs them, which a compiler that
// builds for any machine would not use: on x86 a function for AVX-512 and one for AVX2, chosen when
// they are called. Elsewhere they are the C library's.
//
// Rejected: memcpy as the limit of copying on x86. It reads every line that it is about to write,
// half as much again as it has to, and kernels that do not could exceed it.
#include "bench/machine/limits.h"

#include <cstring>
#include <functional>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace niwaki::bench {
namespace {

constexpr int64_t chains = 12;  // more than latency times rate of any machine here

// Where results go that nobody reads, so that they are computed.
volatile float sink = 0;

// Nothing is known of the variables from here on.
template <class... T>
__attribute__((always_inline)) inline void apart(T&... variables) {
  (([](T& v) { asm volatile("" : "+v"(v)); }(variables)), ...);
}

#if defined(__x86_64__)

bool has_avx512() { return __builtin_cpu_supports("avx512f") != 0; }
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

// Twelve variables, not an array, which the compiler would keep in memory; `apart` keeps it from
// seeing that they are equal.
__attribute__((target("avx512f"))) void multiply_wide(int64_t loops) {
  const __m512 x = _mm512_set1_ps(0.999F);
  __m512 a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
  apart(a, b, c, d, e, f, g, h, i, j, k, l);
  for (int64_t n = 0; n < loops; ++n) {
    a = _mm512_fmadd_ps(a, x, x);
    b = _mm512_fmadd_ps(b, x, x);
    c = _mm512_fmadd_ps(c, x, x);
    d = _mm512_fmadd_ps(d, x, x);
    e = _mm512_fmadd_ps(e, x, x);
    f = _mm512_fmadd_ps(f, x, x);
    g = _mm512_fmadd_ps(g, x, x);
    h = _mm512_fmadd_ps(h, x, x);
    i = _mm512_fmadd_ps(i, x, x);
    j = _mm512_fmadd_ps(j, x, x);
    k = _mm512_fmadd_ps(k, x, x);
    l = _mm512_fmadd_ps(l, x, x);
  }
  __m512 sum = a + b + c + d + e + f + g + h + i + j + k + l;
  sink = _mm512_cvtss_f32(sum);
}

__attribute__((target("avx2,fma"))) void multiply_narrow(int64_t loops) {
  const __m256 x = _mm256_set1_ps(0.999F);
  __m256 a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
  apart(a, b, c, d, e, f, g, h, i, j, k, l);
  for (int64_t n = 0; n < loops; ++n) {
    a = _mm256_fmadd_ps(a, x, x);
    b = _mm256_fmadd_ps(b, x, x);
    c = _mm256_fmadd_ps(c, x, x);
    d = _mm256_fmadd_ps(d, x, x);
    e = _mm256_fmadd_ps(e, x, x);
    f = _mm256_fmadd_ps(f, x, x);
    g = _mm256_fmadd_ps(g, x, x);
    h = _mm256_fmadd_ps(h, x, x);
    i = _mm256_fmadd_ps(i, x, x);
    j = _mm256_fmadd_ps(j, x, x);
    k = _mm256_fmadd_ps(k, x, x);
    l = _mm256_fmadd_ps(l, x, x);
  }
  __m256 sum = a + b + c + d + e + f + g + h + i + j + k + l;
  sink = _mm256_cvtss_f32(sum);
}

int64_t lanes() { return has_avx512() ? 16 : 8; }

void multiply(int64_t loops) {
  if (has_avx512()) multiply_wide(loops);
  else multiply_narrow(loops);
}

// Four streams: prefetching ends at the end of a page, and three others go on meanwhile.
__attribute__((target("avx512f"))) void read_wide(const float* from, size_t n) {
  __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
  size_t part = n / 4;
  for (size_t i = 0; i < part; i += 16) {
    a += _mm512_load_ps(from + i);
    b += _mm512_load_ps(from + i + part);
    c += _mm512_load_ps(from + i + 2 * part);
    d += _mm512_load_ps(from + i + 3 * part);
  }
  sink = _mm512_cvtss_f32(a + b + c + d);
}

__attribute__((target("avx2"))) void read_narrow(const float* from, size_t n) {
  __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
  size_t part = n / 4;
  for (size_t i = 0; i < part; i += 8) {
    a += _mm256_load_ps(from + i);
    b += _mm256_load_ps(from + i + part);
    c += _mm256_load_ps(from + i + 2 * part);
    d += _mm256_load_ps(from + i + 3 * part);
  }
  sink = _mm256_cvtss_f32(a + b + c + d);
}

__attribute__((target("avx512f"))) void copy_wide(float* to, const float* from, size_t n) {
  for (size_t i = 0; i + 16 <= n; i += 16) _mm512_stream_ps(to + i, _mm512_load_ps(from + i));
  _mm_sfence();
}

__attribute__((target("avx2"))) void copy_narrow(float* to, const float* from, size_t n) {
  for (size_t i = 0; i + 8 <= n; i += 8) _mm256_stream_ps(to + i, _mm256_load_ps(from + i));
  _mm_sfence();
}

void read_part(const float* from, size_t n) {
  if (has_avx512()) read_wide(from, n);
  else read_narrow(from, n);
}

void copy_part(float* to, const float* from, size_t n) {
  if (has_avx512()) copy_wide(to, from, n);
  else copy_narrow(to, from, n);
}

#else

bool has_avx2() { return false; }
void read_part(const float*, size_t) {}
void copy_part(float*, const float*, size_t) {}

int64_t lanes() { return 4; }

void multiply(int64_t loops) {
  using Vector = float __attribute__((vector_size(16)));
  const Vector x = {0.999F, 0.999F, 0.999F, 0.999F};
  Vector a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
  apart(a, b, c, d, e, f, g, h, i, j, k, l);
  for (int64_t n = 0; n < loops; ++n) {
    for (Vector* v : {&a, &b, &c, &d, &e, &f, &g, &h, &i, &j, &k, &l}) *v = *v * x + x;
  }
  sink = (a + b + c + d + e + f + g + h + i + j + k + l)[0];
}

#endif

// Calls `body` with a first page and a number of pages for each thread.
void each_part(size_t bytes, Pool& threads, const std::function<void(size_t, size_t)>& body) {
  Pool::Loop pages = {int64_t(bytes / 4096), true};
  threads.run({&pages, 1}, [&](size_t, int64_t begin, int64_t end) {
    body(size_t(begin) * 4096, size_t(end - begin) * 4096);
  });
}

}  // namespace

void multiply_adds(double flops, Pool& threads) {
  double each = flops / double(threads.threads()) / double(2 * chains * lanes());
  Pool::Loop one_each = {threads.threads(), true};
  threads.run({&one_each, 1}, [&](size_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) multiply(int64_t(each));
  });
}

void read_memory(const void* from, size_t bytes, Pool& threads) {
  each_part(bytes, threads, [&](size_t begin, size_t size) {
    const char* at = static_cast<const char*>(from) + begin;
    if (has_avx2()) read_part(reinterpret_cast<const float*>(at), size / sizeof(float));
    else sink = std::memchr(at, 0xA5, size) ? 1 : 0;
  });
}

void copy_memory(void* to, const void* from, size_t bytes, Pool& threads) {
  each_part(bytes, threads, [&](size_t begin, size_t size) {
    const char* source = static_cast<const char*>(from) + begin;
    char* target = static_cast<char*>(to) + begin;
    if (has_avx2()) {
      copy_part(reinterpret_cast<float*>(target), reinterpret_cast<const float*>(source),
                size / sizeof(float));
    } else {
      std::memcpy(target, source, size);
    }
  });
}

}  // namespace niwaki::bench
