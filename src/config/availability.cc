#include "config/availability.h"

#include <fmt/format.h>

#include "config/text.h"

namespace gyre::config {
namespace {

std::string shown_value(const Value& value) {
  if (const auto* truth = std::get_if<bool>(&value.data)) return *truth ? "true" : "false";
  if (const auto* number = std::get_if<int64_t>(&value.data)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&value.data)) return fmt::format("\"{}\"", *text);
  if (const auto* duration = std::get_if<std::chrono::nanoseconds>(&value.data)) {
    return format_duration(*duration);
  }
  std::string list;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value.data)) {
    for (const std::string& text : *texts)
      list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", text);
  }
  return "[" + list + "]";
}

class AvailabilityWalk {
 public:
  explicit AvailabilityWalk(const Scope& root) : root_(root) {}

  std::vector<Finding> run() {
    visit(root_, "");
    return std::move(findings_);
  }

 private:
  void visit(const Scope& scope, const std::string& shown) {
    const KeyTable& table = KeyTable::instance();
    const Key& base = scope.base();
    for (uint32_t i = base.index + 1; i < base.end; ++i) {
      const Key& key = table.keys()[i];
      if (key.type == Type::object || key.scope != base.index) continue;
      std::string path(key.path);
      if (base.index != 0) path = shown + std::string(key.path.substr(base.path.size() + 2));
      const Value& value = scope.at(key);
      if (const auto* elements = std::get_if<std::vector<Scope>>(&value.data)) {
        for (size_t n = 0; n < elements->size(); ++n) {
          visit((*elements)[n], fmt::format("{}.[{}]", path, n));
        }
      } else if (key.status == Status::unavailable && counts(key, value)) {
        findings_.push_back({std::move(path), shown_value(value), value.origin, {}});
      }
    }
  }

  bool counts(const Key& key, const Value& value) const {
    if (value.is_zero()) return false;
    if (const auto* text = std::get_if<std::string>(&value.data)) {
      if (*text == key.default_text || contains(key.available_values, *text)) return false;
    }
    if (key.condition.empty()) return true;
    const Key* condition = KeyTable::instance().find(key.condition);
    const auto* truth = std::get_if<bool>(&root_.at(*condition).data);
    return truth && *truth;
  }

  const Scope& root_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> unavailable_settings(const Tree& tree) {
  return AvailabilityWalk(tree.scope()).run();
}

}  // namespace gyre::config
