#include "grpc/channels.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <limits>

namespace gyre::grpc {

namespace {

namespace tls_api = ::grpc::experimental;

// A connection that has broken is made again with these pauses; calls fail at once meanwhile.
constexpr int kBackoffFirstMs = 100;
constexpr int kBackoffMostMs = 3'000;
// A peer that is gone without a word is noticed. Servers take pings that are more frequent than
// every five minutes for abuse, unless told otherwise.
constexpr int kKeepaliveMs = 330'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

// Whoever the server is.
std::shared_ptr<::grpc::ChannelCredentials> unverified(const outbound::TlsOptions& tls) {
  tls_api::TlsChannelCredentialsOptions options;
  if (!tls.key.empty()) {
    options.set_certificate_provider(std::make_shared<tls_api::StaticDataCertificateProvider>(
        "", std::vector<tls_api::IdentityKeyCertPair>{{tls.key, tls.certificate}}));
    options.watch_identity_key_cert_pairs();
  }
  options.set_certificate_verifier(std::make_shared<tls_api::NoOpCertificateVerifier>());
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  return tls_api::TlsCredentials(options);
}

std::shared_ptr<::grpc::ChannelCredentials> credentials(const outbound::TlsOptions* tls) {
  if (!tls) return ::grpc::InsecureChannelCredentials();
  if (tls->insecure_skip_verify) return unverified(*tls);
  // Without authorities the system's count.
  return ::grpc::SslCredentials({.pem_root_certs = tls->authorities,
                                 .pem_private_key = tls->key,
                                 .pem_cert_chain = tls->certificate});
}

::grpc::ChannelArguments arguments(const ChannelOptions& options) {
  ::grpc::ChannelArguments arguments;
  constexpr size_t kMost = std::numeric_limits<int>::max();
  arguments.SetMaxReceiveMessageSize(static_cast<int>(std::min(options.message_max, kMost)));
  arguments.SetMaxSendMessageSize(-1);  // clients' commands are bounded already
  if (options.compresses) arguments.SetCompressionAlgorithm(GRPC_COMPRESS_GZIP);
  if (options.tls && !options.tls->server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  }
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kBackoffFirstMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kBackoffMostMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  // Nothing is taken from the environment or from the names' servers but addresses.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // One connection for each proxy, whether or not another has the same address.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

}  // namespace

::grpc::GenericStub& Channels::stub(const std::shared_ptr<const ChannelOptions>& options) {
  const auto found = entries_.find(options.get());
  if (found != entries_.end()) return found->second.stub;
  auto channel = ::grpc::CreateCustomChannel(options->address, credentials(options->tls.get()),
                                             arguments(*options));
  const auto made = entries_.try_emplace(
      options.get(), Entry{.options = options, .stub = ::grpc::GenericStub(std::move(channel))});
  return made.first->second.stub;
}

}  // namespace gyre::grpc
