#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/tree.h"

namespace gyre::config {

// A proxy that the configuration makes use of for an event, and where it stands.
struct UsedProxy {
  std::string event;  // by proxy::name_of
  std::string name;   // "default", or that of an element of `proxies`
  Tree section;
  std::string path;
};

// Each once. Names that no proxy has, which validation refuses, are left out.
std::vector<UsedProxy> used_proxies(const Tree& tree);

// Whether a backend is asked over HTTP; if not, over GRPC.
bool is_http_endpoint(std::string_view endpoint);
// An endpoint over GRPC as the library has it: without grpc://, or the scheme that Go has for
// addresses that are taken as they are.
std::string grpc_target(std::string_view endpoint);
// Whether it can be one: an address, or with a scheme that is known.
bool is_grpc_target(std::string_view target);

// The proxy that the options of a namespace choose, "" for none; the arguments are keys of theirs.
std::string chosen_proxy(const Tree& options, std::string_view switch_key,
                         std::string_view name_key);

}  // namespace gyre::config
