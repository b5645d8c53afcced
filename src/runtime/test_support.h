#pragma once

#include <gtest/gtest.h>

#include <span>

#include "os/manual_kernel.h"
#include "runtime/shard.h"

namespace gyre::runtime {

// For shards without connections, in tests.
struct NoEvents final : os::EventSink {
  os::Descriptor descriptor(os::Token) const override { return os::kNoDescriptor; }
  void on_connection(os::Token, os::Descriptor) override {}
  void on_bytes(os::Token, std::span<char>) override {}
  void on_end(os::Token, bool) override {}
  void on_room(os::Token) override {}
};

struct NoOutput final : OutputStage {
  size_t waiting() const override { return 0; }
  void flush() override {}
  void settle() override {}
};

// One shard by itself, within whose turn the whole test runs.
template <class Kernel = os::ManualKernel>
class ShardTest : public testing::Test {
 protected:
  void advance(os::Nanos time) {
    kernel_.now += time;
    shard_.turn(0);
  }

  Kernel kernel_;
  ShardSet set_;
  Shard shard_{{}, kernel_, set_};
  TurnScope scope_{shard_};
};

// The same without connections.
class UnconnectedShardTest : public ShardTest<> {
 protected:
  UnconnectedShardTest() { shard_.attach(events_, output_); }

  NoEvents events_;
  NoOutput output_;
};

}  // namespace gyre::runtime
