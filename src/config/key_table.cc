#include "config/key_table.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "config/text.h"
#include "config_keys.inc"  // generated: kKeyLines, one string per line of keys.tsv

namespace gyre::config {
namespace {

constexpr std::array<std::pair<std::string_view, Type>, 12> kTypeNames{{
    {"object", Type::object},
    {"bool", Type::boolean},
    {"int", Type::int64},
    {"int32", Type::int32},
    {"int64", Type::int64},
    {"uint32", Type::uint32},
    {"string", Type::text},
    {"pem", Type::text},
    {"duration", Type::duration},
    {"[]string", Type::texts},
    {"[]object", Type::objects},
    {"map[string]string", Type::string_map},
}};

constexpr std::array<std::string_view, 4> kNamedLists{"channel.namespaces", "rpc.namespaces",
                                                      "proxies", "consumers"};

Type type_of(std::string_view name) {
  const auto* found =
      std::ranges::find(kTypeNames, name, &std::pair<std::string_view, Type>::first);
  GYRE_CHECK(found != kTypeNames.end());
  return found->second;
}

// "unavailable!=memory,nats@broker.enabled hidden"
void read_status(std::string_view text, Key& key) {
  if (auto [word, attribute] = split_once(text, ' '); !attribute.empty()) {
    GYRE_CHECK(attribute == "hidden");
    key.is_hidden = true;
    text = word;
  }
  if (text == "-" || text == "live") return;
  if (text == "ignored") {
    key.status = Status::ignored;
  } else if (text == "dormant") {
    key.status = Status::dormant;
  } else {
    GYRE_CHECK(text.starts_with("unavailable"));
    key.status = Status::unavailable;
    auto [values, condition] = split_once(text.substr(std::string_view("unavailable").size()), '@');
    key.condition = condition;
    if (values.starts_with("!=")) key.available_values = split(values.substr(2), ',');
  }
}

std::string_view parent_path(std::string_view path) {
  size_t dot = path.rfind('.');
  if (dot == std::string_view::npos) return {};
  std::string_view parent = path.substr(0, dot);
  if (parent.ends_with("[]")) parent.remove_suffix(2);
  return parent;
}

std::string shouted(std::string_view path) {
  std::string name;
  for (char c : path) name += c == '.' || c == '-' ? '_' : upper_ascii(c);
  return name;
}

}  // namespace

const KeyTable& KeyTable::instance() {
  static const KeyTable table;
  return table;
}

KeyTable::KeyTable() {
  keys_.reserve(std::size(kKeyLines));
  keys_.push_back(Key{.type_name = "object", .default_text = "-"});
  by_path_.emplace(std::string_view(), 0);
  for (std::string_view line : std::span(kKeyLines).subspan(1)) add(line);
  for (uint32_t i = static_cast<uint32_t>(keys_.size()); i-- > 0;) {
    keys_[i].end = std::max(keys_[i].end, i + 1);
    Key& parent = keys_[keys_[i].parent];
    parent.end = std::max(parent.end, keys_[i].end);
  }
}

void KeyTable::add(std::string_view line) {
  std::vector<std::string_view> cells = split(line, '\t');
  GYRE_CHECK(cells.size() == 6);
  Key key;
  key.path = cells[0];
  key.name = key.path.substr(key.path.rfind('.') + 1);
  key.type = type_of(cells[1]);
  key.type_name = cells[1];
  key.default_text = cells[2] == "\"\"" ? std::string_view() : cells[2];
  read_status(cells[3], key);
  key.allowed = cells[4] == "-" ? std::string_view() : cells[4];
  key.doc = cells[5];
  key.index = static_cast<uint32_t>(keys_.size());
  const Key* parent = find(parent_path(key.path));
  GYRE_CHECK(parent != nullptr);
  GYRE_CHECK(parent->type == Type::object || parent->type == Type::objects);
  key.parent = parent->index;
  key.scope = parent->type == Type::objects ? parent->index : parent->scope;
  key.has_named_elements = contains(kNamedLists, key.path);
  by_path_.emplace(key.path, key.index);
  keys_.push_back(std::move(key));
}

const Key* KeyTable::find(std::string_view path) const {
  auto found = by_path_.find(path);
  return found == by_path_.end() ? nullptr : &keys_[found->second];
}

const Key* KeyTable::child(const Key& section, std::string_view name) const {
  std::string path(section.path);
  if (section.type == Type::objects) path += "[]";
  if (!path.empty()) path += '.';
  return find(path.append(name));
}

std::vector<const Key*> KeyTable::children(const Key& section) const {
  std::vector<const Key*> found;
  for (uint32_t i = section.index + 1; i < section.end; i = keys_[i].end)
    found.push_back(&keys_[i]);
  return found;
}

EnvironmentNames environment_names(const Key& key) {
  if (key.path.starts_with("gyre.")) return {"GYRE_" + shouted(key.path.substr(5)), ""};
  std::string name = shouted(key.path);
  return {"CENTRIFUGO_" + name, "GYRE_" + name};
}

EnvironmentNames element_environment_names(const EnvironmentNames& list, std::string_view element,
                                           const Key& list_key, const Key& key) {
  std::string rest = shouted(element) + '_' + shouted(key.path.substr(list_key.path.size() + 3));
  return {list.name + '_' + rest, list.alias + '_' + rest};
}

}  // namespace gyre::config
