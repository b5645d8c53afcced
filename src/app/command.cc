#include "app/command.h"

#include <fmt/ostream.h>

#include "base/check.h"
#include "config/text.h"

namespace gyre::app {

const std::string& Invocation::text(std::string_view flag) const {
  auto found = flags.find(flag);
  GYRE_CHECK(found != flags.end());
  return found->second;
}

bool Invocation::boolean(std::string_view flag) const {
  return config::parse_boolean(text(flag)).value_or(false);
}

int64_t Invocation::integer(std::string_view flag) const {
  return config::parse_integer(text(flag)).value_or(0);
}

FlagSpec config_flag() {
  return {"config", 'c', FlagSpec::Kind::text, "config.json", "path to config file"};
}

config::Environment process_environment(char** variables) {
  config::Environment environment;
  for (; variables && *variables; ++variables) {
    auto [name, value] = config::split_once(*variables, '=');
    environment.emplace(name, value);
  }
  return environment;
}

config::Loaded load_for_command(const Invocation& invocation, const Io& io) {
  config::LoadOptions options;
  options.path = invocation.text("config");
  options.environment = io.environment;
  return config::load(options);
}

int print_config_errors(const config::Loaded& loaded, Io& io) {
  std::string_view stage =
      loaded.is_understood ? "error validating config" : "error getting config";
  for (const config::Finding& finding : loaded.errors)
    fmt::print(io.out, "{}: {}\n", stage, finding.text());
  return 1;
}

}  // namespace gyre::app
