#include <fmt/format.h>

#include <algorithm>

#include "config/document.h"

namespace gyre::config {
namespace {

using Kind = Document::Kind;

// A JSON string as Go writes it, which is also a double-quoted scalar of YAML and a basic string of
// TOML.
std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\r') {
      quoted += "\\r";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (byte < 0x20 || byte == 0x7F || c == '<' || c == '>' || c == '&') {
      quoted += fmt::format("\\u{:04x}", byte);
    } else if (text.substr(i).starts_with("\u2028") || text.substr(i).starts_with("\u2029")) {
      quoted += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      quoted += c;
    }
  }
  return quoted += '"';
}

std::string scalar(const Document& document) {
  switch (document.kind) {
    case Kind::boolean:
      return document.truth ? "true" : "false";
    case Kind::integer:
      return fmt::format("{}", document.integer);
    case Kind::real:
      return fmt::format("{}", document.real);
    case Kind::text:
      return quote(document.text);
    default:
      return "null";
  }
}

bool is_container(const Document& document) {
  return document.kind == Kind::list || document.kind == Kind::object;
}
bool is_empty(const Document& document) {
  return document.items.empty() && document.fields.empty();
}
bool holds_objects(const Document& document) {
  return document.kind == Kind::list && !document.items.empty() &&
         document.items.front().kind == Kind::object;
}
std::string empty_form(const Document& document) {
  return document.kind == Kind::object ? "{}" : "[]";
}

// `depth` < 0: all on one line.
void append_json(const Document& document, int depth, std::string& out) {
  if (!is_container(document)) {
    out += scalar(document);
    return;
  }
  if (is_empty(document)) {
    out += empty_form(document);
    return;
  }
  bool is_object = document.kind == Kind::object;
  auto new_line = [&](int level) {
    if (depth >= 0) out += '\n' + std::string(static_cast<size_t>(level) * 2, ' ');
  };
  int inner = depth < 0 ? depth : depth + 1;
  out += is_object ? '{' : '[';
  size_t count = is_object ? document.fields.size() : document.items.size();
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    new_line(inner);
    if (is_object) out += quote(document.fields[i].name) + (depth < 0 ? ":" : ": ");
    append_json(is_object ? document.fields[i].value : document.items[i], inner, out);
  }
  new_line(depth);
  out += is_object ? '}' : ']';
}

bool is_bare_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}
// Names of ours are words; those of string maps may be anything, also "yes" or "1".
bool is_plain_word(std::string_view name) {
  return name.contains('_') && is_bare_name(name) && name.front() >= 'a' && name.front() <= 'z';
}
std::string yaml_name(std::string_view name, bool is_known) {
  return is_known || is_plain_word(name) ? std::string(name) : quote(name);
}

bool is_simple_map(const Document& document) {
  return std::ranges::all_of(document.fields,
                             [](const auto& f) { return f.value.kind == Kind::text; });
}

void append_yaml(const Document& document, size_t indent, std::string& out) {
  std::string blanks(indent, ' ');
  auto append_value = [&](const Document& value) {
    if (value.kind == Kind::null || (is_container(value) && is_empty(value))) {
      out += " " + empty_form(value) + "\n";
    } else if (is_container(value)) {
      out += '\n';
      append_yaml(value, indent + 2, out);
    } else {
      out += " " + scalar(value) + "\n";
    }
  };
  bool is_known = !is_simple_map(document);
  for (const Document::Field& field : document.fields) {
    out += blanks + yaml_name(field.name, is_known) + ":";
    append_value(field.value);
  }
  for (const Document& item : document.items) {
    if (item.kind == Kind::object && !is_empty(item)) {
      std::string element;
      append_yaml(item, indent + 2, element);
      element.replace(indent, 1, "-");
      out += element;
    } else {
      out += blanks + "- " + (is_container(item) ? empty_form(item) : scalar(item)) + "\n";
    }
  }
}

std::string toml_name(std::string_view name) {
  return is_bare_name(name) ? std::string(name) : quote(name);
}

bool is_toml_table(const Document& document) {
  return (document.kind == Kind::object && !is_empty(document)) || holds_objects(document);
}

std::string toml_value(const Document& document) {
  if (document.kind == Kind::null || (is_container(document) && is_empty(document))) {
    return empty_form(document);
  }
  if (document.kind != Kind::list) return scalar(document);
  std::string line;
  for (const Document& item : document.items)
    line += (line.empty() ? "[" : ", ") + toml_value(item);
  return line + "]";
}

// Values of a table come first, then its tables: what follows a table's header belongs to it.
void append_toml(const Document& table, const std::string& path, std::string& out) {
  for (const Document::Field& field : table.fields) {
    if (!is_toml_table(field.value))
      out += toml_name(field.name) + " = " + toml_value(field.value) + "\n";
  }
  for (const Document::Field& field : table.fields) {
    if (!is_toml_table(field.value)) continue;
    std::string inner = (path.empty() ? "" : path + ".") + toml_name(field.name);
    if (field.value.kind == Kind::object) {
      out += fmt::format("\n[{}]\n", inner);
      append_toml(field.value, inner, out);
    }
    for (const Document& item : field.value.items) {
      out += fmt::format("\n[[{}]]\n", inner);
      append_toml(item, inner, out);
    }
  }
}

}  // namespace

std::string write_json(const Document& document) {
  std::string out;
  append_json(document, 0, out);
  return out += '\n';
}

std::string write_json_compact(const Document& document) {
  std::string out;
  append_json(document, -1, out);
  return out;
}

std::string write_yaml(const Document& document) {
  std::string out;
  append_yaml(document, 0, out);
  return out;
}

std::string write_toml(const Document& document) {
  std::string out;
  append_toml(document, "", out);
  return out;
}

}  // namespace gyre::config
