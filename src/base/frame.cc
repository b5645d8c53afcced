#include "base/frame.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace gyre {

Ref<Frame> Frame::make_uninitialized(uint32_t size) {
  void* memory = std::malloc(sizeof(Frame) + kHeaderRoom + size + 1);
  if (!memory) throw std::bad_alloc();
  auto* frame = new (memory) Frame(size);
  frame->data()[size] = '\n';
  return Ref<Frame>(frame);
}

Ref<Frame> Frame::make(std::string_view message) {
  Ref<Frame> frame = make_uninitialized(static_cast<uint32_t>(message.size()));
  std::memcpy(frame->data(), message.data(), message.size());
  return frame;
}

Ref<Frame> Frame::make_raw(std::string_view bytes) {
  Ref<Frame> frame = make(bytes);
  frame->raw_ = 1;
  return frame;
}

void Frame::destroy(Frame* frame) {
  frame->~Frame();
  std::free(frame);
}

}  // namespace gyre
