#include <fmt/format.h>

#include <algorithm>

#include "config/environment.h"
#include "config/text.h"

namespace gyre::config {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}
bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

class DotenvReader {
 public:
  DotenvReader(std::string_view text, const Environment& environment)
      : text_(text), environment_(environment) {}

  std::expected<Environment, std::string> read() {
    while (skip_to_entry()) {
      if (!entry()) {
        auto line = std::ranges::count(text_.substr(0, at_), '\n') + 1;
        return std::unexpected(fmt::format("line {}: {}", line, error_));
      }
    }
    return std::move(entries_);
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\n'; }
  bool ended() const { return at_ >= text_.size(); }
  void skip_blanks() {
    while (!ended() && is_blank(peek())) ++at_;
  }
  void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

  bool skip_to_entry() {
    while (!ended()) {
      if (is_blank(peek()) || peek() == '\n') {
        ++at_;
      } else if (peek() == '#') {
        skip_line();
      } else {
        return true;
      }
    }
    return false;
  }

  std::string take_name() {
    size_t from = at_;
    while (!ended() && is_name_char(peek())) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }

  bool fail(std::string_view message) {
    error_ = message;
    return false;
  }

  bool entry() {
    std::string name = take_name();
    skip_blanks();
    if (name == "export" && is_name_char(peek())) {
      name = take_name();
      skip_blanks();
    }
    if (name.empty() || (peek() != '=' && peek() != ':')) return fail("NAME=value was expected");
    ++at_;
    skip_blanks();
    std::string value;
    if (peek() == '\'' || peek() == '"') {
      if (!quoted(text_[at_], value)) return false;
      skip_blanks();
      if (peek() != '\n' && peek() != '#') return fail("text after the closing quote");
      skip_line();
    } else {
      plain(value);
    }
    entries_[std::move(name)] = std::move(value);
    return true;
  }

  bool quoted(char quote, std::string& value) {
    ++at_;
    while (!ended()) {
      char c = text_[at_++];
      if (c == quote) return true;
      if (quote == '"' && c == '\\' && !ended()) {
        char escaped = text_[at_++];
        value += escaped == 'n' ? '\n' : escaped == 'r' ? '\r' : escaped;
      } else if (quote == '"' && c == '$') {
        variable(value);
      } else {
        value += c;
      }
    }
    return fail("a quote that is not closed");
  }

  // Up to the end of the line, or to a comment, which begins with a blank and '#'.
  void plain(std::string& value) {
    while (!ended() && peek() != '\n') {
      char c = text_[at_];
      if (c == '#' && (value.empty() || is_blank(value.back()))) {
        skip_line();
        break;
      }
      ++at_;
      if (c == '\\' && peek() == '$') {
        value += text_[at_++];
      } else if (c == '$') {
        variable(value);
      } else {
        value += c;
      }
    }
    while (!value.empty() && is_blank(value.back())) value.pop_back();
  }

  void variable(std::string& value) {
    size_t before = at_;
    bool has_braces = peek() == '{';
    if (has_braces) ++at_;
    std::string name = take_name();
    if (name.empty() || (has_braces && peek() != '}')) {
      at_ = before;
      value += '$';
      return;
    }
    if (has_braces) ++at_;
    if (auto own = entries_.find(name); own != entries_.end()) {
      value += own->second;
    } else if (auto outer = environment_.find(name); outer != environment_.end()) {
      value += outer->second;
    }
  }

  std::string_view text_;
  const Environment& environment_;
  size_t at_ = 0;
  Environment entries_;
  std::string error_;
};

}  // namespace

std::expected<Environment, std::string> parse_dotenv(std::string_view text,
                                                     const Environment& environment) {
  return DotenvReader(text, environment).read();
}

}  // namespace gyre::config
