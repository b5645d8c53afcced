#include "load/publishers.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "load/clock.h"
#include "load/fail.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

// A source address of their own: subscribers count theirs from the other end.
constexpr uint32_t kSource = 0xFFFFF0;

int connect_now(const Options& options) {
  const int fd = dial(options.host, options.port, kSource);
  pollfd ready{fd, POLLOUT, 0};
  int error = 0;
  socklen_t size = sizeof error;
  if (poll(&ready, 1, 10'000) != 1) fail("the API does not answer");
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) fail("API: {}", std::strerror(error));
  return fd;
}

/// The body's length, from a header block that ends the way the servers under test write it.
size_t content_length(std::string_view head) {
  for (size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at)) {
    at += 2;
    constexpr std::string_view kName = "content-length:";
    if (head.size() - at < kName.size() ||
        strncasecmp(head.data() + at, kName.data(), kName.size()) != 0) {
      continue;
    }
    const size_t digit = head.find_first_not_of(' ', at + kName.size());
    size_t length = 0;
    if (digit != std::string_view::npos &&
        std::from_chars(head.data() + digit, head.data() + head.size(), length).ec == std::errc{}) {
      return length;
    }
  }
  fail("the API answered without a Content-Length: {}", head);
}

}  // namespace

std::string channel_name(const Options& options, uint32_t index) {
  return options.channels > 1 || options.own_channels ? numbered(options.channel, index)
                                                      : options.channel;
}

Publishers::Publishers(const Options& options, Loop& loop, uint32_t count)
    : options_(options), loop_(loop), handler_(loop.enlist(*this)), connections_(count) {
  build_request();
}

Publishers::~Publishers() {
  for (const Connection& connection : connections_) {
    if (connection.fd >= 0) ::close(connection.fd);
  }
}

void Publishers::build_request() {
  const std::string channel = channel_name(options_, 0);
  const std::string data = publication_data(options_.size);
  std::string body;
  std::string_view method = "publish";
  const auto add_channel = [&] {
    channel_at_.push_back(body.size() + 1);
    body += '"' + channel + '"';
  };
  const auto add_data = [&] {
    body += R"(,"data":)";
    stamp_at_.push_back(body.size() + kStampAt);
    body += data;
    if (options_.filters > 0) body += R"(,"tags":{"kind":"none","all":"1"})";
  };
  if (options_.broadcast > 1) {
    method = "broadcast";
    for (uint32_t at = 0; at < options_.broadcast; ++at) {
      body += at == 0 ? R"({"channels":[)" : ",";
      add_channel();
    }
    body += ']';
    add_data();
    body += '}';
  } else {
    if (options_.batch > 1) method = "batch";
    for (uint32_t at = 0; at < options_.batch; ++at) {
      if (options_.batch > 1) body += at == 0 ? R"({"commands":[{"publish":)" : R"(,{"publish":)";
      body += R"({"channel":)";
      add_channel();
      add_data();
      body += options_.batch > 1 ? "}}" : "}";
    }
    if (options_.batch > 1) body += "]}";
  }
  const std::string head = fmt::format(
      "POST {}/{} HTTP/1.1\r\nHost: {}:{}\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n",
      options_.api_path, method, options_.host, options_.port, options_.api_key, body.size());
  for (size_t& at : channel_at_) at += head.size();
  for (size_t& at : stamp_at_) at += head.size();
  channel_size_ = channel.size();
  request_ = head + body;
}

void Publishers::submit(uint32_t publisher, const Job& job) {
  ++outstanding_;
  if (connections_[publisher].fd < 0) {
    // Not before: a server may cut an HTTP connection that says nothing while others are opened.
    connections_[publisher].fd = connect_now(options_);
    loop_.watch(connections_[publisher].fd, handler_, publisher, EPOLLIN);
  }
  connections_[publisher].line.push_back(job);
  if (!connections_[publisher].busy) send_job(publisher);
}

void Publishers::drop_waiting() {
  for (Connection& connection : connections_) {
    outstanding_ -= connection.line.size();
    connection.line.clear();
  }
}

uint32_t Publishers::find_free() const {
  uint32_t at = 0;
  while (at < size() && connections_[at].busy) ++at;
  return at;
}

void Publishers::send_job(uint32_t publisher) {
  Connection& connection = connections_[publisher];
  connection.job = connection.line.front();
  connection.line.pop_front();
  connection.busy = true;
  const Job& job = connection.job;
  uint32_t channel = job.channel;
  for (const size_t at : channel_at_) {
    const std::string name = channel_name(options_, channel++ % options_.channels);
    if (name.size() != channel_size_) fail("channel names must be equally long");
    name.copy(request_.data() + at, name.size());
  }
  const Stamp stamp{stamp_as_ == UINT32_MAX ? publisher : stamp_as_, job.sequence, job.due};
  for (const size_t at : stamp_at_) write_stamp(request_.data() + at, stamp);
  send_all(connection.fd, request_);
}

void Publishers::on_event(uint32_t index, uint32_t /*events*/) {
  Connection& connection = connections_[index];
  const ssize_t got = recv(connection.fd, loop_.buffer(), loop_.buffer_size(), 0);
  if (got <= 0) {
    if (got < 0 && errno == EAGAIN) return;
    if (!connection.busy) {
      // Servers end connections that have said nothing for long; the next job dials again.
      ::close(std::exchange(connection.fd, -1));
      return;
    }
    fail("the server closed an API connection");
  }
  connection.received.append(loop_.buffer(), static_cast<size_t>(got));
  take_answer(index);
}

void Publishers::take_answer(uint32_t publisher) {
  Connection& connection = connections_[publisher];
  const std::string_view received = connection.received;
  const size_t head_end = received.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return;
  const std::string_view head = received.substr(0, head_end);
  bool is_refused = !head.starts_with("HTTP/1.1 200");
  if (is_refused && !refused_) fail("the API answered: {}", received);
  const size_t size = head_end + 4 + content_length(head);
  if (received.size() < size) return;
  const std::string_view body = received.substr(head_end + 4);
  is_refused |= body.find("\"error\"") != std::string_view::npos;
  if (received.size() > size || (is_refused && !refused_)) fail("the API answered: {}", body);
  connection.received.clear();
  connection.busy = false;
  --outstanding_;
  const Job job = connection.job;
  if (!connection.line.empty()) send_job(publisher);
  const OnAnswer& handler = is_refused ? refused_ : answered_;
  if (handler) handler(publisher, job);
}

}  // namespace gyre::bench
