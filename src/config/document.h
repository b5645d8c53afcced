#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace gyre::config {

struct Mark {
  uint32_t line = 0;  // from 1; 0 = no place in a text
  uint32_t column = 0;
};

// A configuration text as it was written, whatever its format, before anything is known of keys.
// Also what the printed forms are made from. Object fields keep their order.
struct Document {
  enum class Kind : uint8_t { null, boolean, integer, real, text, list, object };
  struct Field;

  Kind kind = Kind::null;
  bool truth = false;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<Document> items;
  std::vector<Field> fields;
  Mark mark;

  static Document of(bool truth);
  static Document of(int64_t integer);
  static Document of(std::string text);
  static Document list();
  static Document object();
  Document& add(std::string name, Document value);  // a field
};

struct Document::Field {
  std::string name;
  Mark mark;
  Document value;
};

struct SyntaxError {
  Mark mark;
  std::string message;
};
using ReadResult = std::expected<Document, SyntaxError>;

// The largest texts that are read. YAML's bound is lower since yaml-cpp 0.7 takes up to 217 times
// the input in memory.
inline constexpr size_t kMaxFileBytes = 16 << 20;
inline constexpr size_t kMaxYamlBytes = 2 << 20;

// Readers of the three formats. Any bytes may be given; a field that stands twice in an object
// counts as the last one in JSON (RFC 8259, 4, leaves it open; the reference does so) and is an
// error elsewhere.
ReadResult read_json(std::string_view text);
ReadResult read_yaml(std::string_view text);
ReadResult read_toml(std::string_view text);

std::string write_json(const Document& document);  // indented by two spaces, ends with a newline
std::string write_json_compact(const Document& document);
std::string write_yaml(const Document& document);
std::string write_toml(const Document& document);

}  // namespace gyre::config
