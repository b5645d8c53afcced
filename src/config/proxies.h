#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/tree.h"

namespace gyre::config {

// A proxy that the configuration makes use of for an event, and where it stands.
struct UsedProxy {
  std::string event;  // connect, refresh, subscribe, publish, sub_refresh, rpc
  std::string name;   // "default", or that of an element of `proxies`
  Tree section;
  std::string path;
};

// Each once. Names that no proxy has, which validation refuses, are left out.
std::vector<UsedProxy> used_proxies(const Tree& tree);

// Those whose endpoints are not HTTP, each with its endpoint.
std::vector<Finding> proxies_over_grpc(const Tree& tree);

// The proxy that the options of a namespace choose, "" for none; the arguments are keys of theirs.
std::string chosen_proxy(const Tree& options, std::string_view switch_key,
                         std::string_view name_key);

}  // namespace gyre::config
