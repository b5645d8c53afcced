#include "http/request_parser.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <cstring>
#include <optional>

namespace gyre::http {
namespace {

namespace beast_http = boost::beast::http;
using boost::beast::error_code;
using Field = beast_http::field;
using BeastView = boost::beast::string_view;
using Failure = RequestParser::Failure;
using Progress = RequestParser::Progress;
using Step = RequestParser::Step;

// A chunk's size line with extensions; a client has no use for more.
constexpr size_t kChunkLineBytesMax = 4096;
// So much of new input joins an incomplete chunk line at a time.
constexpr size_t kChunkLineStep = 256;
// The body's buffer grows with what has arrived; what was announced is believed up to here.
constexpr uint64_t kBodyReserveMax = 256 * 1024;

std::string_view view_of(BeastView text) {
  return {text.data(), text.size()};
}

consteval std::array<bool, 256> make_set(std::string_view punctuation) {
  std::array<bool, 256> set{};
  for (int c = 0; c < 256; ++c) {
    set[static_cast<size_t>(c)] =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }
  for (char c : punctuation) set[static_cast<unsigned char>(c)] = true;
  return set;
}
constexpr auto kTokenCharacters = make_set("!#$%&'*+-.^_`|~");     // RFC 9110, 5.6.2
constexpr auto kHostCharacters = make_set("-._~%!$&'()*+,;=:[]");  // RFC 3986, 3.2.2
constexpr auto kSchemeCharacters = make_set("+-.");                // RFC 3986, 3.1

bool consists_of(std::string_view text, const std::array<bool, 256>& set) {
  return std::ranges::all_of(text, [&](char c) { return set[static_cast<unsigned char>(c)]; });
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool has_broken_escape(std::string_view path) {
  for (size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 3)) {
    if (path.size() - i < 3 || !is_hex(path[i + 1]) || !is_hex(path[i + 2])) return true;
  }
  return false;
}

// Our view of Beast's parser: collects one message and refuses what Beast lets pass. Its first
// failure is the one that counts; `abort` makes Beast stop.
class Message final : public beast_http::basic_parser<true> {
 public:
  Message(Request& request, const Limits& limits) : request_(request), limits_(limits) {
    header_limit(limits.head_bytes + 1);
    body_limit(
        boost::none);  // ours is checked below: Beast counts a chunk twice when it retries one
  }

  Failure failure;
  uint64_t body_limit_bytes = 0;

  // Once the head is complete; also what decides at `limit_body`.
  void check_announced_body() {
    if (is_body_announced_ && announced_body_ > body_limit_bytes)
      set_failure(413, "body too large");
  }

  // Whether these bytes, behind a chunk's data, cannot be the line break that must stand there.
  // Beast looks only once the whole next line is there.
  bool lacks_line_break(std::string_view bytes) const {
    return is_chunk_over_ && !std::string_view("\r\n").starts_with(bytes.substr(0, 2));
  }

 private:
  void set_failure(int status, std::string_view reason) {
    if (failure.status == 0) failure = {status, reason};
  }
  void abort(error_code& ec, int status, std::string_view reason) {
    set_failure(status, reason);
    ec = beast_http::error::bad_value;
  }

  void on_request_impl(beast_http::verb, BeastView method, BeastView target, int version,
                       error_code& ec) override {
    request_.method = view_of(method);
    request_.target = view_of(target);
    request_.version_minor = static_cast<uint8_t>(version - 10);
    if (!split_target()) abort(ec, 400, "malformed request target");
  }

  bool split_target() {
    std::string_view rest = request_.target;
    if (rest.find('#') != std::string_view::npos) return false;
    if (request_.method == "CONNECT") {  // authority-form
      request_.path = rest;
      return consists_of(rest, kHostCharacters);
    }
    if (rest == "*") {
      request_.path = rest;
      return request_.method == "OPTIONS";
    }
    if (!rest.starts_with('/')) {  // absolute-form, which a server must take (RFC 9112, 3.2.2)
      const size_t scheme_end = rest.find("://");
      if (scheme_end == 0 || scheme_end == std::string_view::npos ||
          !consists_of(rest.substr(0, scheme_end), kSchemeCharacters)) {
        return false;
      }
      rest.remove_prefix(scheme_end + 3);
      const size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
      if (authority_end == 0 || !consists_of(rest.substr(0, authority_end), kHostCharacters)) {
        return false;
      }
      rest.remove_prefix(authority_end);
      if (!rest.starts_with('/')) {
        request_.path = "/";
        request_.query = rest.empty() ? rest : rest.substr(1);
        return true;
      }
    }
    const size_t question = rest.find('?');
    request_.path = rest.substr(0, question);
    if (question != std::string_view::npos) request_.query = rest.substr(question + 1);
    return !has_broken_escape(request_.path);
  }

  void on_response_impl(int, BeastView, int, error_code&) override {}

  void on_field_impl(Field field, BeastView name_text, BeastView value_text,
                     error_code& ec) override {
    const std::string_view name = view_of(name_text);
    const std::string_view value = view_of(value_text);
    // Beast joins folded lines; RFC 9112, 5.2 wants them refused. The field's line is in front of
    // us with at least one byte of the next.
    const char* line_end = name.data() + name.size();
    while (*line_end != '\r') ++line_end;
    if (line_end[2] == ' ' || line_end[2] == '\t') return abort(ec, 400, "folded header line");
    if (is_head_done_) return;  // a trailer: nothing here wants any, so none is believed
    if (request_.headers.size() >= limits_.header_count) {
      return abort(ec, 431, "too many header fields");
    }
    request_.headers.add({name, value});
    check_framing_field(field, value, ec);
  }

  void check_framing_field(Field field, std::string_view value, error_code& ec) {
    switch (field) {
      case Field::content_length:
        // Equal duplicates are allowed to be merged, but nobody sends them in good faith.
        if (is_body_announced_) return abort(ec, 400, "more than one Content-Length");
        if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos) {
          return abort(ec, 400, "malformed Content-Length");
        }
        if (has_coding_) return abort(ec, 400, "Content-Length beside Transfer-Encoding");
        is_body_announced_ = true;
        break;
      case Field::transfer_encoding:
        if (has_coding_) return abort(ec, 400, "more than one Transfer-Encoding");
        if (is_body_announced_) return abort(ec, 400, "Content-Length beside Transfer-Encoding");
        if (request_.version_minor == 0) {
          return abort(ec, 400, "Transfer-Encoding in an HTTP/1.0 request");
        }
        if (!equals_ignoring_case(value, "chunked")) {
          return abort(ec, 501, "unsupported transfer encoding");
        }
        has_coding_ = true;
        break;
      case Field::host:
        if (has_host_) return abort(ec, 400, "more than one Host");
        if (!consists_of(value, kHostCharacters)) return abort(ec, 400, "malformed Host");
        has_host_ = true;
        break;
      case Field::expect:
        if (request_.version_minor == 0) break;  // to be ignored (RFC 9110, 10.1.1)
        if (!equals_ignoring_case(value, "100-continue")) {
          return abort(ec, 417, "unknown expectation");
        }
        request_.expects_continue = true;
        break;
      default:
        break;
    }
  }

  void on_header_impl(error_code& ec) override {
    is_head_done_ = true;
    if (!has_host_ && request_.version_minor == 1) return abort(ec, 400, "missing Host");
    request_.keep_alive = keep_alive();
    if (is_body_announced_) announced_body_ = *content_length();
    request_.has_body = has_coding_ || announced_body_ > 0;
    if (!request_.has_body) request_.expects_continue = false;
  }

  void on_body_init_impl(const boost::optional<uint64_t>& length, error_code&) override {
    const uint64_t expected = length ? *length : 0;
    request_.body.reserve(static_cast<size_t>(std::min(expected, kBodyReserveMax)) +
                          Request::kBodyPadding);
  }

  size_t on_body_impl(BeastView bytes, error_code&) override {
    request_.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }

  void on_chunk_header_impl(uint64_t size, BeastView extensions, error_code& ec) override {
    is_chunk_over_ = false;
    for (char c : extensions) {
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) {
        return abort(ec, 400, "control character in a chunk extension");
      }
    }
    if (size > body_limit_bytes - std::min<uint64_t>(body_limit_bytes, request_.body.size())) {
      return abort(ec, 413, "body too large");
    }
  }

  size_t on_chunk_body_impl(uint64_t remaining, BeastView bytes, error_code&) override {
    request_.body.append(bytes.data(), bytes.size());
    is_chunk_over_ = bytes.size() == remaining;
    return bytes.size();
  }

  void on_finish_impl(error_code&) override {}

  Request& request_;
  const Limits& limits_;
  uint64_t announced_body_ = 0;
  bool is_body_announced_ = false;  // by Content-Length
  bool has_coding_ = false;
  bool has_host_ = false;
  bool is_head_done_ = false;
  bool is_chunk_over_ = false;  // its data; the line break behind it is still to come
};

// A request line of three parts whose last is some version of HTTP.
bool names_a_version(std::string_view line) {
  const size_t space = line.rfind(' ');
  if (space == std::string_view::npos || line.find(' ', line.find(' ') + 1) != space) return false;
  const std::string_view version = line.substr(space + 1);
  return version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
         version[6] == '.' && is_digit(version[7]);
}

Failure failure_of(error_code ec, std::string_view head) {
  using Error = beast_http::error;
  if (ec == Error::bad_version) {
    if (names_a_version(head.substr(0, head.find('\r')))) {
      return {505, "unsupported protocol version"};
    }
    return {400, "malformed HTTP version"};
  }
  if (ec == Error::header_limit) return {431, "request head too large"};
  if (ec == Error::bad_method) return {400, "malformed method"};
  if (ec == Error::bad_target) return {400, "malformed request target"};
  if (ec == Error::bad_line_ending) return {400, "malformed line ending"};
  if (ec == Error::bad_field) return {400, "malformed header name"};
  if (ec == Error::bad_value) return {400, "malformed header value"};
  if (ec == Error::bad_content_length || ec == Error::multiple_content_length) {
    return {400, "malformed Content-Length"};
  }
  if (ec == Error::bad_transfer_encoding) return {400, "malformed Transfer-Encoding"};
  if (ec == Error::bad_chunk || ec == Error::bad_chunk_extension) return {400, "malformed chunk"};
  return {400, "malformed request"};
}

}  // namespace

struct RequestParser::State {
  explicit State(const Limits& wanted) : limits(wanted) { request.head.reserve(512); }

  enum class Phase : uint8_t { head, head_done, body, complete, failed };

  Step fail_with(size_t consumed, const Failure& why) {
    phase = Phase::failed;
    failure = why;
    return {consumed, Progress::failed};
  }

  Step feed_head(std::string_view bytes);
  Step parse_head(size_t consumed);
  Step feed_body(std::string_view bytes);
  Step feed_chunk_line(std::string_view bytes);
  // Gives Beast the bytes. Returns how many it took.
  size_t put(std::string_view bytes, error_code& ec) {
    if (message->lacks_line_break(bytes)) {
      ec = beast_http::error::bad_chunk;
      return 0;
    }
    return message->put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  }
  Step after_put(error_code ec, size_t consumed);

  Limits limits;
  Phase phase = Phase::head;
  Failure failure;
  Request request;
  std::optional<Message> message;
  std::string pending;        // an incomplete chunk line or trailer
  size_t line_start = 0;      // of the line of the head that is not complete yet
  bool may_skip_line = true;  // one blank line before a request is forgiven (RFC 9112, 2.2)
};

// Collects lines until the empty one. Checks line ends right here, so that what is no HTTP is told
// so at once and not after the timeout.
Step RequestParser::State::feed_head(std::string_view bytes) {
  size_t consumed = 0;
  std::string& head = request.head;
  while (consumed < bytes.size()) {
    const std::string_view rest = bytes.substr(consumed);
    const size_t newline = rest.find('\n');
    const size_t taken = newline == std::string_view::npos ? rest.size() : newline + 1;
    if (head.size() + taken > limits.head_bytes) {
      return fail_with(consumed, {431, "request head too large"});
    }
    head.append(rest.substr(0, taken));
    consumed += taken;
    const auto first = static_cast<unsigned char>(head[0]);
    if (first != '\r' && !kTokenCharacters[first]) {
      return fail_with(consumed, {400, "malformed method"});
    }
    if (first == '\r' && (!may_skip_line || (head.size() > 1 && head[1] != '\n'))) {
      return fail_with(consumed, {400, "malformed method"});
    }
    if (newline == std::string_view::npos) break;
    if (head.size() < 2 || head[head.size() - 2] != '\r') {
      return fail_with(consumed, {400, "malformed line ending"});
    }
    if (head.size() == 2) {
      may_skip_line = false;
      head.clear();
      continue;
    }
    if (head.size() - line_start == 2) return parse_head(consumed);
    line_start = head.size();
  }
  return {consumed, Progress::need_more};
}

Step RequestParser::State::parse_head(size_t consumed) {
  message.emplace(request, limits);
  message->body_limit_bytes = limits.body_bytes;
  error_code ec;
  const size_t taken = put(request.head, ec);
  if (message->failure.status != 0) return fail_with(consumed, message->failure);
  if (ec) return fail_with(consumed, failure_of(ec, request.head));
  if (taken != request.head.size() || !message->is_header_done()) {
    return fail_with(consumed, {400, "malformed request"});
  }
  phase = Phase::head_done;
  return {consumed, Progress::head};
}

Step RequestParser::State::after_put(error_code ec, size_t consumed) {
  if (message->failure.status != 0) return fail_with(consumed, message->failure);
  if (ec && ec != beast_http::error::need_more) return fail_with(consumed, failure_of(ec, {}));
  if (!message->is_done()) return {consumed, Progress::need_more};
  phase = Phase::complete;
  request.body.reserve(request.body.size() + Request::kBodyPadding);
  return {consumed, Progress::complete};
}

// Chunk lines and trailers must be in one piece for Beast. An incomplete one waits in `pending`,
// which takes new bytes in small steps, so that the chunk's data behind it does not pass through.
Step RequestParser::State::feed_chunk_line(std::string_view bytes) {
  size_t consumed = 0;
  while (!pending.empty() && consumed < bytes.size()) {
    const std::string_view more = bytes.substr(consumed, kChunkLineStep);
    const size_t before = pending.size();
    pending.append(more);
    if (pending.size() < 5 && pending.starts_with("0\r\n")) {
      // The last chunk cannot be complete yet, and Beast asserts that it is not asked too early.
      consumed += more.size();
      continue;
    }
    error_code ec;
    const size_t taken = put(pending, ec);
    if (taken == 0) {  // still incomplete, or broken
      consumed += more.size();
      if (Step step = after_put(ec, consumed); step.progress != Progress::need_more) return step;
      if (pending.size() > kChunkLineBytesMax + limits.head_bytes) {
        return fail_with(consumed, {431, "trailers too large"});
      }
      if (pending.size() > kChunkLineBytesMax && pending.find('\n', 2) == std::string::npos) {
        return fail_with(consumed, {400, "chunk line too long"});
      }
      continue;
    }
    // Beast stops behind a chunk line only with its `eager` off, which is the default: the data is
    // still to come.
    if (taken < before) return fail_with(consumed, {400, "malformed chunk"});
    consumed += taken - before;
    pending.clear();
    if (Step step = after_put(ec, consumed); step.progress != Progress::need_more) return step;
  }
  return {consumed, Progress::need_more};
}

Step RequestParser::State::feed_body(std::string_view bytes) {
  size_t consumed = 0;
  if (message->is_done()) return after_put({}, 0);
  while (true) {
    if (!pending.empty()) {
      Step step = feed_chunk_line(bytes.substr(consumed));
      consumed += step.consumed;
      if (step.progress != Progress::need_more || !pending.empty())
        return {consumed, step.progress};
    }
    if (consumed == bytes.size()) return {consumed, Progress::need_more};
    const std::string_view rest = bytes.substr(consumed);
    error_code ec;
    const size_t taken = put(rest, ec);
    consumed += taken;
    if (Step step = after_put(ec, consumed); step.progress != Progress::need_more) return step;
    if (taken == 0) {  // all of it is an incomplete line, or incomplete trailers
      if (rest.size() > kChunkLineBytesMax + limits.head_bytes) {
        return fail_with(consumed, {400, "chunk line too long"});
      }
      pending.assign(rest);
      return {bytes.size(), Progress::need_more};
    }
  }
}

RequestParser::RequestParser(const Limits& limits) : state_(std::make_unique<State>(limits)) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

Step RequestParser::feed(std::string_view bytes) {
  State& state = *state_;
  switch (state.phase) {
    case State::Phase::head:
      return state.feed_head(bytes);
    case State::Phase::head_done:
      state.message->check_announced_body();
      if (state.message->failure.status != 0) return state.fail_with(0, state.message->failure);
      state.phase = State::Phase::body;
      return state.feed_body(bytes);
    case State::Phase::body:
      return state.feed_body(bytes);
    case State::Phase::complete:
      return {0, Progress::complete};
    case State::Phase::failed:
      break;
  }
  return {0, Progress::failed};
}

void RequestParser::limit_body(uint64_t bytes) {
  if (state_->message) state_->message->body_limit_bytes = bytes;
}

const Request& RequestParser::request() const {
  return state_->request;
}

Request RequestParser::take() {
  Request request = std::move(state_->request);
  const Limits limits = state_->limits;
  // In place: the allocation of the state serves all requests of a connection.
  std::destroy_at(state_.get());
  std::construct_at(state_.get(), limits);
  return request;
}

const Failure& RequestParser::failure() const {
  return state_->failure;
}

bool RequestParser::is_idle() const {
  return state_->phase == State::Phase::head && state_->request.head.empty();
}

bool RequestParser::is_in_body() const {
  return state_->phase == State::Phase::head_done || state_->phase == State::Phase::body;
}

size_t RequestParser::buffered_bytes() const {
  return state_->request.head.capacity() + state_->request.body.capacity() +
         state_->pending.capacity();
}

}  // namespace gyre::http
