// A GPU's grid as two nested loops: what a CUDA or Metal kernel is compiled against to run on the
// CPU. Kernels have no barriers, so a thread may run to its end before the next begins. Arguments
// are found by their types: a pointer is the next buffer, an integer the next variable, a uint3 the
// place of the block and then that of the thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>

struct uint3 {
  unsigned x;
  unsigned y;
  unsigned z;
};

// Not inline: a library that holds a variable shared by all libraries is never unloaded.
static uint3 current_block;
static uint3 current_thread;

/// What the test gives to a kernel; emulation/host.h has the same declaration on its side.
struct Launch {
  void* const* buffers;
  const int64_t* variables;
  int64_t blocks[3];
  int64_t threads[3];
};

class Arguments {
 public:
  explicit Arguments(const Launch& launch) : launch_(launch) {}

  template <class T>
  T next() {
    if constexpr (std::is_pointer_v<T>) {
      return static_cast<T>(launch_.buffers[n_buffers_++]);
    } else if constexpr (std::is_same_v<T, uint3>) {
      return n_places_++ == 0 ? current_block : current_thread;
    } else {
      return T(launch_.variables[n_variables_++]);
    }
  }

 private:
  const Launch& launch_;
  int n_buffers_ = 0;
  int n_variables_ = 0;
  int n_places_ = 0;
};

template <class Body>
void for_each_place(const int64_t (&extents)[3], uint3& place, Body body) {
  for (place.z = 0; place.z < extents[2]; ++place.z) {
    for (place.y = 0; place.y < extents[1]; ++place.y) {
      for (place.x = 0; place.x < extents[0]; ++place.x) body();
    }
  }
}

template <class... Parameters>
void run_grid(void (*function)(Parameters...), const Launch& launch) {
  for_each_place(launch.blocks, current_block, [&] {
    for_each_place(launch.threads, current_thread, [&] {
      Arguments arguments(launch);
      std::apply(function, std::tuple<std::remove_cvref_t<Parameters>...>{
                               arguments.next<std::remove_cvref_t<Parameters>>()...});
    });
  });
}
