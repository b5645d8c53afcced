#include "config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "config/text.h"
#include "config/validate.h"

namespace gyre::config {
namespace {

std::string extension_of(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  if (extension.starts_with('.')) extension.erase(0, 1);
  return lowered(extension);
}

ReadResult read_format(std::string_view text, std::string_view format) {
  if (format == "json") return read_json(text);
  if (format == "yaml" || format == "yml") return read_yaml(text);
  if (format == "toml") return read_toml(text);
  return std::unexpected(SyntaxError{
      {},
      fmt::format("unsupported format \"{}\": the file's name must end in json, yaml, yml or toml",
                  format)});
}

// Nothing if the file does not exist.
std::expected<std::optional<std::string>, std::string> read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  if (std::filesystem::is_directory(path, error)) return std::unexpected("is a directory");
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected("cannot be opened");
  std::string text;
  char block[16384];
  while (file.read(block, sizeof block), file.gcount() > 0) {
    text.append(block, static_cast<size_t>(file.gcount()));
    if (text.size() > kMaxFileBytes) return std::unexpected("larger than 16 MiB");
  }
  if (file.bad()) return std::unexpected("cannot be read");
  return text;
}

class Loading {
 public:
  explicit Loading(const LoadOptions& options)
      : options_(options), root_(KeyTable::instance().root()) {
    loaded_.path = options.path;
    loaded_.environment = options.environment;
  }

  void dotenv() {
    auto text = read_file(".env");
    if (!text) return fail(".env", {}, text.error());
    if (!*text) return;
    loaded_.dotenv_found = true;
    auto variables = parse_dotenv(**text, options_.environment);
    if (!variables) return fail(".env", {}, variables.error());
    loaded_.environment.merge(*variables);  // what the process has stays
  }

  void file() {
    auto text = read_file(options_.path);
    if (!text) return fail(options_.path, {}, text.error());
    if (!*text) return;
    this->text(**text, extension_of(options_.path));
  }

  void text(std::string_view text, std::string_view format) {
    loaded_.file_found = true;
    ReadResult document = read_format(text, format);
    if (!document) return fail(options_.path, document.error().mark, document.error().message);
    loaded_.is_file_empty = document->kind == Document::Kind::null ||
                            (document->kind == Document::Kind::object && document->fields.empty());
    decode(*document, root_.base(), root_, {Origin::Source::file, options_.path}, "",
           loaded_.environment, findings_);
  }

  Loaded finish() {
    if (!has_syntax_error_)
      apply_environment(root_, loaded_.environment, options_.flags, findings_);
    std::ranges::move(findings_.errors, std::back_inserter(loaded_.errors));
    loaded_.warnings = std::move(findings_.warnings);
    loaded_.unknown_keys = std::move(findings_.unknown_keys);
    loaded_.unknown_environment = std::move(findings_.unknown_environment);
    loaded_.tree = Tree(std::make_shared<const Scope>(std::move(root_)));
    loaded_.is_understood = loaded_.errors.empty();
    if (loaded_.is_understood && options_.validates) loaded_.errors = validate(loaded_.tree);
    return std::move(loaded_);
  }

 private:
  void fail(const std::string& path, Mark mark, std::string message) {
    has_syntax_error_ = true;
    loaded_.errors.push_back(
        {"", std::move(message), {Origin::Source::file, path, mark.line, mark.column}, {}});
  }

  const LoadOptions& options_;
  Scope root_;
  Findings findings_;
  Loaded loaded_;
  bool has_syntax_error_ = false;
};

}  // namespace

Loaded load(const LoadOptions& options) {
  Loading loading(options);
  if (options.reads_dotenv) loading.dotenv();
  if (!options.path.empty()) loading.file();
  return loading.finish();
}

Loaded load_text(std::string_view text, std::string_view format, const LoadOptions& options) {
  Loading loading(options);
  loading.text(text, format);
  return loading.finish();
}

}  // namespace gyre::config
