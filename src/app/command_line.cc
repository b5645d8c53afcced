#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>

#include "app/serve.h"
#include "config/key_table.h"
#include "config/text.h"

namespace gyre::app {
namespace {

std::string check_boolean(const std::string& text) {
  return config::parse_boolean(text) ? "" : "\"" + text + "\" is not true or false";
}
std::string check_integer(const std::string& text) {
  return config::parse_integer(text) ? "" : "\"" + text + "\" is not a number";
}

// The flags of one command while they are parsed.
class FlagSet {
 public:
  void add(CLI::App& app, const std::vector<FlagSpec>& specs) {
    for (const FlagSpec& spec : specs) add(app, spec);
  }

  void collect(Invocation& invocation) const {
    for (const auto& [name, flag] : flags_) {
      invocation.flags[name] = flag->value;
      if (flag->option->count() > 0) invocation.given_flags[name] = flag->value;
    }
  }

 private:
  struct Flag {
    std::string value;
    CLI::Option* option = nullptr;
  };

  void add(CLI::App& app, const FlagSpec& spec) {
    auto& flag = flags_[spec.name] = std::make_unique<Flag>();
    flag->value = spec.default_text;
    std::string names = "--" + spec.name;
    if (spec.letter != '\0') names = std::string("-") + spec.letter + "," + names;
    if (spec.kind == FlagSpec::Kind::boolean) {
      // "--x" and "--x=false", but never "--x false".
      flag->option = app.add_flag(names, flag->value, spec.help)->check(check_boolean);
    } else {
      flag->option = app.add_option(names, flag->value, spec.help)->capture_default_str();
      if (spec.kind == FlagSpec::Kind::integer) flag->option->check(check_integer);
    }
    flag->option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }

  std::map<std::string, std::unique_ptr<Flag>> flags_;
};

config::LoadOptions server_source(const Invocation& invocation, const Io& io) {
  config::LoadOptions options;
  options.path = invocation.text("config");
  options.environment = io.environment;
  options.flags = {invocation.given_flags.begin(), invocation.given_flags.end()};
  options.flags.erase("config");
  options.reads_dotenv = true;
  return options;
}

class CommandLine {
 public:
  explicit CommandLine(Io& io) : io_(io) {}

  int run(const std::vector<std::string>& arguments) {
    invocation_.program =
        arguments.empty() ? "gyre" : std::filesystem::path(arguments[0]).filename().string();
    app_.name(invocation_.program);
    app_.description("Self-hosted real-time messaging server");
    app_.require_subcommand(0, 1);
    flags_.add(app_, server_flags());
    for (const Command& command : commands()) add_command(command);
    CLI::App* help = app_.add_subcommand("help", "Help about any command");
    help->add_option("command", invocation_.arguments);

    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    if (!reversed.empty()) reversed.pop_back();
    try {
      app_.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
      io_.out << asked_for()->help();
      return 0;
    } catch (const CLI::ParseError& error) {
      io_.err << "Error: " << error.what() << "\n" << asked_for()->help();
      return 1;
    }
    if (help->parsed()) return print_help();
    return execute();
  }

 private:
  void add_command(const Command& command) {
    CLI::App* sub = app_.add_subcommand(command.name, command.help);
    auto& flags = command_flags_.emplace_back(std::make_unique<FlagSet>());
    flags->add(*sub, command.flags);
    if (!command.argument.empty()) sub->add_option(command.argument, invocation_.arguments);
    subs_.push_back(sub);
  }

  // What a help text or an error is about.
  CLI::App* asked_for() {
    auto parsed = app_.get_subcommands();
    return parsed.empty() ? &app_ : parsed.front();
  }

  int print_help() {
    CLI::App* about = &app_;
    if (!invocation_.arguments.empty()) {
      auto all = app_.get_subcommands([](CLI::App*) { return true; });
      auto found = std::ranges::find_if(
          all, [&](CLI::App* sub) { return sub->get_name() == invocation_.arguments.front(); });
      about = found == all.end() ? nullptr : *found;
      if (!about) {
        io_.err << "Error: unknown command \"" << invocation_.arguments.front() << "\"\n";
        return 1;
      }
    }
    // App::help would go on to the sub-command that was given, which is "help".
    io_.out << about->get_formatter()->make_help(about, about->get_name(),
                                                 CLI::AppFormatMode::Normal);
    return 0;
  }

  int execute() {
    for (size_t i = 0; i < subs_.size(); ++i) {
      if (!subs_[i]->parsed()) continue;
      command_flags_[i]->collect(invocation_);
      return commands()[i].run(invocation_, io_);
    }
    flags_.collect(invocation_);
    return serve(server_source(invocation_, io_));
  }

  Io& io_;
  CLI::App app_;
  FlagSet flags_;
  std::vector<CLI::App*> subs_;
  std::vector<std::unique_ptr<FlagSet>> command_flags_;
  Invocation invocation_;
};

}  // namespace

// Spec config.md, 5.
std::vector<FlagSpec> server_flags() {
  static constexpr struct {
    const char* key;
    char letter;
  } kFlags[] = {
      {"pid_file", '\0'},
      {"http_server.address", 'a'},
      {"http_server.port", 'p'},
      {"http_server.internal_address", '\0'},
      {"http_server.internal_port", '\0'},
      {"engine.type", '\0'},
      {"broker.enabled", '\0'},
      {"broker.type", '\0'},
      {"presence_manager.enabled", '\0'},
      {"presence_manager.type", '\0'},
      {"map_broker.type", '\0'},
      {"log.level", '\0'},
      {"log.file", '\0'},
      {"debug.enabled", '\0'},
      {"admin.enabled", '\0'},
      {"admin.external", '\0'},
      {"admin.insecure", '\0'},
      {"prometheus.enabled", '\0'},
      {"swagger.enabled", '\0'},
      {"health.enabled", '\0'},
      {"uni_websocket.enabled", '\0'},
      {"uni_sse.enabled", '\0'},
      {"uni_http_stream.enabled", '\0'},
      {"sse.enabled", '\0'},
      {"http_stream.enabled", '\0'},
      {"init.enabled", '\0'},
      {"client.insecure", '\0'},
      {"http_api.insecure", '\0'},
      {"http_api.external", '\0'},
      {"grpc_api.enabled", '\0'},
      {"grpc_api.port", '\0'},
      {"uni_grpc.enabled", '\0'},
      {"uni_grpc.port", '\0'},
  };
  std::vector<FlagSpec> flags{config_flag()};
  for (const auto& [path, letter] : kFlags) {
    const config::Key& key = *config::KeyTable::instance().find(path);
    FlagSpec flag{path, letter, FlagSpec::Kind::text, std::string(key.default_text),
                  std::string(key.doc)};
    if (key.type == config::Type::boolean) flag.kind = FlagSpec::Kind::boolean;
    if (path == std::string_view("grpc_api.port") || path == std::string_view("uni_grpc.port")) {
      flag.kind = FlagSpec::Kind::integer;  // http_server.port is a text on the command line, as in
                                            // the reference
    }
    flags.push_back(std::move(flag));
  }
  return flags;
}

int run_command_line(const std::vector<std::string>& arguments, Io& io) {
  return CommandLine(io).run(arguments);
}

}  // namespace gyre::app
