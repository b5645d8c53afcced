#include "config/decode.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "config/text.h"

namespace gyre::config {
namespace {

std::string join_path(std::string_view path, std::string_view name) {
  std::string joined(path);
  if (!joined.empty()) joined += '.';
  return joined.append(name);
}

std::string_view word_for(Document::Kind kind) {
  switch (kind) {
    case Document::Kind::null:
      return "nothing";
    case Document::Kind::boolean:
      return "a truth value";
    case Document::Kind::integer:
    case Document::Kind::real:
      return "a number";
    case Document::Kind::text:
      return "a text";
    case Document::Kind::list:
      return "a list";
    case Document::Kind::object:
      return "an object";
  }
  return "";
}

std::string expected_but_found(std::string_view expected, const Document& document) {
  return fmt::format("expected {}, found {}", expected, word_for(document.kind));
}

using Conversion = std::expected<decltype(Value::data), std::string>;

Conversion whole_number(int64_t number, Type type) {
  bool fits = true;
  if (type == Type::int32) {
    fits = number >= std::numeric_limits<int32_t>::min() &&
           number <= std::numeric_limits<int32_t>::max();
  } else if (type == Type::uint32) {
    fits = number >= 0 && number <= std::numeric_limits<uint32_t>::max();
  }
  if (!fits) return std::unexpected(fmt::format("{} is out of range", number));
  return number;
}

std::expected<int64_t, std::string> truncated(double real) {
  if (!(std::abs(real) < 9.2e18)) return std::unexpected("the number is out of range");
  return static_cast<int64_t>(real);
}

Conversion truncated_to(double real, Type type) {
  auto number = truncated(real);
  if (!number) return std::unexpected(number.error());
  return whole_number(*number, type);
}

Conversion to_integer(const Document& document, Type type) {
  switch (document.kind) {
    case Document::Kind::integer:
      return whole_number(document.integer, type);
    case Document::Kind::boolean:
      return int64_t{document.truth};
    case Document::Kind::real:
      return truncated_to(document.real, type);
    case Document::Kind::text:
      if (document.text.empty()) return int64_t{0};
      if (auto parsed = parse_integer(document.text)) return whole_number(*parsed, type);
      return std::unexpected(fmt::format("\"{}\" is not a number", document.text));
    default:
      return std::unexpected(expected_but_found("a number", document));
  }
}

Conversion to_boolean(const Document& document) {
  switch (document.kind) {
    case Document::Kind::boolean:
      return document.truth;
    case Document::Kind::integer:
      return document.integer != 0;
    case Document::Kind::real:
      return document.real != 0;
    case Document::Kind::text:
      if (document.text.empty()) return false;
      if (auto parsed = parse_boolean(document.text)) return *parsed;
      return std::unexpected(fmt::format("\"{}\" is not true or false", document.text));
    default:
      return std::unexpected(expected_but_found("true or false", document));
  }
}

std::expected<std::string, std::string> to_text(const Document& document) {
  switch (document.kind) {
    case Document::Kind::text:
      return document.text;
    case Document::Kind::integer:
      return fmt::format("{}", document.integer);
    case Document::Kind::real: {
      char digits[400];  // the longest double in fixed notation has 309 digits before the point
      auto end =
          std::to_chars(digits, digits + sizeof digits, document.real, std::chars_format::fixed);
      return std::string(digits, end.ptr);
    }
    case Document::Kind::boolean:
      return document.truth ? "1" : "0";
    default:
      return std::unexpected(expected_but_found("a text", document));
  }
}

Conversion to_duration(const Document& document) {
  if (document.kind == Document::Kind::integer) return std::chrono::nanoseconds(document.integer);
  if (document.kind == Document::Kind::real) {
    auto number = truncated(document.real);
    if (!number) return std::unexpected(number.error());
    return std::chrono::nanoseconds(*number);
  }
  if (document.kind != Document::Kind::text) {
    return std::unexpected(expected_but_found("a duration such as \"30s\"", document));
  }
  if (auto parsed = parse_duration(document.text)) return *parsed;
  return std::unexpected(
      fmt::format("\"{}\" is not a duration such as \"30s\" or \"1h30m\"", document.text));
}

Conversion to_texts(const Document& document) {
  std::vector<std::string> texts;
  if (document.kind == Document::Kind::object && document.fields.empty()) return texts;
  if (document.kind != Document::Kind::list) {
    auto text = to_text(document);
    if (!text) return std::unexpected(expected_but_found("a list of texts", document));
    return std::vector{*text};
  }
  for (const Document& item : document.items) {
    if (item.kind == Document::Kind::null) {
      texts.emplace_back();
      continue;
    }
    auto text = to_text(item);
    if (!text) return std::unexpected(expected_but_found("a list of texts", item) + " in it");
    texts.push_back(std::move(*text));
  }
  return texts;
}

const Document* exact_field(const Document& object, std::string_view name) {
  for (const Document::Field& field : object.fields) {
    if (lowered(field.name) == name) return &field.value;
  }
  return nullptr;
}

// {"key":…, "value":…} of a string map's list form.
std::string add_pair(const Document& item, StringMap& map) {
  if (item.kind != Document::Kind::object) return expected_but_found("{\"key\", \"value\"}", item);
  const Document* key = exact_field(item, "key");
  const Document* value = exact_field(item, "value");
  if (!key || key->kind != Document::Kind::text) return "an element needs a text \"key\"";
  if (!value || value->kind != Document::Kind::text) return "an element needs a text \"value\"";
  if (!map.emplace(key->text, value->text).second) {
    return fmt::format("key \"{}\" stands twice", key->text);
  }
  return {};
}

Conversion to_string_map(const Document& document, bool keeps_case,
                         const Environment& environment) {
  StringMap map;
  if (document.kind == Document::Kind::list) {
    for (const Document& item : document.items) {
      if (std::string error = add_pair(item, map); !error.empty()) return std::unexpected(error);
    }
  } else if (document.kind == Document::Kind::object) {
    for (const Document::Field& field : document.fields) {
      if (!keeps_case && field.name.contains('.')) {
        return std::unexpected(
            fmt::format("string expected for key \"{}\": a name with a dot needs the form "
                        "[{{\"key\":…,\"value\":…}}]",
                        field.name));
      }
      if (field.value.kind != Document::Kind::text) {
        return std::unexpected(fmt::format("string expected for key \"{}\"", field.name));
      }
      map[keeps_case ? field.name : lowered(field.name)] = field.value.text;
    }
  } else {
    return std::unexpected(expected_but_found("an object of texts", document));
  }
  for (auto& [key, value] : map) {
    std::string missing;
    if (!expand_variables(value, environment, missing)) {
      return std::unexpected(fmt::format("environment variable {} does not exist", missing));
    }
  }
  return map;
}

Conversion convert(const Document& document, const Key& key, const Origin& source,
                   const Environment& environment) {
  switch (key.type) {
    case Type::boolean:
      return to_boolean(document);
    case Type::int32:
    case Type::int64:
    case Type::uint32:
      return to_integer(document, key.type);
    case Type::text:
      return to_text(document);
    case Type::duration:
      return to_duration(document);
    case Type::texts:
      return to_texts(document);
    case Type::string_map:
      return to_string_map(document, source.source == Origin::Source::environment, environment);
    case Type::object:
    case Type::objects:
      break;
  }
  GYRE_CHECK(false);
  return {};
}

// An element takes a slot for each of its keys, up to some 30 KB, however short its text is.
constexpr size_t kMaxElements = 20'000;

// What one decoding carries along.
class Decoder {
 public:
  Decoder(Scope& scope, const Origin& source, const Environment& environment, Findings& findings)
      : scope_(&scope), source_(source), environment_(environment), findings_(findings) {}

  void fields(const Document& document, const Key& section, std::string_view shown) {
    if (document.kind == Document::Kind::null) return;
    if (document.kind != Document::Kind::object) {
      return error(document.mark, shown, expected_but_found("an object", document));
    }
    for (const Document::Field& field : document.fields) {
      this->field(field.name, field.mark, field.value, section, shown);
    }
  }

  void value(const Document& document, const Key& key, std::string_view shown) {
    if (key.type == Type::object) return fields(document, key, shown);
    if (document.kind == Document::Kind::null) return;
    if (key.type == Type::objects) return list(document, key, shown);
    Conversion converted = convert(document, key, source_, environment_);
    if (!converted) return error(document.mark, shown, converted.error());
    scope_->at(key) = {std::move(*converted), origin(document.mark)};
  }

 private:
  Origin origin(Mark mark) const {
    Origin origin = source_;
    if (source_.source == Origin::Source::file) {
      origin.line = mark.line;
      origin.column = mark.column;
    }
    return origin;
  }

  void error(Mark mark, std::string_view shown, std::string message) {
    findings_.errors.push_back({std::string(shown), std::move(message), origin(mark), {}});
  }

  void field(std::string_view name, Mark mark, const Document& value, const Key& section,
             std::string_view shown) {
    const KeyTable& table = KeyTable::instance();
    auto [first, rest] = split_once(name, '.');
    const Key* key = table.child(section, lowered(first));
    std::string path = join_path(shown, lowered(first));
    bool is_divided = first.size() != name.size();
    if (!key || (is_divided && key->type != Type::object)) {
      return unknown(lowered(name), mark, section, shown);
    }
    if (is_divided) return field(rest, mark, value, *key, path);
    this->value(value, *key, path);
  }

  void list(const Document& document, const Key& key, std::string_view shown) {
    std::vector<Scope> elements;
    Scope* outer = scope_;
    auto add = [&](const Document& item, std::string_view item_shown) {
      scope_ = &elements.emplace_back(key);
      fields(item, key, item_shown);
    };
    element_count_ += document.items.size();
    if (element_count_ > kMaxElements) {
      return error(document.mark, shown,
                   fmt::format("more than {} elements in all lists", kMaxElements));
    }
    if (document.kind == Document::Kind::list) {
      elements.reserve(document.items.size());
      for (size_t i = 0; i < document.items.size(); ++i) {
        add(document.items[i], fmt::format("{}.[{}]", shown, i));
      }
    } else if (document.kind == Document::Kind::object) {
      if (!document.fields.empty()) add(document, fmt::format("{}.[0]", shown));
    } else {
      return error(document.mark, shown, expected_but_found("a list of objects", document));
    }
    scope_ = outer;
    scope_->at(key) = {std::move(elements), origin(document.mark)};
  }

  void unknown(const std::string& name, Mark mark, const Key& section, std::string_view shown) {
    const KeyTable& table = KeyTable::instance();
    std::string path = join_path(shown, name);
    std::vector<std::string_view> names;
    for (const Key* sibling : table.children(section)) names.push_back(sibling->name);
    std::string hint;
    if (std::string_view near = nearest(name, names); !near.empty()) {
      hint = join_path(shown, near);
    } else {
      hint = elsewhere(name);
    }
    findings_.unknown_keys.push_back(
        {std::move(path), "unknown key", origin(mark), std::move(hint)});
  }

  // A name that belongs to another section.
  static std::string elsewhere(std::string_view name) {
    std::string_view found;
    for (const Key& key : KeyTable::instance().keys()) {
      if (key.name != name || key.scope != 0 || key.is_hidden) continue;
      if (key.status == Status::live) return std::string(key.path);
      if (found.empty()) found = key.path;
    }
    return std::string(found);
  }

  Scope* scope_;
  const Origin& source_;
  const Environment& environment_;
  Findings& findings_;
  size_t element_count_ = 0;
};

}  // namespace

void decode(const Document& document, const Key& section, Scope& scope, const Origin& source,
            std::string_view shown, const Environment& environment, Findings& findings) {
  Decoder(scope, source, environment, findings).fields(document, section, shown);
}

void decode_value(const Document& document, const Key& key, Scope& scope, const Origin& source,
                  std::string_view shown, const Environment& environment, Findings& findings) {
  Decoder(scope, source, environment, findings).value(document, key, shown);
}

bool expand_variables(std::string& text, const Environment& environment, std::string& missing) {
  static constexpr std::string_view kOpening = "${CENTRIFUGO_VAR_";
  std::string expanded;
  std::string_view rest = text;
  for (size_t at; (at = rest.find(kOpening)) != std::string_view::npos;) {
    size_t end = rest.find('}', at);
    if (end == std::string_view::npos) break;
    std::string_view name = rest.substr(at + 2, end - at - 2);
    auto variable = environment.find(name);
    if (variable == environment.end()) {
      missing = name;
      return false;
    }
    expanded.append(rest.substr(0, at)).append(variable->second);
    rest.remove_prefix(end + 1);
  }
  text = expanded.append(rest);
  return true;
}

std::expected<Value, std::string> value_from_text(const Key& key, std::string_view text) {
  switch (key.type) {
    case Type::boolean:
      if (auto truth = parse_boolean(text)) return Value{*truth, {}};
      return std::unexpected(fmt::format("\"{}\" is not true or false", text));
    case Type::int32:
    case Type::int64:
    case Type::uint32: {
      std::optional<int64_t> number = parse_integer(text);
      if (!number) return std::unexpected(fmt::format("\"{}\" is not a number", text));
      Conversion checked = whole_number(*number, key.type);
      if (!checked) return std::unexpected(checked.error());
      return Value{std::move(*checked), {}};
    }
    case Type::duration:
      if (auto duration = parse_duration(text)) return Value{*duration, {}};
      return std::unexpected(fmt::format("\"{}\" is not a duration such as \"30s\"", text));
    case Type::text:
      return Value{std::string(text), {}};
    case Type::texts:
      return Value{split_words(text), {}};
    case Type::object:
    case Type::objects:
    case Type::string_map:
      break;
  }
  return std::unexpected("has no text form");
}

Value default_value(const Key& key) {
  std::string_view text = key.default_text;
  if (text.empty() || text == "-" || text == "[]" || text == "{}") return {};
  std::expected<Value, std::string> value = value_from_text(key, text);
  GYRE_CHECK(value.has_value());
  return std::move(*value);
}

}  // namespace gyre::config
