#include "base/log.h"

#include <atomic>

namespace gyre::log {

namespace {
std::shared_ptr<Sink> sink;  // written once, before other threads start
std::atomic<Level> current_threshold{Level::none};
}  // namespace

void install(std::shared_ptr<Sink> new_sink, Level new_threshold) {
  sink = std::move(new_sink);
  current_threshold.store(new_threshold, std::memory_order_relaxed);
}

Level threshold() {
  return current_threshold.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (sink) sink->write(level, message, fields);
}

void flush() {
  if (sink) sink->flush();
}

}  // namespace gyre::log
