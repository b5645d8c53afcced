#include "tests/simulation/api_client.h"

#include <fmt/format.h>

#include <charconv>

namespace gyre::sim {

void ApiClient::call(std::string_view method, std::string body, Then then) {
  if (is_stopped_) return;
  requests_.push_back({std::string(method), std::move(body), std::move(then)});
  send_next();
}

void ApiClient::send_next() {
  if (is_waiting_ || requests_.empty()) return;
  if (!is_open()) {
    input_.clear();
    reconnect(port_);
  }
  is_waiting_ = true;
  const Request& request = requests_.front();
  send(
      fmt::format("POST /api/{} HTTP/1.1\r\nHost: simulation\r\nX-API-Key: secret\r\n"
                  "Content-Length: {}\r\n\r\n{}",
                  request.method, request.body.size(), request.body));
}

void ApiClient::on_broken() {
  lose();
}

void ApiClient::lose() {
  if (std::exchange(is_waiting_, false)) {
    record_.note("api", fmt::format("{} broke off", requests_.front().method));
    requests_.pop_front();
  }
  if (!is_stopped_) send_next();
}

void ApiClient::on_received() {
  input_ += take_received();
  while (is_open() && take_answer()) {
  }
  if (is_open() && has_end()) {
    close();
    lose();
  }
}

bool ApiClient::take_answer() {
  const size_t end = input_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string head = input_.substr(0, end + 2);
  constexpr std::string_view kLength = "Content-Length: ";
  const size_t at = head.find(kLength);
  size_t size = 0;
  if (at != std::string::npos) {
    std::from_chars(head.data() + at + kLength.size(), head.data() + head.size(), size);
  }
  if (input_.size() < end + 4 + size) return false;
  const std::string body = input_.substr(end + 4, size);
  input_.erase(0, end + 4 + size);
  if (head.starts_with("HTTP/1.1 408 ")) {
    if (!record_.has_just_jumped()) record_.violation("api", "called late");
    close();
    lose();
    return false;
  }
  if (!is_waiting_) {
    record_.violation("api", "an answer to no request");
    return false;
  }
  const Request request = std::move(requests_.front());
  requests_.pop_front();
  is_waiting_ = false;
  record_.note("api", fmt::format("{} {}: {}", request.method, request.body.substr(0, 60), body));
  if (!head.starts_with("HTTP/1.1 200 ") || body.empty()) {
    record_.violation("api", fmt::format("{}: {}", request.method, head.substr(0, 30)));
  } else if (body.starts_with("{\"error\"")) {
    if (!may_fail_) record_.violation("api", fmt::format("{}: {}", request.method, body));
  } else if (request.then) {
    request.then(body);
  }
  send_next();
  return true;
}

void ApiClient::end() {
  is_stopped_ = true;
  requests_.clear();
  is_waiting_ = false;
  close();
}

}  // namespace gyre::sim
