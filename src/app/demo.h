#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/exchange.h"

namespace gyre::app {

// The demo page: the files of one directory, read at the start, served at /demo and below it.
// Immutable, shared by the shards.
class DemoPage {
 public:
  // gyre.demo.directory. Files of its sub-directories are not looked at.
  static Result<std::shared_ptr<const DemoPage>> load(const std::string& directory);

  http::Response answer(const http::Request& request) const;

 private:
  struct File {
    std::string_view type;
    std::string text;
  };
  std::map<std::string, File, std::less<>> files_;
};

// The sub-tree of the page's files; the page is served at it, with the slash and without.
inline constexpr std::string_view kDemoPath = "/demo/";

}  // namespace gyre::app
