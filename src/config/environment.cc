#include "config/environment.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <set>

#include "config/text.h"

namespace gyre::config {
namespace {

class EnvironmentPass {
 public:
  EnvironmentPass(Scope& root, const Environment& environment, const Flags& flags,
                  Findings& findings)
      : root_(root), environment_(environment), flags_(flags), findings_(findings) {}

  void run() {
    const KeyTable& table = KeyTable::instance();
    for (const Key& key : table.keys()) {
      if (key.scope == 0 && key.type != Type::object) set_root(key);
    }
    for (const Key& key : table.keys()) {
      if (key.type != Type::objects || key.scope != 0) continue;
      if (auto* elements = std::get_if<std::vector<Scope>>(&root_.at(key).data)) {
        for (size_t i = 0; i < elements->size(); ++i) set_element((*elements)[i], key, i);
      }
    }
    for (const auto& [name, value] : environment_) report_unknown(name);
  }

 private:
  struct Variable {
    const std::string* name = nullptr;
    const std::string* value = nullptr;
  };

  // Our spelling wins over the reference's.
  Variable lookup(const EnvironmentNames& names) {
    known_.insert(names.name);
    auto found = environment_.find(names.name);
    auto other = environment_.end();
    if (!names.alias.empty()) {
      known_.insert(names.alias);
      other = environment_.find(names.alias);
    }
    if (other == environment_.end() || other->second.empty()) std::swap(found, other);
    if (other == environment_.end() || other->second.empty()) return {};
    if (found != environment_.end() && !found->second.empty() && found->second != other->second) {
      findings_.warnings.push_back(
          {"",
           fmt::format("{} is ignored, since {} says otherwise", found->first, other->first),
           {},
           {}});
    }
    return {&other->first, &other->second};
  }

  void set_root(const Key& key) {
    Variable variable = lookup(environment_names(key));
    Value& value = root_.at(key);
    if (auto flag = flags_.find(key.path); flag != flags_.end()) {
      set_text(value, key, flag->second, {Origin::Source::flag, flag->first}, key.path);
    } else if (variable.value && key.has_named_elements && !is_json_list(*variable.value)) {
      add_names(value, key, variable);
    } else if (variable.value) {
      set_variable(root_, key, variable, key.path);
    } else if (takes_default(value, key)) {
      set_default(value, key);
    }
  }

  void set_element(Scope& element, const Key& list, size_t position) {
    const KeyTable& table = KeyTable::instance();
    std::string name;
    if (const Key* name_key = list.has_named_elements ? table.child(list, "name") : nullptr) {
      if (const auto* text = std::get_if<std::string>(&element.at(*name_key).data)) name = *text;
    }
    std::string shown = fmt::format("{}.[{}]", list.path, position);
    EnvironmentNames list_names = environment_names(list);
    for (uint32_t i = list.index + 1; i < list.end; ++i) {
      const Key& key = table.keys()[i];
      if (key.type == Type::object || key.scope != list.index) continue;
      Variable variable;
      if (!name.empty()) variable = lookup_element(list_names, name, shown, list, key);
      std::string path = shown + std::string(key.path.substr(list.path.size() + 2));
      if (variable.value) {
        set_variable(element, key, variable, path);
      } else if (Value& value = element.at(key); takes_default(value, key)) {
        set_default(value, key);
      }
    }
  }

  // "a-b" and "a.b" share their variables, and so do "a" with map.x and "a_map" with x: the
  // reference sets both.
  Variable lookup_element(const EnvironmentNames& list_names, const std::string& name,
                          const std::string& shown, const Key& list, const Key& key) {
    EnvironmentNames names = element_environment_names(list_names, name, list, key);
    Variable variable = lookup(names);
    if (!variable.value) return variable;
    auto [owner, is_new] = element_variables_.emplace(*variable.name, shown);
    if (!is_new && owner->second != shown) {
      findings_.warnings.push_back(
          {"",
           fmt::format("{} sets both {} and {}", *variable.name, owner->second, shown),
           {},
           {}});
    }
    return variable;
  }

  static bool is_json_list(std::string_view text) {
    return text.starts_with('[') && text.ends_with(']');
  }

  void add_names(Value& value, const Key& list, const Variable& variable) {
    if (!value.is_set()) value.data = std::vector<Scope>();
    value.origin = {Origin::Source::environment, *variable.name};
    const Key& name_key = *KeyTable::instance().child(list, "name");
    for (std::string& name : split_words(*variable.value)) {
      Scope& element = std::get<std::vector<Scope>>(value.data).emplace_back(list);
      element.at(name_key) = {std::move(name), value.origin};
    }
  }

  void set_variable(Scope& scope, const Key& key, const Variable& variable,
                    std::string_view shown) {
    Origin origin{Origin::Source::environment, *variable.name};
    if (key.type != Type::objects && key.type != Type::string_map) {
      return set_text(scope.at(key), key, *variable.value, std::move(origin), shown);
    }
    ReadResult document = read_json(*variable.value);
    if (!document) {
      findings_.errors.push_back({std::string(shown),
                                  fmt::format("not valid JSON: {}", document.error().message),
                                  std::move(origin),
                                  {}});
      return;
    }
    decode_value(*document, key, scope, origin, shown, environment_, findings_);
  }

  void set_text(Value& value, const Key& key, std::string_view text, Origin origin,
                std::string_view shown) {
    std::expected<Value, std::string> parsed = value_from_text(key, text);
    if (!parsed) {
      findings_.errors.push_back({std::string(shown), parsed.error(), std::move(origin), {}});
      return;
    }
    value = std::move(*parsed);
    value.origin = std::move(origin);
  }

  // A zero that was written down is none to the reference, whose keys mean here what they mean
  // there; a key of our own means what it says.
  static bool takes_default(const Value& value, const Key& key) {
    return !value.is_set() || (value.is_zero() && !key.path.starts_with("gyre."));
  }

  // A zero that was written down keeps its place in the file, for messages; a default that replaces
  // it does not.
  static void set_default(Value& value, const Key& key) {
    if (Value standard = default_value(key); standard.is_set()) value = std::move(standard);
  }

  void report_unknown(const std::string& name) {
    bool is_ours = name.starts_with("GYRE_");
    if (!is_ours && !name.starts_with("CENTRIFUGO_")) return;
    if (known_.contains(name) || name.starts_with("CENTRIFUGO_VAR_")) return;
    // What Kubernetes sets for a service that is called like us.
    static const RE2 kServiceVariable("^(?:CENTRIFUGO|GYRE)(?:_[A-Z0-9_]+)?_(PORT|SERVICE_)");
    if (RE2::PartialMatch(name, kServiceVariable)) return;
    std::vector<std::string_view> candidates(known_.begin(), known_.end());
    findings_.unknown_environment.push_back(
        {"", "unknown environment variable " + name, {}, std::string(nearest(name, candidates))});
  }

  Scope& root_;
  const Environment& environment_;
  const Flags& flags_;
  Findings& findings_;
  std::set<std::string, std::less<>> known_;
  std::map<std::string, std::string>
      element_variables_;  // variable → the element that it set first
};

}  // namespace

void apply_environment(Scope& root, const Environment& environment, const Flags& flags,
                       Findings& findings) {
  EnvironmentPass(root, environment, flags, findings).run();
}

}  // namespace gyre::config
