// gyre_bench_floor: the least program that fans out. It accepts WebSocket upgrades and
// `POST …/publish`, and answers each publication by sending one prepared frame to every open
// WebSocket, by one level-triggered epoll and `send`. No queues, no timers, no protocol: what it
// costs, every server on this machine must pay. gyre_bench_load drives both in the same way.
//
// usage: gyre_bench_floor --port N [--data BYTES] [--channel NAME] [--each N] [--answer 1]
//   --data     size of the publications' data (256); it is copied from the request's end into the
//              frame, so that the receivers can check what they got
//   --channel  the name in the frame's envelope ("bench"): makes it as large as a server's
//   --each     send a publication to N sockets, in turn, instead of to all
//   --answer 1 answer whatever a WebSocket says as if it was a publication
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "gyre_bench_floor: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

struct Options {
  uint16_t port = 0;
  size_t data = 256;
  std::string channel = "bench";
  size_t each = 0;
  bool answer = false;
};

class Floor {
 public:
  explicit Floor(const Options& options)
      : each_(options.each), answer_(options.answer), data_(options.data) {
    const std::string message = R"({"push":{"channel":")" + options.channel +
                                R"(","pub":{"data":)" + std::string(data_, ' ') + "}}}";
    frame_ = "\x81";
    if (message.size() < 126) {
      frame_ += static_cast<char>(message.size());
    } else {
      frame_ += static_cast<char>(126);
      frame_ += static_cast<char>(message.size() >> 8);
      frame_ += static_cast<char>(message.size());
    }
    frame_ += message;
    data_at_ = frame_.size() - 3 - data_;
    listen_on(options.port);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 512> events{};
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int at = 0; at < count; ++at) {
        const int fd = events[static_cast<size_t>(at)].data.fd;
        if (fd == listener_) {
          accept_all();
        } else {
          on_readable(fd);
        }
      }
    }
  }

 private:
  static constexpr uint32_t kNoSocket = UINT32_MAX;

  void listen_on(uint16_t port) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Several floors on one port hold more connections than one descriptor table does.
    setsockopt(listener_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener_, 65535) != 0) {
      fail("listen");
    }
    watch(listener_);
  }

  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  }

  void accept_all() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EAGAIN) return;
        fail("accept");
      }
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (static_cast<size_t>(fd) >= place_.size()) {
        place_.resize(static_cast<size_t>(fd) + 1, kNoSocket);
      }
      watch(fd);
    }
  }

  void on_readable(int fd) {
    size_t held = 0;
    const auto begun = partial_.find(fd);
    if (begun != partial_.end()) held = begun->second.copy(buffer_.data(), begun->second.size());
    const ssize_t got = recv(fd, buffer_.data() + held, buffer_.size() - held, 0);
    if (got <= 0) {
      if (got < 0 && errno == EAGAIN) return;
      return drop(fd);
    }
    if (place_[static_cast<size_t>(fd)] != kNoSocket) {
      // What WebSockets say is no matter; a client in step says one thing at a time.
      if (answer_) send_all(fd, "\x81\x15{\"id\":1,\"publish\":{}}");
      return;
    }
    std::string_view bytes(buffer_.data(), held + static_cast<size_t>(got));
    while (size_t used = take_request(fd, bytes)) bytes.remove_prefix(used);
    if (bytes.size() == buffer_.size()) return drop(fd);
    if (!bytes.empty()) {
      partial_[fd].assign(bytes);
    } else if (held > 0) {
      partial_.erase(fd);
    }
  }

  size_t take_request(int fd, std::string_view bytes) {
    const size_t head_end = bytes.find("\r\n\r\n");
    if (head_end == std::string_view::npos) return 0;
    const std::string_view head = bytes.substr(0, head_end);
    if (head.starts_with("GET")) {
      // The answer to the key that gyre_bench_load always sends (RFC 6455, 1.3).
      constexpr std::string_view kUpgraded =
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
      send_all(fd, kUpgraded);
      place_[static_cast<size_t>(fd)] = static_cast<uint32_t>(sockets_.size());
      sockets_.push_back(fd);
      return head_end + 4;
    }
    constexpr std::string_view kLength = "Content-Length: ";
    const size_t length_at = head.find(kLength);
    size_t length = 0;
    if (length_at != std::string_view::npos) {
      std::from_chars(head.data() + length_at + kLength.size(), head.data() + head.size(), length);
    }
    const size_t size = head_end + 4 + length;
    if (bytes.size() < size) return 0;
    publish(bytes.substr(head_end + 4, length));
    constexpr std::string_view kAnswer =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
        "{\"result\":{}}";
    send_all(fd, kAnswer);
    return size;
  }

  void publish(std::string_view body) {
    if (body.size() > data_) {
      std::memcpy(frame_.data() + data_at_, body.data() + body.size() - 1 - data_, data_);
    }
    if (each_ == 0) {
      for (const int fd : sockets_) send_all(fd, frame_);
      return;
    }
    for (size_t at = 0; at < each_ && !sockets_.empty(); ++at) {
      send_all(sockets_[next_++ % sockets_.size()], frame_);
    }
  }

  static void send_all(int fd, std::string_view bytes) {
    while (send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0 && errno == EAGAIN) {
      // A full buffer is not what is measured here; there are no queues to put the frame in.
      pollfd writable{fd, POLLOUT, 0};
      poll(&writable, 1, 1000);
    }
  }

  void drop(int fd) {
    uint32_t& place = place_[static_cast<size_t>(fd)];
    if (place != kNoSocket) {
      sockets_[place] = sockets_.back();
      place_[static_cast<size_t>(sockets_[place])] = place;
      sockets_.pop_back();
      place = kNoSocket;
    }
    partial_.erase(fd);
    close(fd);
  }

  size_t each_;
  bool answer_;
  size_t data_;
  size_t data_at_ = 0;
  std::string frame_;
  int epoll_ = -1;
  int listener_ = -1;
  size_t next_ = 0;
  std::vector<int> sockets_;     // the open WebSockets, densely
  std::vector<uint32_t> place_;  // by descriptor: its index in sockets_
  std::unordered_map<int, std::string> partial_;
  std::vector<char> buffer_ = std::vector<char>(256 * 1024);
};

Options parse(int argc, char** argv) {
  Options options;
  for (int at = 1; at + 1 < argc; at += 2) {
    const std::string_view flag = argv[at];
    const char* value = argv[at + 1];
    if (flag == "--port") {
      options.port = static_cast<uint16_t>(std::strtoul(value, nullptr, 10));
    } else if (flag == "--data") {
      options.data = std::strtoul(value, nullptr, 10);
    } else if (flag == "--channel") {
      options.channel = value;
    } else if (flag == "--each") {
      options.each = std::strtoul(value, nullptr, 10);
    } else if (flag == "--answer") {
      options.answer = value == std::string_view("1");
    } else {
      options.port = 0;
      break;
    }
  }
  if (options.port == 0 || options.data > 60'000) {
    std::fprintf(stderr,
                 "usage: gyre_bench_floor --port N [--data BYTES] [--channel NAME] [--each N] "
                 "[--answer 1]\n");
    std::exit(2);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  Floor(parse(argc, argv)).run();
}
