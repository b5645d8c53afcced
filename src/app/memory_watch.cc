#include "app/memory_watch.h"

#include "base/log.h"

namespace gyre::app {

using Stage = runtime::MemoryPressure::Stage;

void MemoryWatch::look(uint64_t in_use, os::Nanos now) {
  memory_.update(in_use);
  if (memory_.cuts_slowest()) cut_();
  // What gets worse is told at once, what gets better once a second, so that a stage which goes to
  // and fro does not fill the log.
  const Stage stage = memory_.stage();
  if (stage > told_ || (stage < told_ && now >= next_tell_)) tell(now);
}

void MemoryWatch::tell(os::Nanos now) {
  const runtime::MemoryPressure::Figures figures = memory_.figures();
  const std::initializer_list<log::Field> fields = {
      {"used", figures.used},
      {"limit", figures.limit},
      {"refused_connects", figures.refused_connects},
      {"cut_connections", figures.cut_connections},
      {"refused_publishes", figures.refused_publishes}};
  switch (figures.stage) {
    case Stage::none:
      log::info("memory limit: nothing is refused any more", fields);
      break;
    case Stage::refuse_connects:
      log::warn("memory limit near: new connections are refused", fields);
      break;
    case Stage::cut_slowest:
      log::warn("memory limit near: the slowest connections are cut", fields);
      break;
    case Stage::refuse_publishes:
      log::warn("memory limit reached: publications are refused", fields);
      break;
  }
  told_ = figures.stage;
  next_tell_ = now + kTellInterval;
}

}  // namespace gyre::app
