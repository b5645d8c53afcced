#include "app/blocking_http.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gyre::app {
namespace {

constexpr size_t kMaxHeadBytes = 16384;
constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

Result<Descriptor> listen_on(const std::string& address, const std::string& port) {
  addrinfo hints{};
  hints.ai_family = address.empty() ? AF_INET6 : AF_UNSPEC;  // any IPv6 address takes IPv4 as well
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (int code =
          getaddrinfo(address.empty() ? nullptr : address.c_str(), port.c_str(), &hints, &found);
      code != 0) {
    return fail(Errc::invalid, fmt::format("{}:{}: {}", address, port, gai_strerror(code)));
  }
  Descriptor socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int on = 1;
  bool is_good = socket.is_open() &&
                 setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                 bind(socket.number(), found->ai_addr, found->ai_addrlen) == 0 &&
                 listen(socket.number(), SOMAXCONN) == 0;
  int error = errno;
  freeaddrinfo(found);
  if (!is_good)
    return fail(Errc::unavailable,
                fmt::format("listen {}:{}: {}", address, port, std::strerror(error)));
  return socket;
}

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 301:
      return "Moved Permanently";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Error";
  }
}

void talk(const Descriptor& connection, const std::function<HttpAnswer(std::string_view)>& answer) {
  setsockopt(connection.number(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  setsockopt(connection.number(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  std::string head;
  std::string response;
  char block[4096];
  while (response.empty() && head.size() < kMaxHeadBytes) {
    ssize_t received = ::recv(connection.number(), block, sizeof block, 0);
    if (received <= 0) return;
    head.append(block, static_cast<size_t>(received));
    response = respond(head, answer);
  }
  std::string_view rest = response;
  while (!rest.empty()) {
    ssize_t sent = ::send(connection.number(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    rest.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace

std::string respond(std::string_view head,
                    const std::function<HttpAnswer(std::string_view)>& answer) {
  if (!head.contains("\r\n\r\n")) return {};
  std::string_view line = head.substr(0, head.find("\r\n"));
  size_t first = line.find(' ');
  size_t second = line.rfind(' ');
  HttpAnswer result{400, "text/plain; charset=utf-8", "bad request\n"};
  std::string_view method = line.substr(0, first);
  if (first != second && line.substr(second).starts_with(" HTTP/1.")) {
    if (method == "GET" || method == "HEAD") {
      result = answer(line.substr(first + 1, second - first - 1));
    } else {
      result = {405, "text/plain; charset=utf-8", "method not allowed\n"};
    }
  }
  // A target may have been decoded: its line breaks must not become headers of ours.
  std::string value = result.content_type.substr(0, result.content_type.find_first_of("\r\n"));
  std::string response =
      fmt::format("HTTP/1.1 {} {}\r\n{}: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                  result.status, reason(result.status),
                  result.status == 301 ? "Location" : "Content-Type", value, result.body.size());
  if (method != "HEAD") response += result.body;
  return response;
}

Result<void> serve_blocking(const std::string& address, const std::string& port,
                            const std::function<HttpAnswer(std::string_view)>& answer,
                            const std::function<void()>& ready) {
  Result<Descriptor> socket = listen_on(address, port);
  if (!socket) return std::unexpected(socket.error());
  ready();
  while (true) {
    Descriptor connection(::accept4(socket->number(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.is_open()) {
      talk(connection, answer);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return fail(Errc::unavailable, fmt::format("accept: {}", std::strerror(errno)));
    }
  }
}

}  // namespace gyre::app
