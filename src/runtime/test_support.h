#pragma once

#include <span>

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
  bool flush() override { return false; }
  void settle() override {}
};

}  // namespace gyre::runtime
