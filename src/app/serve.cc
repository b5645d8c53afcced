#include "app/serve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "app/file.h"
#include "app/log_sink.h"
#include "app/server.h"
#include "base/log.h"
#include "config/availability.h"
#include "config/validate.h"
#include "os/signals.h"

namespace gyre::app {
namespace {

std::string line_of_unavailable(const config::Finding& finding) {
  std::string line =
      fmt::format("{} = {} is not available in this server", finding.path, finding.message);
  if (std::string place = finding.origin.text(); !place.empty())
    line += fmt::format(" ({})", place);
  return line;
}

void tell_warnings(const config::Loaded& loaded, const Verdict& verdict) {
  for (const config::Finding& finding : loaded.warnings) log::warn(finding.text());
  for (const std::string& warning : verdict.warnings) log::warn(warning);
  for (const config::Finding& finding : loaded.unknown_keys) {
    log::warn("unknown key found in the configuration",
              {{"key", finding.path}, {"hint", finding.hint}});
  }
  for (const config::Finding& finding : loaded.unknown_environment) {
    std::string_view name(finding.message);
    log::warn("unknown environment variable",
              {{"var", name.substr(name.rfind(' ') + 1)}, {"hint", finding.hint}});
  }
}

void tell_source(const config::Loaded& loaded) {
  if (!loaded.file_found) {
    log::warn("config file not found, continue using environment and flag options",
              {{"path", loaded.path}});
    return;
  }
  std::error_code ignored;
  log::info("using config file",
            {{"path", std::filesystem::absolute(loaded.path, ignored).string()}});
  if (loaded.dotenv_found) log::info("using .env file");
}

int start(const config::Loaded& loaded, const config::LoadOptions& source) {
  const config::Tree& tree = loaded.tree;
  const std::string& pid_file = tree.text("pid_file");
  if (!pid_file.empty()) {
    Result<void> written = write_file(pid_file, fmt::format("{}\n", getpid()));
    if (!written) {
      log::write(log::Level::fatal, "error writing PID", {{"error", written.error().context}});
      return 1;
    }
  }
  // A reload reads the file again, but not `.env` (spec config.md 9).
  config::LoadOptions again = source;
  again.reads_dotenv = false;
  again.environment = loaded.environment;
  const int code = run_server(loaded, again);
  remove_pid_file(tree);
  return code;
}

}  // namespace

Verdict judge(const config::Loaded& loaded) {
  Verdict verdict;
  for (const config::Finding& finding : loaded.errors) verdict.refusals.push_back(finding.text());
  if (!verdict.refusals.empty()) return verdict;
  for (const config::Finding& finding : config::validate_for_start(loaded.tree)) {
    verdict.refusals.push_back(finding.text());
  }
  bool refuses = loaded.tree.text("gyre.unavailable") != "warn";
  for (const config::Finding& finding : config::unavailable_settings(loaded.tree)) {
    std::string line = line_of_unavailable(finding);
    if (refuses) line += "; gyre.unavailable: warn starts without it";
    (refuses ? verdict.refusals : verdict.warnings).push_back(std::move(line));
  }
  if (loaded.tree.text("gyre.unknown_keys") == "refuse") {
    for (const config::Finding& finding : loaded.unknown_keys)
      verdict.refusals.push_back(finding.text());
  }
  return verdict;
}

void remove_pid_file(const config::Tree& tree) {
  std::error_code ignored;
  const std::string& path = tree.text("pid_file");
  if (!path.empty()) std::filesystem::remove(path, ignored);
}

int serve(const config::LoadOptions& source) {
  os::hold_signals();  // before the first thread
  const config::Loaded loaded = config::load(source);
  const config::Tree& tree = loaded.tree;
  LogSetup setup{tree.text("log.level"), tree.text("log.file")};
  Result<std::shared_ptr<LogSink>> sink = LogSink::open(setup);
  if (!sink) {
    fmt::print(stderr, "{}\n", sink.error().context);
    return 1;
  }
  log::install(*sink, setup.threshold());
  if (!setup.is_known_level()) log::warn("unknown log level, using info", {{"level", setup.level}});
  tell_source(loaded);
  Verdict verdict = judge(loaded);
  int code = 1;
  if (verdict.refusals.empty()) {
    tell_warnings(loaded, verdict);
    code = start(loaded, source);
  } else {
    // All of it at once; the first one is what stands in the line that ends the process.
    for (size_t i = 1; i < verdict.refusals.size(); ++i) {
      log::error("configuration error", {{"error", verdict.refusals[i]}});
    }
    log::write(log::Level::fatal, "configuration error", {{"error", verdict.refusals.front()}});
  }
  log::install(nullptr, log::Level::none);
  return code;
}

}  // namespace gyre::app
