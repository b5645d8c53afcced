#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/tree.h"

namespace gyre::config {

// The whole configuration in the order of the table, ready for one of the writers; our own section
// comes last. Keys that the table hides are left out.
Document to_document(const Tree& tree);

// A document in the format that a file's extension names, which must be json, yaml, yml or toml.
std::string write_document(const Document& document, std::string_view format);

// NAME=value lines in the order of the names, with those of list elements. `written_only` leaves
// out what is neither in the file nor in the environment.
std::vector<std::string> environment_lines(const Tree& tree, bool written_only);

// The documentation of all keys whose path begins with `section`, as Markdown. `base_level` is
// added to the level of headings.
std::string write_markdown(std::string_view section, int base_level);

}  // namespace gyre::config
