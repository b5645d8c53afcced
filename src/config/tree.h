#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/key_table.h"

namespace gyre::config {

// Where a value comes from, for messages.
struct Origin {
  enum class Source : uint8_t { defaults, file, environment, flag };
  Source source = Source::defaults;
  std::string name;  // of the file, the variable or the flag
  uint32_t line = 0;
  uint32_t column = 0;

  std::string text() const;  // "config.json:3:9", "environment variable X"; empty for a default
};

// Something to tell about the configuration: an error or a warning.
struct Finding {
  std::string path;  // of the key, list elements as "[0]"; may be empty
  std::string message;
  Origin origin;
  std::string hint;  // the nearest known name

  std::string text() const;  // one line
};

using StringMap = std::map<std::string, std::string>;

class Scope;

// One setting. Empty means unset, which reads as the zero value of its type.
struct Value {
  std::variant<std::monostate, bool, int64_t, std::string, std::chrono::nanoseconds,
               std::vector<std::string>, StringMap, std::vector<Scope>>
      data;
  Origin origin;

  bool is_set() const { return data.index() != 0; }
  bool is_zero() const;  // unset, "", 0, false, or an empty list or map
};

// The values of the root, or of one element of a list: a slot for each key below `base`.
class Scope {
 public:
  explicit Scope(const Key& base) : base_(&base), values_(base.end - base.index - 1) {}

  const Key& base() const { return *base_; }
  Value& at(const Key& key) { return values_[key.index - base_->index - 1]; }
  const Value& at(const Key& key) const { return values_[key.index - base_->index - 1]; }

 private:
  const Key* base_;
  std::vector<Value> values_;
};

// A loaded configuration, or a section or list element of it. Immutable, cheap to copy, shared by
// whoever holds it, on any shard. Asking for a path that keys.tsv does not have, or for another
// type, is a mistake of ours and ends the process.
class Tree {
 public:
  Tree() : Tree(std::make_shared<const Scope>(KeyTable::instance().root())) {}
  explicit Tree(std::shared_ptr<const Scope> root)
      : root_(std::move(root)), scope_(root_.get()), section_(&scope_->base()) {}

  bool boolean(std::string_view path) const;
  int64_t integer(std::string_view path) const;
  const std::string& text(std::string_view path) const;
  std::chrono::nanoseconds duration(std::string_view path) const;
  const std::vector<std::string>& texts(std::string_view path) const;
  const StringMap& string_map(std::string_view path) const;
  std::vector<Tree> list(std::string_view path) const;
  Tree section(std::string_view path) const;

  const Origin& origin(std::string_view path) const;
  // For walks over the table.
  const Scope& scope() const { return *scope_; }

 private:
  Tree(std::shared_ptr<const Scope> root, const Scope* scope, const Key* section)
      : root_(std::move(root)), scope_(scope), section_(section) {}
  const Key& key(std::string_view path) const;
  template <class T>
  const T& get(std::string_view path) const;

  std::shared_ptr<const Scope> root_;  // keeps everything below alive
  const Scope* scope_;
  const Key* section_;  // what paths are relative to
};

}  // namespace gyre::config
