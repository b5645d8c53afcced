#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gyre::fuzz {

// An input of the server target: records, each ended by a byte 0xff, so that seeds are text that a
// person can read and the fuzzer can cut and join. Within a record 0xfe takes the next byte as it
// is. The first record has the options of the run; the others are an operation, the digit of a
// connection, and what the operation needs. fuzz/README.md has the list.
class ServerScript {
 public:
  struct Step {
    char operation = 0;
    size_t connection = 0;
    std::string text;
  };
  static constexpr size_t kConnections = 8;
  static constexpr size_t kStepsMax = 200;

  explicit ServerScript(std::string_view input) : rest_(input), options_(record()) {}

  bool has_option(char option) const { return options_.contains(option); }
  const std::string& options() const { return options_; }
  std::optional<Step> next();

 private:
  std::string record();

  std::string_view rest_;
  std::string options_;
  size_t steps_ = 0;
};

}  // namespace gyre::fuzz
