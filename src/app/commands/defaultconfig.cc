#include <fmt/ostream.h>

#include <filesystem>

#include "app/command.h"
#include "app/file.h"
#include "config/load.h"
#include "config/printed.h"
#include "config/text.h"

namespace gyre::app {
namespace {

config::Loaded load_base(const Invocation& invocation, const Io& io) {
  config::LoadOptions options;
  options.path = invocation.text("base");
  options.environment = io.environment;
  return config::load(options);
}

int print_errors(const config::Loaded& loaded, Io& io) {
  for (const config::Finding& finding : loaded.errors)
    fmt::print(io.out, "error: {}\n", finding.text());
  return 1;
}

int default_config(const Invocation& invocation, Io& io) {
  config::Loaded loaded = load_base(invocation, io);
  if (!loaded.errors.empty()) return print_errors(loaded, io);
  const std::string& path = invocation.text("config");
  std::string extension = config::lowered(std::filesystem::path(path).extension().string());
  if (extension != ".json" && extension != ".toml" && extension != ".yaml" && extension != ".yml") {
    fmt::print(
        io.out,
        "error: output config file must have one of supported extensions: json, toml, yaml, yml\n");
    return 1;
  }
  std::string text = config::write_document(config::to_document(loaded.tree), extension.substr(1));
  if (invocation.boolean("dry-run")) {
    io.out << text;
    return 0;
  }
  if (Result<void> written = write_new_file(path, text); !written) {
    fmt::print(io.out, "error: {}\n", written.error().context);
    return 1;
  }
  return 0;
}

int default_env(const Invocation& invocation, Io& io) {
  config::Loaded loaded = load_base(invocation, io);
  if (!loaded.errors.empty()) return print_errors(loaded, io);
  for (const std::string& line :
       config::environment_lines(loaded.tree, invocation.boolean("base-non-zero-only"))) {
    io.out << line << '\n';
  }
  return 0;
}

FlagSpec base_flag() {
  return {"base", 'b', FlagSpec::Kind::text, "", "path to a file whose settings are taken over"};
}

}  // namespace

Command defaultconfig_command() {
  FlagSpec config = config_flag();
  config.help = "path to the file to write";
  return {.name = "defaultconfig",
          .help = "Generate full configuration file with defaults",
          .flags = {config,
                    base_flag(),
                    {"dry-run", 'd', FlagSpec::Kind::boolean, "false",
                     "print instead of writing the file"}},
          .run = default_config};
}

Command defaultenv_command() {
  return {.name = "defaultenv",
          .help = "Generate full environment variable list with defaults",
          .flags = {base_flag(),
                    {"base-non-zero-only", '\0', FlagSpec::Kind::boolean, "false",
                     "print only what the base file sets"}},
          .run = default_env};
}

}  // namespace gyre::app
