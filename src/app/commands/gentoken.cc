#include <fmt/ostream.h>

#include <chrono>
#include <limits>

#include "app/command.h"
#include "app/token_options.h"
#include "auth/token_issuer.h"
#include "config/load.h"
#include "config/text.h"

namespace gyre::app {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// A duration in the text that tells it has no room for more (about 292 years).
constexpr int64_t kTtlMax = std::numeric_limits<int64_t>::max() / nanoseconds(seconds(1)).count();

int refuse_to_generate(Io& io, std::string_view why) {
  fmt::print(io.out, "error: {}\n", why);
  return 1;
}

std::string describe_token(const auth::TokenContent& content, int64_t ttl) {
  std::string text = content.user.empty() ? "anonymous user" : "user \"" + content.user + "\"";
  if (!content.channel.empty()) text += " and channel \"" + content.channel + "\"";
  if (ttl < 0) return text + " without expiration";
  return text + " with expiration TTL " + config::format_duration(seconds(ttl));
}

// What both commands do; the channel is empty for a token to connect.
int generate_token(const Invocation& invocation, Io& io, std::string channel,
                   auth::VerifierOptions (*options_of)(const config::Tree&)) {
  const config::Loaded loaded = load_for_command(invocation, io);
  if (!loaded.is_good()) return print_config_errors(loaded, io);
  const auth::VerifierOptions options = options_of(loaded.tree);
  if (options.hmac_secret_key.empty()) {
    return refuse_to_generate(io, "no hmac_secret_key is set, and only HMAC can generate tokens");
  }
  const int64_t ttl = invocation.integer("ttl");
  if (ttl > kTtlMax) return refuse_to_generate(io, "ttl is too large");
  const int64_t now =
      std::chrono::floor<seconds>(std::chrono::system_clock::now()).time_since_epoch().count();
  auth::TokenContent content{.user = invocation.text("user"),
                             .channel = std::move(channel),
                             .expires = std::nullopt,
                             .issued_at = now,
                             .user_id_claim = options.user_id_claim};
  if (ttl > 0) content.expires = now + ttl;
  const std::string token = auth::issue_token(content, options.hmac_secret_key);
  if (invocation.boolean("quiet")) {
    fmt::print(io.out, "{}", token);
  } else {
    fmt::print(io.out, "HMAC SHA-256 JWT for {}:\n{}\n", describe_token(content, ttl), token);
  }
  return 0;
}

FlagSpec user_flag() {
  return {"user", 'u', FlagSpec::Kind::text, "", "user id; without one the user is anonymous"};
}
FlagSpec ttl_flag() {
  return {"ttl", 't', FlagSpec::Kind::integer, "604800",
          "seconds for which the token is valid; -1: for ever"};
}
FlagSpec quiet_flag() {
  return {"quiet", 'q', FlagSpec::Kind::boolean, "false", "print the token only"};
}

}  // namespace

Command gentoken_command() {
  return {.name = "gentoken",
          .help = "Generate sample connection JWT for user",
          .flags = {config_flag(), user_flag(), ttl_flag(), quiet_flag()},
          .run = [](const Invocation& invocation, Io& io) {
            return generate_token(invocation, io, "", connect_token_options);
          }};
}

Command gensubtoken_command() {
  return {.name = "gensubtoken",
          .help = "Generate sample subscription JWT for user and channel",
          .flags = {config_flag(),
                    user_flag(),
                    {"channel", 's', FlagSpec::Kind::text, "", "channel to subscribe to"},
                    ttl_flag(),
                    quiet_flag()},
          .run = [](const Invocation& invocation, Io& io) {
            const std::string& channel = invocation.text("channel");
            if (channel.empty()) return refuse_to_generate(io, "channel is required");
            return generate_token(invocation, io, channel, subscribe_token_options);
          }};
}

}  // namespace gyre::app
