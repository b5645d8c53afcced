#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gyre::config {

enum class Type : uint8_t {
  object,  // a section: no value of its own
  boolean,
  int32,
  int64,
  uint32,
  text,  // PEM material too: it is resolved where TLS is built
  duration,
  texts,
  objects,  // a list of sections
  string_map,
};

// What this server makes of a key; README.md has the words.
enum class Status : uint8_t { live, ignored, dormant, unavailable };

// One row of keys.tsv.
struct Key {
  std::string_view path;  // "channel.namespaces[].history_ttl"
  std::string_view name;  // its last part
  Type type = Type::object;
  std::string_view type_name;
  std::string_view default_text;
  Status status = Status::live;
  bool is_hidden = false;
  std::vector<std::string_view>
      available_values;        // of an unavailable key: what may be set nevertheless
  std::string_view condition;  // of an unavailable key: counts only while this is true
  std::string_view allowed;
  std::string_view doc;
  uint32_t index = 0;  // keys stand in depth-first order: those below this one are (index, end)
  uint32_t end = 0;
  uint32_t parent = 0;
  uint32_t scope = 0;  // the list whose elements hold this key; 0 = none, the root holds it

  bool is_named_list() const { return has_named_elements; }
  bool has_named_elements =
      false;  // elements have a `name`, and so environment variables of their own
};

// All keys that a configuration may have, parsed once from keys.tsv, which is compiled in.
// Immutable.
class KeyTable {
 public:
  static const KeyTable& instance();

  const Key& root() const { return keys_.front(); }
  std::span<const Key> keys() const { return keys_; }  // the root first, which has an empty path
  const Key* find(std::string_view path) const;
  const Key* child(const Key& section, std::string_view name) const;  // `name` in lower case
  std::vector<const Key*> children(const Key& section) const;

 private:
  KeyTable();
  void add(std::string_view line);

  std::vector<Key> keys_;
  std::unordered_map<std::string_view, uint32_t> by_path_;
};

// The environment variable of a key outside of lists, and its other spelling (empty for our own
// keys): "client.token.issuer" is CENTRIFUGO_CLIENT_TOKEN_ISSUER or GYRE_CLIENT_TOKEN_ISSUER,
// "gyre.shards" is GYRE_SHARDS.
struct EnvironmentNames {
  std::string name;
  std::string alias;
};
EnvironmentNames environment_names(const Key& key);

// The same for a key of an element of a named list.
EnvironmentNames element_environment_names(const EnvironmentNames& list, std::string_view element,
                                           const Key& list_key, const Key& key);

}  // namespace gyre::config
