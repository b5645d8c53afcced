#include <fmt/ostream.h>
#include <sys/random.h>

#include <filesystem>

#include "app/command.h"
#include "app/file.h"
#include "config/load.h"
#include "config/printed.h"
#include "config/text.h"

namespace gyre::app {
namespace {

using config::Document;

// Random bytes as URL-safe base64 without padding (RFC 4648, 5). getrandom gives up to 256 bytes
// whole.
std::string random_secret(size_t bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string random(bytes, '\0');
  if (getrandom(random.data(), bytes, 0) != static_cast<ssize_t>(bytes)) return {};
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (char c : random) {
    bits = (bits << 8 | static_cast<unsigned char>(c)) & 0xFFFF;
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kAlphabet[bits << (6 - count) & 63];
  return text;
}

Document minimal_config() {
  constexpr size_t kKeyBytes = 64;
  constexpr size_t kPasswordBytes = 16;
  Document document = Document::object();
  Document& client = document.add("client", Document::object());
  client.add("token", Document::object())
      .add("hmac_secret_key", Document::of(random_secret(kKeyBytes)));
  client.add("allowed_origins", Document::list());
  Document& admin = document.add("admin", Document::object());
  admin.add("enabled", Document::of(false));
  admin.add("password", Document::of(random_secret(kPasswordBytes)));
  admin.add("secret", Document::of(random_secret(kKeyBytes)));
  document.add("http_api", Document::object()).add("key", Document::of(random_secret(kKeyBytes)));
  return document;
}

int generate_config(const Invocation& invocation, Io& io) {
  const std::string& path = invocation.text("config");
  std::string extension = config::lowered(std::filesystem::path(path).extension().string());
  if (extension != ".json" && extension != ".toml" && extension != ".yaml" && extension != ".yml") {
    fmt::print(io.out,
               "output config file must have one of supported extensions: json, toml, yaml, yml\n");
    return 1;
  }
  std::string text = config::write_document(minimal_config(), extension.substr(1));
  if (Result<void> written = write_new_file(path, text); !written) {
    fmt::print(io.out, "{}\n", written.error().context);
    return 1;
  }
  config::LoadOptions options;
  options.path = path;
  options.environment = io.environment;
  config::Loaded loaded = config::load(options);
  if (loaded.errors.empty()) return 0;
  for (const config::Finding& finding : loaded.errors) fmt::print(io.out, "{}\n", finding.text());
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
  return 1;
}

}  // namespace

Command genconfig_command() {
  FlagSpec config = config_flag();
  config.help = "path to the file to write";
  return {.name = "genconfig",
          .help = "Generate minimal configuration file to start with",
          .flags = {config},
          .run = generate_config};
}

}  // namespace gyre::app
