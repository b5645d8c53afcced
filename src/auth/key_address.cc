#include "auth/key_address.h"

#include <algorithm>
#include <string_view>

namespace gyre::auth {

namespace {

// What the parentheses of the named group enclose; nothing if the pattern has no such group.
std::optional<std::string_view> find_group(std::string_view pattern, std::string_view name) {
  for (const std::string_view opening : {"(?P<", "(?<"}) {
    const std::string head = std::string(opening) + std::string(name) + ">";
    const size_t at = pattern.find(head);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = pattern.substr(at + head.size());
    int depth = 1;
    for (size_t i = 0; i < rest.size(); ++i) {
      if (rest[i] == '\\') {
        ++i;
      } else if (rest[i] == '(') {
        ++depth;
      } else if (rest[i] == ')' && --depth == 0) {
        return rest.substr(0, i);
      }
    }
  }
  return std::nullopt;
}

// Texts with | between them, and nothing that matches more than itself.
bool is_choice_of_texts(std::string_view group) {
  for (size_t i = 0; i < group.size(); ++i) {
    if (group[i] == '\\') {
      // A letter or digit behind it makes a class, a border or a code.
      if (++i == group.size() || std::isalnum(static_cast<unsigned char>(group[i]))) return false;
    } else if (std::string_view(".[]()*+?{}^$").find(group[i]) != std::string_view::npos) {
      return false;
    }
  }
  return !group.empty();
}

// A value may be part of a host's name or of a path, and no more.
bool is_plain(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
  });
}

bool has_clean_path(std::string_view url) {
  const size_t host = url.find("://") + 3;
  const size_t path = url.find('/', host);
  if (path == std::string_view::npos) return true;
  std::string_view rest = url.substr(path, url.find_first_of("?#", path) - path);
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the slash
    const size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    if (segment == "." || segment == ".." || (segment.empty() && end != rest.size())) return false;
    rest.remove_prefix(end);
  }
  return true;
}

}  // namespace

Result<KeyAddress> KeyAddress::create(std::string address, const std::vector<std::string>& patterns,
                                      bool is_trusting) {
  if (!address.starts_with("http://") && !address.starts_with("https://")) {
    return fail(Errc::invalid, "jwks_public_endpoint: must begin with http:// or https://");
  }
  KeyAddress result;
  std::string_view rest = address;
  for (size_t open = rest.find("{{"); open != std::string_view::npos; open = rest.find("{{")) {
    const size_t close = rest.find("}}", open);
    if (close == std::string_view::npos) {
      return fail(Errc::invalid, "jwks_public_endpoint: {{ without its }}");
    }
    result.texts_.emplace_back(rest.substr(0, open));
    result.names_.emplace_back(rest.substr(open + 2, close - open - 2));
    rest.remove_prefix(close + 2);
  }
  result.texts_.emplace_back(rest);
  for (const std::string& name : result.names_) {
    std::optional<std::string_view> group;
    for (const std::string& pattern : patterns) {
      if (!group) group = find_group(pattern, name);
    }
    if (!group) {
      return fail(Errc::invalid, "jwks_public_endpoint: {{" + name +
                                     "}} is no named group of issuer_regex or audience_regex");
    }
    if (!is_trusting && !is_choice_of_texts(*group)) {
      return fail(Errc::invalid,
                  "jwks_public_endpoint: the group " + name +
                      " matches more than fixed texts, so that whoever writes a token could choose "
                      "where keys come from; list the texts, as in (?P<" +
                      name +
                      ">one|two), or "
                      "set insecure_skip_jwks_endpoint_safety_check");
    }
  }
  return result;
}

std::optional<std::string> KeyAddress::fill(const GroupValues& values) const {
  std::string url = texts_.front();
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto found = std::ranges::find(values, names_[i], &GroupValues::value_type::first);
    if (found == values.end() || !is_plain(found->second)) return std::nullopt;
    url += found->second + texts_[i + 1];
  }
  if (!is_fixed() && !has_clean_path(url)) return std::nullopt;
  return url;
}

}  // namespace gyre::auth
