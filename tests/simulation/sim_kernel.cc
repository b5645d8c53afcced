#include "tests/simulation/sim_kernel.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace gyre::sim {

namespace {
// What a kernel does goes into the hash under these numbers.
enum Event : uint64_t { kConnection = 1, kBytes, kEnd, kBroken, kRoom, kSend, kClose };
}  // namespace

void SimKernel::random(void* bytes, size_t count) {
  std::generate_n(static_cast<char*>(bytes), count,
                  [this] { return static_cast<char>(network_.random()); });
}

void SimKernel::die() {
  for (auto& [number, socket] : sockets_) {
    if (socket.listener) {
      network_.unlisten(socket.listener);
    } else {
      network_.break_off(socket.end);
    }
  }
}

os::Descriptor SimKernel::add(Socket socket) {
  os::Descriptor number = 3;
  while (sockets_.contains(number)) ++number;
  sockets_.emplace(number, std::move(socket));
  return number;
}

SimKernel::Socket& SimKernel::at(os::Descriptor socket) {
  const auto found = sockets_.find(socket);
  GYRE_CHECK(found != sockets_.end());  // a use after close
  return found->second;
}

Result<os::Descriptor> SimKernel::listen(const os::ListenOptions& options, os::Token token) {
  Socket socket;
  socket.listener = network_.listen(options.port);
  socket.token = token;
  return add(std::move(socket));
}

uint16_t SimKernel::local_port(os::Descriptor socket) {
  const Socket& it = at(socket);
  return it.listener ? it.listener->port : 0;
}

Result<void> SimKernel::attach(os::Descriptor socket, os::Token token) {
  Socket& it = at(socket);
  it.token = token;
  it.is_attached = true;
  return {};
}

void SimKernel::pause(os::Descriptor socket, os::Token) {
  at(socket).is_reading = false;
}

void SimKernel::resume(os::Descriptor socket, os::Token) {
  at(socket).is_reading = true;
}

ptrdiff_t SimKernel::send(os::Descriptor socket, os::Token, std::span<const iovec> parts) {
  Socket& it = at(socket);
  std::string bytes;
  for (const iovec& part : parts) {
    bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
  }
  const ptrdiff_t sent = network_.send(it.end, bytes);
  if (sent >= 0 && static_cast<size_t>(sent) < bytes.size()) it.wants_room = true;
  network_.observe(kSend);
  network_.observe(static_cast<uint64_t>(sent));
  network_.observe(bytes);
  return sent;
}

void SimKernel::finish(os::Descriptor socket) {
  network_.finish(at(socket).end);
}

void SimKernel::close(os::Descriptor socket) {
  const auto found = sockets_.find(socket);
  GYRE_CHECK(found != sockets_.end());  // closed twice
  network_.observe(kClose);
  network_.observe(static_cast<uint64_t>(socket));
  if (found->second.listener) {
    network_.unlisten(found->second.listener);
  } else {
    network_.close(found->second.end);
  }
  sockets_.erase(found);
}

std::string SimKernel::peer_address(os::Descriptor socket) {
  const uint64_t number = at(socket).end.connection->number;
  return "10.0." + std::to_string(number / 256 % 256) + "." + std::to_string(number % 256);
}

bool SimKernel::is_readable(const Socket& socket) const {
  return socket.is_reading && !socket.end_is_told && socket.end.has_input();
}

bool SimKernel::has_room(const Socket& socket) const {
  return socket.wants_room && network_.room(socket.end) > 0;
}

bool SimKernel::is_ready(const Socket& socket) const {
  if (socket.listener) {
    return std::ranges::any_of(socket.listener->backlog, [this](const auto& arrival) {
      return arrival.due <= network_.now();
    });
  }
  return socket.is_attached && (socket.end.is_broken() || is_readable(socket) || has_room(socket));
}

bool SimKernel::has_ready() const {
  return std::ranges::any_of(sockets_, [this](const auto& it) { return is_ready(it.second); });
}

void SimKernel::collect() {
  if (is_collected_) return;
  is_collected_ = true;
  for (const auto& [number, socket] : sockets_) {
    if (is_ready(socket)) {
      ready_.push_back({socket.token, socket.listener ? number : os::kNoDescriptor});
    }
  }
  for (size_t i = ready_.size(); i > 1; --i) std::swap(ready_[i - 1], ready_[network_.below(i)]);
  // epoll_wait returns when its array is full, too.
  if (ready_.size() > 1) ready_.resize(1 + network_.below(ready_.size()));
}

bool SimKernel::wait(os::Nanos) {
  collect();
  return std::exchange(is_woken_, false) || !ready_.empty();
}

void SimKernel::dispatch(os::EventSink& sink, std::span<char> buffer) {
  std::vector<Ready> ready;
  ready.swap(ready_);
  network_.observe(number_);
  is_collected_ = false;
  for (const Ready& event : ready) {
    if (event.listener != os::kNoDescriptor) {
      accept_some(sink, event.listener);
    } else {
      report(sink, event.token, buffer);
    }
  }
}

void SimKernel::accept_some(os::EventSink& sink, os::Descriptor number) {
  const auto found = sockets_.find(number);
  if (found == sockets_.end() || !found->second.listener) return;  // closed meanwhile
  const std::shared_ptr<SimNetwork::Listener> listener = found->second.listener;
  const os::Token token = found->second.token;
  for (size_t i = 0; i < listener->backlog.size();) {
    if (listener->backlog[i].due > network_.now()) {
      ++i;
      continue;
    }
    Socket socket;
    socket.end = listener->backlog[i].end;
    listener->backlog.erase(listener->backlog.begin() + static_cast<ptrdiff_t>(i));
    network_.observe(kConnection);
    network_.observe(socket.end.connection->number);
    sink.on_connection(token, add(std::move(socket)));
  }
}

// The order and the second looks are those of LinuxKernel.
void SimKernel::report(os::EventSink& sink, os::Token token, std::span<char> buffer) {
  os::Descriptor number = sink.descriptor(token);
  if (number == os::kNoDescriptor) return;
  if (Socket& socket = at(number); has_room(socket)) {
    socket.wants_room = false;
    network_.observe(kRoom);
    network_.observe(token);
    sink.on_room(token);
    number = sink.descriptor(token);
    if (number == os::kNoDescriptor) return;
  }
  Socket& socket = at(number);
  if (socket.end.is_broken()) {
    network_.observe(kBroken);
    network_.observe(token);
    sink.on_end(token, true);
  } else if (is_readable(socket)) {
    receive(sink, socket, buffer);
  }
}

void SimKernel::receive(os::EventSink& sink, Socket& socket, std::span<char> buffer) {
  const os::Token token = socket.token;
  const std::string bytes = network_.receive(socket.end, buffer.size() - os::kReceivePadding);
  if (bytes.empty()) {
    socket.end_is_told = true;
    network_.observe(kEnd);
    network_.observe(token);
    sink.on_end(token, false);
    return;
  }
  network_.observe(kBytes);
  network_.observe(token);
  network_.observe(bytes);
  std::memcpy(buffer.data(), bytes.data(), bytes.size());
  // Parsers may look at what stands behind, but must not believe it.
  std::memset(buffer.data() + bytes.size(), 0xa5, os::kReceivePadding);
  sink.on_bytes(token, buffer.first(bytes.size()));
}

}  // namespace gyre::sim
