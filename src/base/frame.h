#pragma once

#include <cstdint>
#include <string_view>

#include "base/ref.h"

namespace gyre {

// One encoded message, made once and queued by reference at every connection that it goes to. Lives
// on one shard, hence the plain count. In memory it is [kHeaderRoom bytes][message][newline]: a
// WebSocket header can stand directly in front of the message, and several JSON messages can be
// joined by their newlines, without copying (docs/architecture.md, "Connections").
class Frame : public LocalCounted {
 public:
  static constexpr uint32_t kHeaderRoom =
      10;  // the longest header of a server's frame (RFC 6455, 5.2)

  static Ref<Frame> make(std::string_view message);
  static Ref<Frame> make_uninitialized(uint32_t size);
  static void destroy(Frame* frame);

  // A frame that is complete as it is: HTTP bytes, a WebSocket control frame with its header.
  static Ref<Frame> make_raw(std::string_view bytes);
  bool is_raw() const { return raw_ != 0; }

  uint32_t size() const { return size_; }
  std::string_view message() const { return {data(), size()}; }
  char* data() { return reinterpret_cast<char*>(this + 1) + kHeaderRoom; }
  const char* data() const { return reinterpret_cast<const char*>(this + 1) + kHeaderRoom; }

 private:
  explicit Frame(uint32_t size) : size_(size & 0x7fffffff), raw_(0) {}
  uint32_t size_ : 31;
  uint32_t raw_ : 1;
};
static_assert(sizeof(Frame) == 8);

using FrameRef = Ref<Frame>;

}  // namespace gyre
