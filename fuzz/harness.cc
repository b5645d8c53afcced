#include "harness.h"

#include <malloc.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>

#include "base/check.h"

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GYRE_SANITIZER_ALLOCATES
#include <sanitizer/allocator_interface.h>
#endif

namespace gyre::fuzz {
namespace {

// Targets have one thread.
bool is_counting = false;
ptrdiff_t held = 0;
ptrdiff_t held_max = PTRDIFF_MAX;
size_t input_size = 0;

void on_allocation(size_t size) {
  held += static_cast<ptrdiff_t>(size);
  if (held <= held_max) [[likely]]
    return;
  is_counting = false;  // what follows is not the parser's
  std::fprintf(stderr, "ERROR: allocation bound: %td bytes held for an input of %zu, %zu by this\n",
               held, input_size, size);
  std::abort();
}

void on_release(size_t size) {
  held -= static_cast<ptrdiff_t>(size);
}

#ifdef GYRE_SANITIZER_ALLOCATES
// The sanitizer's own count, which is no more than what was asked for.
void malloc_hook(const volatile void*, size_t size) {
  if (is_counting) on_allocation(size);
}
void free_hook(const volatile void* block) {
  if (is_counting && block) on_release(__sanitizer_get_allocated_size(block));
}
[[maybe_unused]] const int installed =
    __sanitizer_install_malloc_and_free_hooks(malloc_hook, free_hook);
#endif

#ifdef GYRE_FUZZ
constexpr int64_t kInputNanosMax = 100'000'000;

int64_t clock_nanos(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

// A machine with other work makes any input look slow, so one that took too long by the clock on
// the wall is run again and judged by the processor's time.
void judge_time(std::string_view input) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int64_t start = clock_nanos(CLOCK_THREAD_CPUTIME_ID);
    take_input(input);
    if (clock_nanos(CLOCK_THREAD_CPUTIME_ID) - start <= kInputNanosMax) return;
  }
  std::fprintf(stderr, "ERROR: time bound: an input of %zu bytes takes more than 100 ms\n",
               input.size());
  std::abort();
}

void run(std::string_view input) {
  static int64_t last = 0;
  const int64_t start = clock_nanos(CLOCK_MONOTONIC);
  take_input(input);
  last = clock_nanos(CLOCK_MONOTONIC);
  if (last - start > kInputNanosMax) judge_time(input);
}
#else
// Ordinary tests assert no timing.
void run(std::string_view input) {
  take_input(input);
}
#endif

}  // namespace

AllocationBound::AllocationBound(size_t input_bytes, size_t factor) {
  GYRE_CHECK(held_max == PTRDIFF_MAX);
  input_size = input_bytes;
  held = 0;
  held_max = static_cast<ptrdiff_t>(factor * input_bytes + 64 * size_t{1024});
}

AllocationBound::~AllocationBound() {
  held_max = PTRDIFF_MAX;
}

AllocationBound::Counting::Counting() {
  is_counting = true;
}

AllocationBound::Counting::~Counting() {
  is_counting = false;
}

namespace {

[[maybe_unused]] void* counted(void* block) {
  if (!block) std::abort();
  if (is_counting) on_allocation(malloc_usable_size(block));
  return block;
}

[[maybe_unused]] void discounted(void* block) {
  if (is_counting && block) on_release(malloc_usable_size(block));
  std::free(block);
}

}  // namespace
}  // namespace gyre::fuzz

// Without a sanitizer's hooks C++ allocates here; the array and nothrow forms come by these.
#ifndef GYRE_SANITIZER_ALLOCATES
void* operator new(size_t size) {
  return gyre::fuzz::counted(std::malloc(size));
}
void* operator new(size_t size, std::align_val_t alignment) {
  const auto bytes = static_cast<size_t>(alignment);
  return gyre::fuzz::counted(std::aligned_alloc(bytes, (size + bytes - 1) / bytes * bytes));
}
void operator delete(void* block) noexcept {
  gyre::fuzz::discounted(block);
}
void operator delete(void* block, size_t) noexcept {
  gyre::fuzz::discounted(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  gyre::fuzz::discounted(block);
}
void operator delete(void* block, size_t, std::align_val_t) noexcept {
  gyre::fuzz::discounted(block);
}
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gyre::fuzz::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
