// The command `rpc` (spec subscriptions.md 4.5, config.md 10.8).
#include "base/fault_points.h"
#include "client/backend_answer.h"
#include "client/session.h"
#include "client/user_statuses.h"

namespace gyre::client {

namespace {

namespace errors = protocol::errors;

// As the reference's PRO edition names it (docs/user-status.md).
constexpr std::string_view kUpdateUserStatus = "update_user_status";

}  // namespace

void Session::rpc(const protocol::Command& command, std::string_view bytes) {
  const std::string& ping = services_.settings->rpc_ping_method;
  const auto& request = std::get<protocol::RpcRequest>(command.request);
  if (!ping.empty() && request.method == ping) return reply(command.id, protocol::RpcResult());
  if (services_.user_statuses && request.method == kUpdateUserStatus) {
    return update_user_status(command.id);
  }
  if (services_.proxies && services_.proxies->has(proxy::Event::rpc)) {
    return start(command, bytes, &Session::rpc_by_backend);
  }
  refuse(command.id, protocol::RequestKind::rpc,
         protocol::ClientError(ping.empty() ? errors::kNotAvailable : errors::kMethodNotFound));
}

void Session::update_user_status(uint32_t id) {
  // Nobody could ask for the status of those without a name.
  if (user().empty()) {
    return refuse(id, protocol::RequestKind::rpc, protocol::ClientError(errors::kPermissionDenied));
  }
  services_.user_statuses->note_active(user(), services_.shard.unix_seconds());
  reply(id, protocol::RpcResult());
}

runtime::Task<Answer<void>> Session::rpc_by_backend(const CommandBox& box) {
  const auto& request = box.request<protocol::RpcRequest>();
  const std::string* name = services_.settings->rpc.proxy_of(request.method);
  if (!name) co_return client::refuse(errors::kMethodNotFound);
  proxy::Backend* backend = this->backend(proxy::Event::rpc, *name);
  if (!backend) co_return client::refuse(errors::kNotAvailable);
  GYRE_CO_TRY(const std::optional<proxy::RpcResult> result,
              outcome_of(co_await backend->ask(
                  caller(), proxy::RpcCall{.method = request.method, .data = request.data})));
  protocol::RpcResult answer;
  if (result && !GYRE_PLANTED(rpc_answer_is_lost)) answer.data = result->data.bytes;
  reply(box.id(), answer);
  co_return Answer<void>();
}

}  // namespace gyre::client
