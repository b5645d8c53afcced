#include <toml++/toml.h>

#include <algorithm>

#include "config/document.h"

namespace gyre::config {
namespace {

constexpr int kMaxTomlDepth = 64;

// toml++ 3.3 runs into undefined behaviour on non-ASCII bytes in bare keys, where TOML 1.0 forbids
// them anyway: finds the first such byte outside of strings and comments.
class AsciiCheck {
 public:
  explicit AsciiCheck(std::string_view text) : text_(text) {}

  std::optional<Mark> first_violation() {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (static_cast<unsigned char>(c) >= 0x80) return place();
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '"' || c == '\'') {
        skip_string(c);
      } else {
        ++at_;
      }
    }
    return std::nullopt;
  }

 private:
  void skip_string(char quote) {
    bool is_long = text_.substr(at_).starts_with(std::string(3, quote));
    at_ += is_long ? 3 : 1;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '\\' && quote == '"') {
        at_ = std::min(at_ + 2, text_.size());
      } else if (c == '\n' && !is_long) {
        return;  // not closed: the parser says so
      } else if (c == quote && (!is_long || text_.substr(at_).starts_with(std::string(3, quote)))) {
        at_ += is_long ? 3 : 1;
        while (is_long && at_ < text_.size() && text_[at_] == quote) ++at_;
        return;
      } else {
        ++at_;
      }
    }
  }

  Mark place() const {
    std::string_view before = text_.substr(0, at_);
    size_t line_start = before.rfind('\n') + 1;
    return {static_cast<uint32_t>(std::ranges::count(before, '\n')) + 1,
            static_cast<uint32_t>(at_ - line_start) + 1};
  }

  std::string_view text_;
  size_t at_ = 0;
};

Mark toml_mark(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

bool convert(const toml::node& node, Document& out, int depth, SyntaxError& error) {
  out.mark = toml_mark(node.source());
  if (depth > kMaxTomlDepth) {
    error = {out.mark, "nested too deeply"};
    return false;
  }
  if (const auto* table = node.as_table()) {
    out.kind = Document::Kind::object;
    for (const auto& [key, value] : *table) {
      Document::Field& field = out.fields.emplace_back();
      field.name = std::string(key.str());
      field.mark = toml_mark(key.source());
      if (!convert(value, field.value, depth + 1, error)) return false;
    }
  } else if (const auto* array = node.as_array()) {
    out.kind = Document::Kind::list;
    for (const auto& item : *array) {
      if (!convert(item, out.items.emplace_back(), depth + 1, error)) return false;
    }
  } else if (const auto* text = node.as_string()) {
    out.kind = Document::Kind::text;
    out.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = Document::Kind::integer;
    out.integer = integer->get();
  } else if (const auto* real = node.as_floating_point()) {
    out.kind = Document::Kind::real;
    out.real = real->get();
  } else if (const auto* truth = node.as_boolean()) {
    out.kind = Document::Kind::boolean;
    out.truth = truth->get();
  } else {
    error = {out.mark, "no setting is a date or a time"};
    return false;
  }
  return true;
}

}  // namespace

ReadResult read_toml(std::string_view text) {
  if (text.size() > kMaxFileBytes) return std::unexpected(SyntaxError{{}, "larger than 16 MiB"});
  if (std::optional<Mark> mark = AsciiCheck(text).first_violation()) {
    return std::unexpected(SyntaxError{*mark, "only ASCII is allowed outside of strings"});
  }
  try {
    toml::table table = toml::parse(text);
    Document document;
    SyntaxError error;
    if (!convert(table, document, 0, error)) return std::unexpected(std::move(error));
    return document;
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        SyntaxError{toml_mark(error.source()), std::string(error.description())});
  } catch (const std::exception& error) {
    return std::unexpected(SyntaxError{{}, error.what()});
  }
}

}  // namespace gyre::config
