#include "load/swarm.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "load/fail.h"
#include "load/wire.h"

namespace gyre::bench {
namespace {

// Per source address. Far below the 28,000 ephemeral ports, since the kernel's search for a free
// one becomes slow when few are left.
constexpr uint32_t kConnectionsPerSource = 6000;

uint64_t big_endian(const char* at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(at[i]);
  return value;
}

}  // namespace

Swarm::Swarm(const Options& options, const Script& script, Loop& loop, Observer& observer,
             uint32_t first, uint32_t count)
    : options_(options),
      script_(script),
      loop_(loop),
      observer_(observer),
      handler_(loop.enlist(*this)),
      first_(first),
      subscribers_(count),
      upgrade_(upgrade_request(options)),
      pong_(pong_frame(options.protocol)) {}

Swarm::~Swarm() {
  for (const Subscriber& subscriber : subscribers_) {
    if (subscriber.fd >= 0) ::close(subscriber.fd);
  }
}

void Swarm::open_some() {
  while (next_ < size() && opening_ < options_.opening) open(next_++);
}

void Swarm::open(uint32_t index) {
  Subscriber& subscriber = subscribers_[index];
  // A storm dials more often than it has subscribers; its ports come back after a second.
  const uint32_t source = (first_ + dialed_++) / kConnectionsPerSource % 0xFFFF;
  subscriber.fd = dial(options_.host, options_.port, source);
  subscriber.state = State::dialing;
  subscriber.replies = script_.replies;
  ++opening_;
  loop_.watch(subscriber.fd, handler_, index, EPOLLIN | EPOLLOUT);
}

void Swarm::close(uint32_t index) {
  Subscriber& subscriber = subscribers_[index];
  if (subscriber.state == State::live || subscriber.state == State::deaf) --live_;
  ::close(subscriber.fd);
  if (subscriber.partial) partial_.erase(index);
  subscriber = Subscriber{};
}

void Swarm::send(uint32_t index, std::string_view frame) {
  send_all(subscribers_[index].fd, frame);
}

void Swarm::stop_reading(uint32_t index) {
  loop_.change(subscribers_[index].fd, handler_, index, EPOLLRDHUP);
  subscribers_[index].state = State::deaf;
}

void Swarm::on_ended(uint32_t index, std::string_view why) {
  const State state = subscribers_[index].state;
  const bool was_live = state == State::live || state == State::deaf;
  if (!was_live || !observer_.on_end(index)) {
    fail("the server closed connection {}: {}", first_ + index, why);
  }
  close(index);
}

void Swarm::send_upgrade(uint32_t index) {
  Subscriber& subscriber = subscribers_[index];
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(subscriber.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) fail("connection {}: {}", first_ + index, std::strerror(error));
  subscriber.state = State::upgrading;
  loop_.change(subscriber.fd, handler_, index, EPOLLIN);
  send_all(subscriber.fd, upgrade_);
}

void Swarm::on_upgraded(uint32_t index) {
  if (options_.raw || subscribers_[index].replies == 0) return on_live(index);
  subscribers_[index].state = State::logging_in;
  send_all(subscribers_[index].fd, script_.login(first_ + index));
}

void Swarm::on_live(uint32_t index) {
  subscribers_[index].state = State::live;
  --opening_;
  ++live_;
  observer_.on_live(index);
}

void Swarm::on_event(uint32_t index, uint32_t events) {
  Subscriber& subscriber = subscribers_[index];
  if (subscriber.state == State::dialing) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) send_upgrade(index);
    return;
  }
  if (subscriber.state == State::deaf) return on_ended(index, "not reading");
  char* buffer = loop_.buffer();
  size_t held = 0;
  if (subscriber.partial) [[unlikely]] {
    const std::string& begun = partial_[index];
    held = begun.copy(buffer, begun.size());
  }
  const ssize_t got = recv(subscriber.fd, buffer + held, loop_.buffer_size() - held, 0);
  if (got <= 0) {
    if (got < 0 && errno == EAGAIN) return;
    return on_ended(index, got < 0 ? std::strerror(errno) : "end of stream");
  }
  const std::string_view bytes(buffer, held + static_cast<size_t>(got));
  size_t used = 0;
  if (subscriber.state == State::upgrading) used = take_response(index, bytes);
  if (subscriber.state != State::upgrading) used += take_frames(index, bytes.substr(used));
  if (subscriber.state == State::closed) [[unlikely]]
    return;
  if (used == bytes.size()) [[likely]] {
    if (subscriber.partial) partial_.erase(index);
    subscriber.partial = false;
  } else {
    if (bytes.size() - used == loop_.buffer_size()) fail("a frame is too large");
    partial_[index].assign(bytes.substr(used));
    subscriber.partial = true;
  }
}

size_t Swarm::take_response(uint32_t index, std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  if (!bytes.starts_with("HTTP/1.1 101")) {
    fail("the server refused connection {}: {}", first_ + index,
         bytes.substr(0, bytes.find("\r\n")));
  }
  on_upgraded(index);
  return end + 4;
}

size_t Swarm::take_frames(uint32_t index, std::string_view bytes) {
  size_t at = 0;
  while (bytes.size() - at >= 2) {
    const char* frame = bytes.data() + at;
    const size_t left = bytes.size() - at;
    size_t header = 2;
    uint64_t length = static_cast<uint8_t>(frame[1]);
    if (length == 126) {
      if (left < 4) break;
      header = 4;
      length = big_endian(frame + 2, 2);
    } else if (length == 127) {
      if (left < 10) break;
      header = 10;
      length = big_endian(frame + 2, 8);
    }
    if (left - header < length) break;
    at += header + length;
    if (!on_frame(index, static_cast<uint8_t>(frame[0]), bytes.substr(at - length, length))) break;
  }
  return at;
}

bool Swarm::on_frame(uint32_t index, uint8_t opcode, std::string_view payload) {
  if (opcode == 0x88) {
    on_ended(index, fmt::format("{} {}", payload.size() >= 2 ? big_endian(payload.data(), 2) : 0,
                                payload.substr(std::min<size_t>(2, payload.size()))));
    return false;
  }
  if (opcode != 0x81 && opcode != 0x82) fail("unexpected frame, first byte {:#x}", opcode);
  if (options_.protocol == Protocol::json) {
    while (true) {
      const auto* end = static_cast<const char*>(std::memchr(payload.data(), '\n', payload.size()));
      if (end == nullptr) {
        on_message(index, payload);
        return true;
      }
      const auto size = static_cast<size_t>(end - payload.data());
      on_message(index, payload.substr(0, size));
      payload.remove_prefix(size + 1);
    }
  }
  while (!payload.empty()) {
    size_t size = 0;
    unsigned shift = 0;
    uint8_t byte = 0x80;
    while (!payload.empty() && (byte & 0x80) != 0 && shift < 35) {
      byte = static_cast<uint8_t>(payload[0]);
      size |= static_cast<size_t>(byte & 0x7F) << shift;
      shift += 7;
      payload.remove_prefix(1);
    }
    if ((byte & 0x80) != 0 || size > payload.size()) fail("a Protobuf message is cut short");
    on_message(index, payload.substr(0, size));
    payload.remove_prefix(size);
  }
  return true;
}

void Swarm::on_message(uint32_t index, std::string_view message) {
  const Kind kind =
      options_.protocol == Protocol::json ? kind_of_json(message) : kind_of_protobuf(message);
  switch (kind) {
    case Kind::push:
      observer_.on_push(index, message);
      break;
    case Kind::ping:
      send_all(subscribers_[index].fd, pong_);
      break;
    case Kind::failure:
      fail("connection {}: {}", first_ + index, message);
    case Kind::reply:
      if (subscribers_[index].state == State::live && observer_.on_answer(index, message)) break;
      observer_.on_reply(index, message);
      if (subscribers_[index].state != State::logging_in) fail("unexpected reply: {}", message);
      if (--subscribers_[index].replies == 0) on_live(index);
      break;
  }
}

}  // namespace gyre::bench
