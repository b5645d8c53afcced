#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace gyre::auth {

// Values of the named groups of issuer_regex and audience_regex.
using GroupValues = std::vector<std::pair<std::string, std::string>>;

// The address of a key set, which may depend on a token's issuer and audience (spec security.md 7):
// {{name}} stands for what the named group of a pattern has matched.
class KeyAddress {
 public:
  // Fails, naming what is wrong, if the address is not http or https, or names a group that no
  // pattern has, or one that is not a choice of fixed texts: whoever writes a token chooses what it
  // matches, and so where we would ask. `is_trusting` takes any group.
  static Result<KeyAddress> create(std::string address, const std::vector<std::string>& patterns,
                                   bool is_trusting);

  bool is_fixed() const { return names_.empty(); }
  // Nothing, if a value is missing or would change more of the address than its place.
  std::optional<std::string> fill(const GroupValues& values) const;

 private:
  std::vector<std::string> texts_;  // around the names: one more than there are names
  std::vector<std::string> names_;
};

}  // namespace gyre::auth
