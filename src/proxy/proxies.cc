#include "proxy/proxies.h"

#include <algorithm>

#include "base/check.h"
#include "proxy/header_name.h"

namespace gyre::proxy {

namespace {

void add_missing(std::vector<std::string>& names, const std::vector<std::string>& more) {
  for (const std::string& name : more) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
}

bool lists_in_any_case(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::any_of(
      names, [name](const std::string& one) { return equals_ignoring_case(one, name); });
}

}  // namespace

Definitions::Definitions(std::vector<Definition> list) : list_(std::move(list)) {
  for (const Definition& one : list_) {
    add_missing(headers_, one.grpc ? one.grpc->http_headers : one.http.http_headers);
    add_missing(emulated_headers_,
                one.grpc ? one.grpc->emulated_headers : one.http.emulated_headers);
  }
}

bool Definitions::wants_header(std::string_view name) const {
  return lists_in_any_case(headers_, name);
}

bool Definitions::wants_emulated_header(std::string_view name) const {
  return lists_in_any_case(emulated_headers_, name);
}

bool Definitions::needs_grpc() const {
  return std::ranges::any_of(list_, [](const Definition& one) { return one.grpc.has_value(); });
}

std::vector<metrics::ProxyLabels> Definitions::labels() const {
  std::vector<metrics::ProxyLabels> labels;
  for (const Definition& one : list_) {
    labels.push_back({.name = one.name,
                      .protocol = one.grpc ? "grpc" : "http",
                      .type = std::string(name_of(one.event))});
  }
  return labels;
}

Proxies::Proxies(runtime::Shard& shard, outbound::HttpClient& http, grpc::Client* grpc,
                 std::shared_ptr<const Definitions> definitions, metrics::ShardMetrics& metrics)
    : definitions_(std::move(definitions)) {
  const std::vector<Definition>& list = definitions_->list();
  GYRE_CHECK(metrics.proxies.size() == list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const auto& [event, name, over_http, over_grpc] = list[i];
    if (!over_grpc) {
      backends_.push_back(
          std::make_unique<HttpProxy>(shard, http, event, name, over_http, *metrics.proxies[i]));
    } else if (grpc) {
      backends_.push_back(
          std::make_unique<GrpcProxy>(shard, *grpc, event, name, *over_grpc, *metrics.proxies[i]));
    } else {
      backends_.push_back(nullptr);
    }
  }
}

Backend* Proxies::find(Event event, std::string_view name) const {
  const std::vector<Definition>& list = definitions_->list();
  const auto found = std::ranges::find_if(
      list, [&](const Definition& one) { return one.event == event && one.name == name; });
  return found == list.end() ? nullptr : backends_[static_cast<size_t>(found - list.begin())].get();
}

bool Proxies::has(Event event) const {
  return std::ranges::find(definitions_->list(), event, &Definition::event) !=
         definitions_->list().end();
}

}  // namespace gyre::proxy
