#include "base/frame.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

TEST(Frame, KeepsTheMessageAndTheNewlineBehindIt) {
  FrameRef frame = Frame::make("hello");
  EXPECT_EQ(frame->message(), "hello");
  EXPECT_EQ(frame->data()[frame->size()], '\n');
}

TEST(Frame, IsFreedByItsLastReference) {
  FrameRef first = Frame::make("x");
  FrameRef second = first;
  EXPECT_TRUE(first->is_shared());
  first.reset();
  EXPECT_FALSE(second->is_shared());
}

}  // namespace
}  // namespace gyre
