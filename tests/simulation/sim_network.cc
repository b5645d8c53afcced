#include "tests/simulation/sim_network.h"

#include <algorithm>

namespace gyre::sim {

// FNV-1a: quality does not matter here, only that every byte does.
void SimNetwork::observe(uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) {
    hash_ = (hash_ ^ ((value >> shift) & 0xff)) * 1099511628211ull;
  }
}

void SimNetwork::observe(std::string_view bytes) {
  observe(bytes.size());
  for (char c : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 1099511628211ull;
}

void SimNetwork::advance_to(os::Nanos when) {
  now_ = std::max(now_, when);
  observe(static_cast<uint64_t>(now_));
  for (const auto& connection : connections_) deliver(*connection);
}

void SimNetwork::deliver(Connection& connection) {
  if (connection.is_broken) return;
  for (Pipe& pipe : connection.pipes) {
    while (!pipe.in_flight.empty() && pipe.in_flight.front().due <= now_) {
      Pipe::Segment& segment = pipe.in_flight.front();
      pipe.in_flight_bytes -= segment.bytes.size();
      pipe.arrived += segment.bytes;
      pipe.has_end = pipe.has_end || segment.is_end;
      pipe.in_flight.pop_front();
    }
  }
  if (connection.break_at <= now_) {
    connection.is_broken = true;
    for (Pipe& pipe : connection.pipes) pipe = Pipe();  // a reset discards what was not read
  }
}

os::Nanos SimNetwork::next_due() const {
  os::Nanos due = os::kForever;
  for (const auto& connection : connections_) {
    if (connection->is_broken) continue;
    due = std::min(due, connection->break_at);
    for (const Pipe& pipe : connection->pipes) {
      if (!pipe.in_flight.empty()) due = std::min(due, pipe.in_flight.front().due);
    }
  }
  for (const auto& listener : listeners_) {
    for (const Arrival& arrival : listener->backlog) {
      if (arrival.due > now_) due = std::min(due, arrival.due);
    }
  }
  return due;
}

os::Nanos SimNetwork::due_after(os::Nanos previous) {
  os::Nanos due = now_ + static_cast<os::Nanos>(below(static_cast<uint64_t>(weather_.delay_max)));
  if (chance(weather_.stall)) {
    due += static_cast<os::Nanos>(below(static_cast<uint64_t>(weather_.stall_max)));
  }
  return std::max(previous, due);
}

std::shared_ptr<SimNetwork::Listener> SimNetwork::listen(uint16_t port) {
  auto listener = std::make_shared<Listener>();
  listener->port = port != 0 ? port : next_port_++;
  listeners_.push_back(listener);
  return listener;
}

void SimNetwork::unlisten(const std::shared_ptr<Listener>& listener) {
  for (const Arrival& arrival : listener->backlog) {
    arrival.end.connection->break_at = now_;
    close(arrival.end);
  }
  listener->backlog.clear();
  std::erase(listeners_, listener);
}

End SimNetwork::connect(uint16_t port) {
  auto connection = std::make_shared<Connection>();
  connection->number = next_number_++;
  if (chance(weather_.breaks)) {
    connection->break_at =
        now_ + static_cast<os::Nanos>(below(static_cast<uint64_t>(weather_.break_within)));
  }
  std::vector<Listener*> choices;
  for (const auto& listener : listeners_) {
    if (listener->port == port) choices.push_back(listener.get());
  }
  connections_.push_back(connection);
  if (choices.empty()) {
    connection->is_broken = connection->is_closed[1] = true;
  } else {
    choices[below(choices.size())]->backlog.push_back({due_after(now_), End{connection, 1}});
  }
  return End{connection, 0};
}

size_t SimNetwork::room(const End& end) const {
  const size_t held = end.out().held();
  return held < weather_.buffer ? weather_.buffer - held : 0;
}

ptrdiff_t SimNetwork::send(const End& end, std::string_view bytes) {
  Connection& connection = *end.connection;
  if (connection.is_broken || end.out().is_finished) return -1;
  size_t taken = std::min(bytes.size(), room(end));
  if (taken > 0 && chance(weather_.short_send)) taken = below(taken + 1);
  bytes = bytes.substr(0, taken);
  if (connection.is_closed[1 - end.side]) {
    // Nobody reads it any more: taken by this side, answered by a reset.
    if (taken > 0) connection.break_at = std::min(connection.break_at, due_after(now_));
    return static_cast<ptrdiff_t>(taken);
  }
  Pipe& pipe = end.out();
  while (!bytes.empty()) {
    const size_t size = std::min<size_t>(bytes.size(), 1 + below(weather_.segment_max));
    const os::Nanos previous = pipe.in_flight.empty() ? now_ : pipe.in_flight.back().due;
    pipe.in_flight.push_back({due_after(previous), std::string(bytes.substr(0, size)), false});
    pipe.in_flight_bytes += size;
    bytes.remove_prefix(size);
  }
  return static_cast<ptrdiff_t>(taken);
}

std::string SimNetwork::receive(const End& end, size_t most) {
  std::string& arrived = end.in().arrived;
  std::string bytes = arrived.substr(0, most);
  arrived.erase(0, bytes.size());
  return bytes;
}

void SimNetwork::finish(const End& end) {
  Pipe& pipe = end.out();
  if (pipe.is_finished || end.is_broken()) return;
  pipe.is_finished = true;
  const os::Nanos previous = pipe.in_flight.empty() ? now_ : pipe.in_flight.back().due;
  pipe.in_flight.push_back({due_after(previous), {}, true});
}

void SimNetwork::break_off(const End& end) {
  end.connection->break_at = now_;
  deliver(*end.connection);
}

void SimNetwork::close(const End& end) {
  Connection& connection = *end.connection;
  if (connection.is_closed[end.side]) return;
  finish(end);
  // Whoever closes without having read everything resets the connection.
  if (end.in().held() > 0) {
    connection.break_at = std::min(connection.break_at, due_after(now_));
  }
  connection.is_closed[end.side] = true;
  end.in().in_flight.clear();
  end.in().in_flight_bytes = 0;
  end.in().arrived.clear();
  std::erase_if(connections_, [](const auto& c) { return c->is_closed[0] && c->is_closed[1]; });
}

}  // namespace gyre::sim
