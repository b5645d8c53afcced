#include "app/log_sink.h"

#include <fmt/format.h>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#include "protocol/json.h"

namespace gyre::app {
namespace {

struct LevelName {
  std::string_view name;
  std::string_view tag;
  std::string_view color;
};
// In the order of log::Level.
constexpr std::array<LevelName, 7> kLevels{{
    {"trace", "TRC", "\x1b[35m"},
    {"debug", "DBG", "\x1b[33m"},
    {"info", "INF", "\x1b[32m"},
    {"warn", "WRN", "\x1b[33m"},
    {"error", "ERR", "\x1b[31m"},
    {"fatal", "FTL", "\x1b[31m"},
    {"none", "", ""},
}};
constexpr size_t kQueuedLines = 8192;
constexpr std::chrono::seconds kFlushTime{1};

const LevelName* find_level(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  const auto* found = std::ranges::find(kLevels, text, &LevelName::name);
  return found == kLevels.end() ? nullptr : found;
}

// The length of the UTF-8 character that the text begins with; 0 if there is none.
size_t character_length(std::string_view text) {
  const int ones = std::countl_one(static_cast<unsigned char>(text.front()));
  const size_t length = ones == 0 ? 1 : static_cast<size_t>(ones);
  const std::string_view character = text.substr(0, length);
  return character.size() == length && protocol::json::is_utf8(character) ? length : 0;
}

// Fields may hold what strangers sent: what is not UTF-8 becomes U+FFFD, and no control character
// stays, since a terminal would obey it.
void append_escaped(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const size_t length = character_length(text);
    const std::string_view character = text.substr(0, std::max<size_t>(length, 1));
    text.remove_prefix(character.size());
    const auto last = static_cast<unsigned char>(character.back());
    // U+0080 to U+009F are C2 80 to C2 9F.
    const bool is_c1 = character.starts_with('\xc2') && last < 0xa0;
    if (length == 0) {
      out += "\\ufffd";
    } else if (character == "\"" || character == "\\") {
      out += '\\';
      out += character;
    } else if (character == "\n") {
      out += "\\n";
    } else if (last < 0x20 || last == 0x7f || is_c1) {
      out += fmt::format("\\u{:04x}", last);
    } else {
      out += character;
    }
  }
  out += '"';
}

// Whether a value can stand as it is in a line of text.
bool is_plain(std::string_view value) {
  return std::ranges::all_of(
      value, [](char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '='; });
}

std::string local_time(const char* format, int64_t time) {
  std::time_t seconds = time;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

// RFC 3339 wants a colon in the zone, and Z for none.
std::string rfc3339(int64_t time) {
  std::string text = local_time("%Y-%m-%dT%H:%M:%S%z", time);
  if (text.ends_with("+0000")) return text.substr(0, text.size() - 5) + "Z";
  return text.insert(text.size() - 2, ":");
}

}  // namespace

log::Level LogSetup::threshold() const {
  const LevelName* known = find_level(level);
  return known ? static_cast<log::Level>(known - kLevels.data()) : log::Level::info;
}

bool LogSetup::is_known_level() const {
  return find_level(level) != nullptr;
}

// The thread pool goes first: destroying it waits for its queue, whose lines hold on to the logger.
struct LogSink::Writer {
  std::shared_ptr<spdlog::async_logger> logger;
  std::shared_ptr<spdlog::details::thread_pool> pool;
};

LogSink::LogSink(std::unique_ptr<Writer> writer, bool is_text)
    : writer_(std::move(writer)), is_text_(is_text) {}

LogSink::~LogSink() {
  writer_->logger->flush();
}

Result<std::shared_ptr<LogSink>> LogSink::open(const LogSetup& setup) {
  try {
    spdlog::sink_ptr target;
    bool is_text = false;
    if (!setup.file.empty()) {
      target = std::make_shared<spdlog::sinks::basic_file_sink_mt>(setup.file);
    } else if (isatty(STDOUT_FILENO) != 0) {
      target = std::make_shared<spdlog::sinks::stdout_sink_mt>();
      is_text = true;
    } else {
      target = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    }
    auto writer = std::make_unique<Writer>();
    writer->pool = std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
    writer->logger = std::make_shared<spdlog::async_logger>(
        "gyre", std::move(target), writer->pool, spdlog::async_overflow_policy::overrun_oldest);
    writer->logger->set_level(spdlog::level::trace);
    writer->logger->set_pattern("%v");
    writer->logger->flush_on(spdlog::level::trace);
    return std::shared_ptr<LogSink>(new LogSink(std::move(writer), is_text));
  } catch (const std::exception& error) {
    return fail(Errc::unavailable, fmt::format("log file: {}", error.what()));
  }
}

// The request to flush is queued behind the lines: once the queue is empty they are written. Others
// may go on logging, so there is an end to it.
void LogSink::flush() {
  writer_->logger->flush();
  const auto deadline = std::chrono::steady_clock::now() + kFlushTime;
  while (writer_->pool->queue_size() > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void LogSink::write(log::Level level, std::string_view message,
                    std::initializer_list<log::Field> fields) {
  const int64_t now = std::time(nullptr);
  RepeatLimit::Verdict verdict;
  if (level >= log::Level::info) {  // who asks for more wants all of it
    const std::lock_guard lock(mutex_);
    verdict = repeats_.judge(message, now);
  }
  if (verdict.left_out > 0) {
    put(level, "repeated lines were left out", {{"count", verdict.left_out}, {"repeated", message}},
        now);
  }
  if (verdict.passes) put(level, message, fields, now);
}

void LogSink::put(log::Level level, std::string_view message,
                  std::initializer_list<log::Field> fields, int64_t time) {
  const std::string line = is_text_ ? text_log_line(level, message, fields, time)
                                    : json_log_line(level, message, fields, time);
  writer_->logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

std::string json_log_line(log::Level level, std::string_view message,
                          std::initializer_list<log::Field> fields, int64_t time) {
  std::string line = fmt::format("{{\"level\":\"{}\"", kLevels[static_cast<size_t>(level)].name);
  for (const log::Field& field : fields) {
    line += ',';
    append_escaped(line, field.key);
    line += ':';
    if (field.is_bare) {
      line += field.value;
    } else {
      append_escaped(line, field.value);
    }
  }
  line += fmt::format(",\"time\":\"{}\"", rfc3339(time));
  if (!message.empty()) {
    line += ",\"message\":";
    append_escaped(line, message);
  }
  return line += '}';
}

std::string text_log_line(log::Level level, std::string_view message,
                          std::initializer_list<log::Field> fields, int64_t time) {
  static constexpr std::string_view kGrey = "\x1b[90m";
  static constexpr std::string_view kBold = "\x1b[1m";
  static constexpr std::string_view kCyan = "\x1b[36m";
  static constexpr std::string_view kPlain = "\x1b[0m";
  const LevelName& name = kLevels[static_cast<size_t>(level)];
  std::string line =
      fmt::format("{}{}{} {}[{}]{} {}{}{}", kGrey, local_time("%Y-%m-%d %H:%M:%S", time), kPlain,
                  name.color, name.tag, kPlain, kBold, message, kPlain);
  std::vector<const log::Field*> sorted;
  for (const log::Field& field : fields) sorted.push_back(&field);
  std::ranges::sort(sorted, {}, [](const log::Field* field) {
    return std::pair(field->key != "error", field->key);
  });
  for (const log::Field* field : sorted) {
    line += fmt::format(" {}{}={}", kCyan, field->key, kPlain);
    if (field->is_bare || is_plain(field->value)) {
      line += field->value;
    } else {
      append_escaped(line, field->value);
    }
  }
  return line;
}

}  // namespace gyre::app
