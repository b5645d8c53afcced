#include "config/printed.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/text.h"

namespace gyre::config {
namespace {

Document section_document(const Scope& scope, const Key& section);

Document string_map_document(const StringMap& map) {
  Document document = Document::object();
  for (const auto& [name, value] : map) document.add(name, Document::of(value));
  return document;
}

// Unset lists of texts are null, as the reference prints them.
Document value_document(const Value& value, const Key& key) {
  struct Visitor {
    const Key& key;
    Document operator()(std::monostate) const {
      switch (key.type) {
        case Type::boolean:
          return Document::of(false);
        case Type::int32:
        case Type::int64:
        case Type::uint32:
          return Document::of(int64_t{0});
        case Type::text:
          return Document::of(std::string());
        case Type::duration:
          return Document::of(std::string("0s"));
        case Type::texts:
          return {};
        case Type::objects:
          return Document::list();
        case Type::object:
        case Type::string_map:
          return Document::object();
      }
      return {};
    }
    Document operator()(bool truth) const { return Document::of(truth); }
    Document operator()(int64_t number) const { return Document::of(number); }
    Document operator()(const std::string& text) const { return Document::of(text); }
    Document operator()(std::chrono::nanoseconds duration) const {
      return Document::of(format_duration(duration));
    }
    Document operator()(const std::vector<std::string>& texts) const {
      Document list = Document::list();
      for (const std::string& text : texts) list.items.push_back(Document::of(text));
      return list;
    }
    Document operator()(const StringMap& map) const { return string_map_document(map); }
    Document operator()(const std::vector<Scope>& elements) const {
      Document list = Document::list();
      for (const Scope& element : elements) list.items.push_back(section_document(element, key));
      return list;
    }
  };
  return std::visit(Visitor{key}, value.data);
}

Document section_document(const Scope& scope, const Key& section) {
  Document document = Document::object();
  for (const Key* key : KeyTable::instance().children(section)) {
    if (key->is_hidden) continue;
    document.add(std::string(key->name), key->type == Type::object
                                             ? section_document(scope, *key)
                                             : value_document(scope.at(*key), *key));
  }
  return document;
}

std::string shell_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted += '"';
}

std::string environment_text(const Value& value, const Key& key) {
  if (key.has_named_elements) {
    std::string names;
    if (const auto* elements = std::get_if<std::vector<Scope>>(&value.data)) {
      for (const Scope& element : *elements) {
        Document document = section_document(element, key);
        names += (names.empty() ? "" : " ") + document.fields.front().value.text;
      }
    }
    return shell_quoted(names);
  }
  Document document = value_document(value, key);
  switch (key.type) {
    case Type::objects:
    case Type::string_map:
      return shell_quoted(write_json_compact(document));
    case Type::texts: {
      std::string words;
      for (const Document& item : document.items)
        words += (words.empty() ? "" : " ") + shell_quoted(item.text);
      return words.empty() ? "\"\"" : words;
    }
    case Type::duration:
      return document.text;
    case Type::text:
      return shell_quoted(document.text);
    default:
      return write_json_compact(document);
  }
}

class EnvironmentLines {
 public:
  EnvironmentLines(const Scope& root, bool written_only)
      : root_(root), written_only_(written_only) {}

  std::vector<std::string> run() {
    for (const Key& key : KeyTable::instance().keys()) {
      if (key.scope != 0 || key.type == Type::object) continue;
      const Value& value = root_.at(key);
      add(environment_names(key).name, value, key);
      const auto* list = std::get_if<std::vector<Scope>>(&value.data);
      if (!list || !key.has_named_elements) continue;
      for (const Scope& scope : *list) element(scope, key);
    }
    std::ranges::sort(lines_);
    std::vector<std::string> texts;
    for (auto& [name, value] : lines_) texts.push_back(name + "=" + value);
    return texts;
  }

 private:
  void element(const Scope& element, const Key& list) {
    const KeyTable& table = KeyTable::instance();
    const auto* name = std::get_if<std::string>(&element.at(*table.child(list, "name")).data);
    if (!name) return;
    for (uint32_t i = list.index + 1; i < list.end; ++i) {
      const Key& key = table.keys()[i];
      if (key.type == Type::object || key.scope != list.index) continue;
      add(element_environment_names(environment_names(list), *name, list, key).name,
          element.at(key), key);
    }
  }

  void add(std::string name, const Value& value, const Key& key) {
    bool is_written = value.origin.source != Origin::Source::defaults && value.is_set() &&
                      (!value.is_zero() || key.type == Type::texts || key.type == Type::objects);
    if (written_only_ && !is_written) return;
    lines_.emplace_back(std::move(name), environment_text(value, key));
  }

  const Scope& root_;
  bool written_only_;
  std::vector<std::pair<std::string, std::string>> lines_;
};

std::string_view status_note(const Key& key) {
  switch (key.status) {
    case Status::live:
    case Status::ignored:
      return {};
    case Status::dormant:
      return "Accepted; without effect until this server has the feature it belongs to.";
    case Status::unavailable:
      return "This server does not have this feature yet: with a value other than the default it "
             "refuses to start, or "
             "warns with `gyre.unavailable: warn`.";
  }
  return {};
}

std::string environment_example(const Key& key) {
  if (key.scope == 0) {
    EnvironmentNames names = environment_names(key);
    return names.alias.empty() ? fmt::format("`{}`", names.name)
                               : fmt::format("`{}` or `{}`", names.name, names.alias);
  }
  const Key& list = KeyTable::instance().keys()[key.scope];
  if (!list.has_named_elements) return "in the JSON of the list";
  return fmt::format("`{}`",
                     element_environment_names(environment_names(list), "<NAME>", list, key).name);
}

void append_key(const Key& key, int base_level, std::string& out) {
  auto depth = static_cast<int>(std::ranges::count(key.path, '.'));
  int level = std::clamp(2 + base_level + depth, 1, 6);
  out += fmt::format("{} `{}`\n\n", std::string(static_cast<size_t>(level), '#'), key.path);
  if (!key.doc.empty()) {
    out += key.doc;
    out += key.doc.ends_with('.') ? "\n\n" : ".\n\n";
  }
  if (key.type == Type::object) return;
  out += fmt::format("- Type: `{}`\n", key.type_name);
  if (key.type != Type::objects) {
    std::string_view text = key.default_text;
    out += fmt::format("- Default: {}\n", text.empty() ? "empty" : fmt::format("`{}`", text));
  }
  if (!key.allowed.empty()) out += fmt::format("- Allowed: {}\n", key.allowed);
  out += fmt::format("- Environment: {}\n", environment_example(key));
  if (std::string_view note = status_note(key); !note.empty()) out += fmt::format("- {}\n", note);
  out += '\n';
}

}  // namespace

Document to_document(const Tree& tree) {
  return section_document(tree.scope(), KeyTable::instance().root());
}

std::string write_document(const Document& document, std::string_view format) {
  if (format == "toml") return write_toml(document);
  if (format == "yaml" || format == "yml") return write_yaml(document);
  return write_json(document);
}

std::vector<std::string> environment_lines(const Tree& tree, bool written_only) {
  return EnvironmentLines(tree.scope(), written_only).run();
}

std::string write_markdown(std::string_view section, int base_level) {
  std::string out;
  for (const Key& key : KeyTable::instance().keys()) {
    if (key.index == 0 || key.is_hidden || !key.path.starts_with(section)) continue;
    append_key(key, base_level, out);
  }
  return out;
}

}  // namespace gyre::config
