#pragma once

#include <sys/mman.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/check.h"

namespace gyre {

// Fixed-size objects in chunks mapped from the system, addressed by a 32-bit slot. Objects never
// move. A new object takes the lowest free slot, so that after a burst the high chunks run empty
// and go back to the system. For one shard.
template <class T>
class Slab {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  Slab() = default;
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for_each([this](uint32_t slot, T&) { std::destroy_at(address(slot)); });
    for (void* chunk : chunks_) {
      if (chunk) munmap(chunk, kChunkBytes);
    }
  }

  template <class... Args>
  uint32_t emplace(Args&&... args) {
    while (first_free_word_ < used_.size() && used_[first_free_word_] == ~0ull) ++first_free_word_;
    if (first_free_word_ == used_.size()) used_.push_back(0);
    uint64_t& word = used_[first_free_word_];
    const auto bit = static_cast<uint32_t>(std::countr_one(word));
    const auto slot = static_cast<uint32_t>(first_free_word_) * 64 + bit;
    const size_t chunk = slot / kPerChunk;
    if (chunk >= chunks_.size()) {
      chunks_.resize(chunk + 1);
      counts_.resize(chunk + 1);
    }
    if (!chunks_[chunk]) chunks_[chunk] = map_chunk();
    word |= 1ull << bit;
    ++counts_[chunk];
    ++size_;
    new (address(slot)) T(std::forward<Args>(args)...);
    return slot;
  }

  void erase(uint32_t slot) {
    GYRE_DCHECK(contains(slot));
    std::destroy_at(address(slot));
    used_[slot / 64] &= ~(1ull << (slot % 64));
    first_free_word_ = std::min<size_t>(first_free_word_, slot / 64);
    --size_;
    const size_t chunk = slot / kPerChunk;
    if (--counts_[chunk] == 0 && chunk > 0) {
      munmap(chunks_[chunk], kChunkBytes);
      chunks_[chunk] = nullptr;
    }
  }

  bool contains(uint32_t slot) const {
    return slot / 64 < used_.size() && (used_[slot / 64] >> (slot % 64) & 1) != 0;
  }
  T& operator[](uint32_t slot) {
    GYRE_DCHECK(contains(slot));
    return *address(slot);
  }
  const T& operator[](uint32_t slot) const { return const_cast<Slab&>(*this)[slot]; }
  size_t size() const { return size_; }
  // One past the highest slot that may be in use: slot numbers are a stable cursor for long walks.
  uint32_t end_slot() const { return static_cast<uint32_t>(used_.size() * 64); }

  template <class Visit>
  void for_each(Visit visit) {
    for (size_t i = 0; i < used_.size(); ++i) {
      for (uint64_t word = used_[i]; word != 0; word &= word - 1) {
        const auto slot =
            static_cast<uint32_t>(i * 64) + static_cast<uint32_t>(std::countr_zero(word));
        visit(slot, *address(slot));
      }
    }
  }

 private:
  static constexpr size_t kChunkBytes = 64 * 1024;
  static constexpr uint32_t kPerChunk = static_cast<uint32_t>(kChunkBytes / sizeof(T));
  static_assert(kPerChunk >= 64);

  T* address(uint32_t slot) const {
    return reinterpret_cast<T*>(static_cast<char*>(chunks_[slot / kPerChunk]) +
                                size_t{slot % kPerChunk} * sizeof(T));
  }
  static void* map_chunk() {
    void* memory =
        mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return memory;
  }

  std::vector<void*> chunks_;
  std::vector<uint32_t> counts_;
  std::vector<uint64_t> used_;
  size_t first_free_word_ = 0;
  size_t size_ = 0;
};

}  // namespace gyre
