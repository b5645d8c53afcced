#pragma once

#include <cmath>
#include <concepts>
#include <string>
#include <string_view>

#include "load/fail.h"

namespace gyre::bench {

/// The result of a run: one JSON object on one line for programs (stdout), and the same as text
/// for people (stderr).
class Report {
 public:
  Report& text(std::string_view key, std::string_view value) {
    return add(key, fmt::format("\"{}\"", value), value);
  }
  template <std::integral Number>
  Report& number(std::string_view key, Number value) {
    return add(key, fmt::format("{}", value), fmt::format("{}", value));
  }
  Report& number(std::string_view key, double value) {
    if (!std::isfinite(value)) value = 0;
    return add(key, fmt::format("{:.4f}", value), fmt::format("{:.3f}", value));
  }

  void print() const {
    fmt::print(stderr, "{}", lines_);
    fmt::print("{{{}}}\n", json_);
  }

 private:
  Report& add(std::string_view key, std::string_view json, std::string_view shown) {
    if (!json_.empty()) json_ += ',';
    json_ += fmt::format("\"{}\":{}", key, json);
    lines_ += fmt::format("{:<28} {}\n", key, shown);
    return *this;
  }

  std::string json_;
  std::string lines_;
};

}  // namespace gyre::bench
