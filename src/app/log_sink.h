#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "app/repeat_limit.h"
#include "base/log.h"
#include "base/result.h"

namespace gyre::app {

struct LogSetup {
  std::string level;  // log.level
  std::string file;   // log.file

  log::Level threshold() const;  // of an unknown level: info
  bool is_known_level() const;
};

// The process's log (spec observability.md, 6): to the file as JSON lines; else to a terminal as
// coloured text; else to stderr as JSON lines. Lines go through a bounded queue to a thread of its
// own; when it is full the oldest are lost. Of lines of level info and above with the same message
// only some per second are written. Destroying it writes out what is queued.
class LogSink : public log::Sink {
 public:
  static Result<std::shared_ptr<LogSink>> open(const LogSetup& setup);
  ~LogSink() override;
  void write(log::Level level, std::string_view message,
             std::initializer_list<log::Field> fields) override;
  void flush() override;

 private:
  struct Writer;
  LogSink(std::unique_ptr<Writer> writer, bool is_text);
  void put(log::Level level, std::string_view message, std::initializer_list<log::Field> fields,
           int64_t time);
  std::unique_ptr<Writer> writer_;
  bool is_text_;
  std::mutex mutex_;
  RepeatLimit repeats_;
};

// The two forms of a line, without its end. `time` in seconds since the epoch.
std::string json_log_line(log::Level level, std::string_view message,
                          std::initializer_list<log::Field> fields, int64_t time);
std::string text_log_line(log::Level level, std::string_view message,
                          std::initializer_list<log::Field> fields, int64_t time);

}  // namespace gyre::app
