#include "app/proxy_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "app/pem.h"
#include "base/check.h"
#include "config/proxies.h"
#include "outbound/url.h"
#include "proxy/header_name.h"

namespace gyre::app {

namespace {

using config::UsedProxy;

constexpr proxy::Event kEvents[] = {proxy::Event::connect,         proxy::Event::refresh,
                                    proxy::Event::subscribe,       proxy::Event::publish,
                                    proxy::Event::sub_refresh,     proxy::Event::rpc,
                                    proxy::Event::subscribe_stream};

std::vector<std::string> in_lower_case(const std::vector<std::string>& names) {
  std::vector<std::string> result;
  for (const std::string& name : names) result.push_back(proxy::in_lower_case(name));
  return result;
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return c > ' ' && c < 0x7f && !std::string_view("\"(),/:;<=>?@[\\]{}").contains(c);
  });
}

bool is_header_value(std::string_view value) {
  return std::ranges::none_of(value, [](unsigned char c) { return c < ' ' && c != '\t'; });
}

Result<proxy::Headers> static_headers(const UsedProxy& used) {
  proxy::Headers headers;
  for (const auto& [name, value] : used.section.string_map("http.static_headers")) {
    if (!is_header_name(name) || !is_header_value(value)) {
      return fail(Errc::invalid, fmt::format("{}.http.static_headers: \"{}\" is not a header that "
                                             "can be sent",
                                             used.path, name));
    }
    headers.emplace_back(name, value);
  }
  return headers;
}

std::vector<proxy::StatusTransform> status_transforms(const config::Tree& section) {
  std::vector<proxy::StatusTransform> transforms;
  for (const config::Tree& one : section.list("http.status_to_code_transforms")) {
    proxy::StatusTransform transform{.status = static_cast<int>(one.integer("status_code")),
                                     .meaning = {}};
    if (const int64_t code = one.integer("to_error.code"); code != 0) {
      transform.meaning = protocol::ClientError{.code = static_cast<uint32_t>(code),
                                                .message = one.text("to_error.message"),
                                                .temporary = one.boolean("to_error.temporary")};
    } else {
      transform.meaning =
          protocol::Disconnect{.code = static_cast<uint32_t>(one.integer("to_disconnect.code")),
                               .reason = one.text("to_disconnect.reason")};
    }
    transforms.push_back(std::move(transform));
  }
  return transforms;
}

proxy::wire::Shape shape_of(const config::Tree& section) {
  return {.is_binary = section.boolean("binary_encoding"),
          .has_meta = section.boolean("include_connection_meta")};
}

Result<std::string> pem_of(const std::string& path, const config::Tree& tls, std::string_view key) {
  Result<std::string> pem = resolve_pem(tls.text(key));
  if (pem) return pem;
  return fail(Errc::invalid, fmt::format("{}.{} {}", path, key, pem.error().context));
}

// Of the part "http" or "grpc". Null: it is left to the defaults, which are without TLS for GRPC.
Result<std::shared_ptr<const outbound::TlsOptions>> tls_options(const UsedProxy& used,
                                                                std::string_view part) {
  const std::string path = fmt::format("{}.{}.tls", used.path, part);
  const config::Tree tls = used.section.section(fmt::format("{}.tls", part));
  if (!tls.boolean("enabled")) return nullptr;
  auto options = std::make_shared<outbound::TlsOptions>();
  GYRE_TRY(options->authorities, pem_of(path, tls, "server_ca_pem"));
  if (!options->authorities.empty()) {
    if (const Result<void> checked = check_certificates(options->authorities); !checked) {
      return fail(Errc::invalid, fmt::format("{}.server_ca_pem {}", path, checked.error().context));
    }
  }
  if (!tls.text("key_pem").empty()) {
    GYRE_TRY(options->certificate, pem_of(path, tls, "cert_pem"));
    GYRE_TRY(options->key, pem_of(path, tls, "key_pem"));
    if (const Result<void> checked = check_key_pair(options->certificate, options->key); !checked) {
      return fail(Errc::invalid, fmt::format("{}: {}", path, checked.error().context));
    }
  }
  options->server_name = tls.text("server_name");
  options->insecure_skip_verify = tls.boolean("insecure_skip_verify");
  return options;
}

Result<proxy::HttpOptions> http_options(const UsedProxy& used, size_t response_max) {
  const config::Tree& section = used.section;
  proxy::HttpOptions http;
  http.endpoint = section.text("endpoint");
  if (!outbound::is_http_url(http.endpoint)) {
    return fail(Errc::invalid,
                fmt::format("{}.endpoint is no address: write a host behind http:// or https://, "
                            "and no spaces",
                            used.path));
  }
  http.timeout = section.duration("timeout").count();
  http.http_headers = in_lower_case(section.texts("http_headers"));
  http.emulated_headers = in_lower_case(section.texts("emulated_headers"));
  http.shape = shape_of(section);
  http.transforms = status_transforms(section);
  http.response_max = response_max;
  GYRE_TRY(http.static_headers, static_headers(used));
  GYRE_TRY(http.tls, tls_options(used, "http"));
  return http;
}

Result<void> add_metadata(grpc::Metadata& metadata, const std::string& path, std::string_view key,
                          const std::string& value) {
  std::string name = proxy::in_lower_case(key);
  if (!grpc::is_metadata(name, value) || grpc::is_reserved_metadata(name)) {
    return fail(Errc::invalid,
                fmt::format("{}: \"{}\" is not metadata that can be sent: names are of letters, "
                            "digits, - _ . and not those of GRPC itself, values printable ASCII",
                            path, name));
  }
  metadata.emplace_back(std::move(name), value);
  return {};
}

// The fixed part: static_metadata, and behind it the credentials of each call.
Result<grpc::Metadata> static_metadata(const UsedProxy& used) {
  grpc::Metadata metadata;
  for (const auto& [name, value] : used.section.string_map("grpc.static_metadata")) {
    GYRE_TRY_VOID(add_metadata(metadata, used.path + ".grpc.static_metadata", name, value));
  }
  const std::string& key = used.section.text("grpc.credentials_key");
  if (!key.empty()) {
    GYRE_TRY_VOID(add_metadata(metadata, used.path + ".grpc.credentials_key", key,
                               used.section.text("grpc.credentials_value")));
  }
  return metadata;
}

Result<proxy::GrpcOptions> grpc_options(const UsedProxy& used, size_t response_max) {
  const config::Tree& section = used.section;
  grpc::ChannelOptions channel{.address = config::grpc_target(section.text("endpoint")),
                               .tls = nullptr,
                               .compresses = section.boolean("grpc.compression"),
                               .message_max = response_max};
  if (!config::is_grpc_target(channel.address)) {
    return fail(
        Errc::invalid,
        fmt::format("{}.endpoint is no address: write http://, https:// or grpc:// in front "
                    "of host and port",
                    used.path));
  }
  GYRE_TRY(channel.tls, tls_options(used, "grpc"));
  proxy::GrpcOptions grpc;
  grpc.timeout = section.duration("timeout").count();
  grpc.http_headers = in_lower_case(section.texts("http_headers"));
  grpc.emulated_headers = in_lower_case(section.texts("emulated_headers"));
  grpc.shape = shape_of(section);
  GYRE_TRY(grpc.static_metadata, static_metadata(used));
  grpc.channel = std::make_shared<const grpc::ChannelOptions>(std::move(channel));
  return grpc;
}

Result<proxy::Definition> definition(const UsedProxy& used, size_t response_max) {
  const auto* event = std::ranges::find(kEvents, used.event, &proxy::name_of);
  GYRE_CHECK(event != std::end(kEvents));
  proxy::Definition made{.event = *event, .name = used.name, .http = {}, .grpc = {}};
  if (config::is_http_endpoint(used.section.text("endpoint"))) {
    if (*event == proxy::Event::subscribe_stream) {
      return fail(Errc::invalid,
                  fmt::format("{}.endpoint must not be HTTP: subscription streams are there over "
                              "GRPC alone, with grpc:// in front of host and port",
                              used.path));
    }
    GYRE_TRY(made.http, http_options(used, response_max));
  } else {
    GYRE_TRY(made.grpc, grpc_options(used, response_max));
  }
  return made;
}

}  // namespace

Result<std::shared_ptr<const proxy::Definitions>> proxy_definitions(const config::Tree& tree) {
  const auto response_max = static_cast<size_t>(tree.integer("gyre.outbound.max_response_size"));
  std::vector<proxy::Definition> list;
  for (const UsedProxy& used : config::used_proxies(tree)) {
    GYRE_TRY(proxy::Definition one, definition(used, response_max));
    list.push_back(std::move(one));
  }
  return std::make_shared<const proxy::Definitions>(std::move(list));
}

}  // namespace gyre::app
