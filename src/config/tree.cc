#include "config/tree.h"

#include <fmt/format.h>

#include "base/check.h"

namespace gyre::config {

std::string Origin::text() const {
  switch (source) {
    case Source::defaults:
      return {};
    case Source::file:
      return line == 0 ? name : fmt::format("{}:{}:{}", name, line, column);
    case Source::environment:
      return "environment variable " + name;
    case Source::flag:
      return "flag --" + name;
  }
  return {};
}

std::string Finding::text() const {
  std::string line = origin.text();
  if (!line.empty()) line += ": ";
  if (!path.empty()) line += path + ": ";
  line += message;
  if (!hint.empty()) line += fmt::format(" (did you mean \"{}\"?)", hint);
  return line;
}

namespace {

struct IsZero {
  bool operator()(std::monostate) const { return true; }
  bool operator()(bool truth) const { return !truth; }
  bool operator()(int64_t number) const { return number == 0; }
  bool operator()(std::chrono::nanoseconds duration) const { return duration.count() == 0; }
  bool operator()(const auto& container) const { return container.empty(); }
};

}  // namespace

bool Value::is_zero() const {
  return std::visit(IsZero{}, data);
}

const Key& Tree::key(std::string_view path) const {
  std::string full(section_->path);
  if (section_->type == Type::objects) full += "[]";
  if (!full.empty() && !path.empty()) full += '.';
  const Key* found = KeyTable::instance().find(full.append(path));
  GYRE_CHECK(found != nullptr);
  return *found;
}

template <class T>
const T& Tree::get(std::string_view path) const {
  static const T kZero{};
  const Value& value = scope_->at(key(path));
  if (!value.is_set()) return kZero;
  const T* typed = std::get_if<T>(&value.data);
  GYRE_CHECK(typed != nullptr);
  return *typed;
}

bool Tree::boolean(std::string_view path) const {
  return get<bool>(path);
}
int64_t Tree::integer(std::string_view path) const {
  return get<int64_t>(path);
}
const std::string& Tree::text(std::string_view path) const {
  return get<std::string>(path);
}
std::chrono::nanoseconds Tree::duration(std::string_view path) const {
  return get<std::chrono::nanoseconds>(path);
}
const std::vector<std::string>& Tree::texts(std::string_view path) const {
  return get<std::vector<std::string>>(path);
}
const StringMap& Tree::string_map(std::string_view path) const {
  return get<StringMap>(path);
}

std::vector<Tree> Tree::list(std::string_view path) const {
  std::vector<Tree> elements;
  for (const Scope& element : get<std::vector<Scope>>(path)) {
    elements.push_back(Tree(root_, &element, &element.base()));
  }
  return elements;
}

Tree Tree::section(std::string_view path) const {
  const Key& section = key(path);
  GYRE_CHECK(section.type == Type::object);
  return Tree(root_, scope_, &section);
}

const Origin& Tree::origin(std::string_view path) const {
  return scope_->at(key(path)).origin;
}

}  // namespace gyre::config
