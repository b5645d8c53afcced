#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

#include "base/ref.h"

namespace gyre::hub {

// A channel's name, kept once by its home and shared with the deliveries under way. In one piece of
// memory, as there is one for each channel.
class SharedName : public SharedCounted {
 public:
  static Ref<const SharedName> make(std::string_view name) {
    void* memory = std::malloc(sizeof(SharedName) + name.size());
    if (!memory) throw std::bad_alloc();
    return Ref<const SharedName>(new (memory) SharedName(name));
  }
  static void destroy(const SharedName* name) {
    name->~SharedName();
    std::free(const_cast<SharedName*>(name));
  }
  SharedName(const SharedName&) = delete;

  std::string_view text() const { return {reinterpret_cast<const char*>(this + 1), size_}; }

 private:
  explicit SharedName(std::string_view name) : size_(static_cast<uint32_t>(name.size())) {
    std::memcpy(reinterpret_cast<char*>(this + 1), name.data(), name.size());
  }
  uint32_t size_;
};

using SharedNameRef = Ref<const SharedName>;

}  // namespace gyre::hub
