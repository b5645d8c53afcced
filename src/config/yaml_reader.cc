#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "config/document.h"
#include "config/text.h"

namespace gyre::config {
namespace {

// An alias repeats what it refers to, so a small text can stand for a huge tree: the tree is
// bounded instead.
constexpr size_t kMaxYamlNodes = 1 << 17;
constexpr int kMaxYamlDepth = 64;

Mark mark_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<uint32_t>(mark.line) + 1, static_cast<uint32_t>(mark.column) + 1};
}

bool is_number_like(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text.starts_with('.')) text.remove_prefix(1);
  return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

// What a plain scalar means (YAML 1.2, 10.3.2, with the base prefixes of the reference's reader).
void read_scalar(const YAML::Node& node, Document& out) {
  const std::string& text = node.Scalar();
  bool is_plain = node.Tag() == "?" || node.Tag().empty();
  out.kind = Document::Kind::text;
  out.text = text;
  if (!is_plain) return;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    out.kind = Document::Kind::null;
  } else if (text == "true" || text == "True" || text == "TRUE") {
    out.kind = Document::Kind::boolean;
    out.truth = true;
  } else if (text == "false" || text == "False" || text == "FALSE") {
    out.kind = Document::Kind::boolean;
  } else if (is_number_like(text)) {
    if (std::optional<int64_t> integer = parse_integer(text)) {
      out.kind = Document::Kind::integer;
      out.integer = *integer;
      return;
    }
    const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
    auto [end, error] = std::from_chars(begin, text.data() + text.size(), out.real);
    if (error == std::errc() && end == text.data() + text.size()) out.kind = Document::Kind::real;
  }
}

class YamlReader {
 public:
  bool read(const YAML::Node& node, Document& out, int depth) {
    out.mark = mark_of(node.Mark());
    if (depth > kMaxYamlDepth) return fail(node.Mark(), "nested too deeply");
    if (++nodes_ > kMaxYamlNodes) return fail(node.Mark(), "too many values, counting aliases");
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        return true;
      case YAML::NodeType::Scalar:
        read_scalar(node, out);
        return true;
      case YAML::NodeType::Sequence:
        out.kind = Document::Kind::list;
        for (const YAML::Node& item : node) {
          if (!read(item, out.items.emplace_back(), depth + 1)) return false;
        }
        return true;
      case YAML::NodeType::Map:
        out.kind = Document::Kind::object;
        return read_map(node, out, depth);
    }
    return true;
  }

  SyntaxError error() { return std::move(error_); }

 private:
  bool fail(const YAML::Mark& mark, std::string message) {
    error_ = {mark_of(mark), std::move(message)};
    return false;
  }

  bool read_map(const YAML::Node& node, Document& out, int depth) {
    std::set<std::string> names;
    std::vector<YAML::Node> merged;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar() && !entry.first.IsNull()) {
        return fail(entry.first.Mark(), "a name was expected here");
      }
      std::string name = entry.first.IsNull() ? "null" : entry.first.Scalar();
      if (name == "<<") {
        merged.push_back(entry.second);
        continue;
      }
      if (!names.insert(name).second) {
        return fail(entry.first.Mark(), "\"" + name + "\" stands twice here");
      }
      Document::Field& field = out.fields.emplace_back();
      field.name = std::move(name);
      field.mark = mark_of(entry.first.Mark());
      if (!read(entry.second, field.value, depth + 1)) return false;
    }
    return std::ranges::all_of(
        merged, [&](const YAML::Node& source) { return merge(source, out, names, depth + 1); });
  }

  // "<<" takes over fields that the map does not have itself.
  bool merge(const YAML::Node& source, Document& out, std::set<std::string>& names, int depth) {
    Document taken;
    if (!read(source, taken, depth)) return false;
    std::vector<Document> maps;
    if (taken.kind == Document::Kind::list) {
      maps = std::move(taken.items);
    } else {
      maps.push_back(std::move(taken));
    }
    for (Document& map : maps) {
      if (map.kind != Document::Kind::object) return fail(source.Mark(), "\"<<\" needs a map");
      for (Document::Field& field : map.fields) {
        if (names.insert(field.name).second) out.fields.push_back(std::move(field));
      }
    }
    return true;
  }

  size_t nodes_ = 0;
  SyntaxError error_;
};

}  // namespace

ReadResult read_yaml(std::string_view text) {
  if (text.size() > kMaxYamlBytes) return std::unexpected(SyntaxError{{}, "larger than 2 MiB"});
  try {
    YAML::Node root = YAML::Load(std::string(text));
    Document document;
    YamlReader reader;
    if (!reader.read(root, document, 0)) return std::unexpected(reader.error());
    return document;
  } catch (const YAML::Exception& error) {
    return std::unexpected(SyntaxError{mark_of(error.mark), error.msg});
  } catch (const std::exception& error) {
    return std::unexpected(SyntaxError{{}, error.what()});
  }
}

}  // namespace gyre::config
