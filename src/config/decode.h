#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/tree.h"

namespace gyre::config {

using Environment = std::map<std::string, std::string, std::less<>>;

// What loading has to tell, in the order in which it was found.
struct Findings {
  std::vector<Finding> errors;
  std::vector<Finding> warnings;
  std::vector<Finding> unknown_keys;
  std::vector<Finding> unknown_environment;
};

// Brings the fields of `document`, which stands where `section` is, into typed values, with the
// reference's weak conversions: "9001" for a number, 1 for a truth value, one value for a list.
// Names are case-insensitive, and a dot in one divides it. What does not fit becomes an error, a
// name that the table does not have an unknown key. `source` tells where the document comes from;
// `shown` is the path for messages.
void decode(const Document& document, const Key& section, Scope& scope, const Origin& source,
            std::string_view shown, const Environment& environment, Findings& findings);

// A single value, or a list, in the same way.
void decode_value(const Document& document, const Key& key, Scope& scope, const Origin& source,
                  std::string_view shown, const Environment& environment, Findings& findings);

// Replaces ${CENTRIFUGO_VAR_X} by that variable, as string maps do; false if it does not exist.
bool expand_variables(std::string& text, const Environment& environment, std::string& missing);

// The default of a key, as a value.
Value default_value(const Key& key);

// The value that the text of a flag or a variable stands for; an error is a message.
std::expected<Value, std::string> value_from_text(const Key& key, std::string_view text);

}  // namespace gyre::config
