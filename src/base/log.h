#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace gyre::log {

enum class Level : uint8_t { trace, debug, info, warn, error, fatal, none };

// A field of a structured log line. Secrets never become fields.
struct Field {
  Field(std::string_view field_key, std::string_view text) : key(field_key), value(text) {}
  Field(std::string_view field_key, const char* text) : key(field_key), value(text) {}
  Field(std::string_view field_key, const std::string& text) : key(field_key), value(text) {}
  Field(std::string_view field_key, bool truth)
      : key(field_key), value(truth ? "true" : "false"), is_bare(true) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  Field(std::string_view field_key, Number number)
      : key(field_key), value(fmt::format("{}", number)), is_bare(true) {}

  std::string_view key;
  std::string value;
  bool is_bare = false;  // a number or truth value: no quotes in JSON
};

// Where log lines go. Thread-safe. The process has one, given to `install` by app before the shards
// start; without one nothing is written. Lines never block a shard: the sink queues them.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(Level level, std::string_view message,
                     std::initializer_list<Field> fields) = 0;
  // Returns when what has been written so far has left the process.
  virtual void flush() {}
};

void install(std::shared_ptr<Sink> sink, Level threshold);
Level threshold();
inline bool enabled(Level level) {
  return level >= threshold();
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});
// Before the process ends without returning from main.
void flush();
inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::debug)) write(Level::debug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::info)) write(Level::info, message, fields);
}
inline void warn(std::string_view message, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::warn)) write(Level::warn, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::error)) write(Level::error, message, fields);
}

}  // namespace gyre::log
