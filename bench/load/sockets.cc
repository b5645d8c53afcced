#include "load/sockets.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "load/fail.h"

namespace gyre::bench {
namespace {

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 query;
};

void ask(int fd, uint16_t port) {
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.query.sdiag_family = AF_INET;
  request.query.sdiag_protocol = IPPROTO_TCP;
  request.query.idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1);
  request.query.idiag_states = 1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT | 1U << TCP_FIN_WAIT1 |
                               1U << TCP_FIN_WAIT2 | 1U << TCP_LAST_ACK | 1U << TCP_CLOSING;
  request.query.id.idiag_sport = htons(port);
  if (send(fd, &request, sizeof request, 0) < 0) fail("sock_diag: {}", std::strerror(errno));
}

void add(SocketMemory& sum, const inet_diag_msg& socket, size_t size) {
  const bool established =
      socket.idiag_state == TCP_ESTABLISHED || socket.idiag_state == TCP_CLOSE_WAIT;
  ++(established ? sum.established : sum.ended);
  const auto* attribute = reinterpret_cast<const rtattr*>(&socket + 1);
  for (size_t left = size - sizeof socket; RTA_OK(attribute, left);
       attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != INET_DIAG_SKMEMINFO) continue;
    const auto* figures = static_cast<const uint32_t*>(RTA_DATA(attribute));
    for (const size_t at :
         {SK_MEMINFO_RMEM_ALLOC, SK_MEMINFO_WMEM_QUEUED, SK_MEMINFO_FWD_ALLOC, SK_MEMINFO_OPTMEM}) {
      sum.bytes += figures[at];
    }
  }
}

/// False when the list is at its end.
bool take(SocketMemory& sum, const char* at, size_t left) {
  while (left >= sizeof(nlmsghdr)) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(at);
    if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > left) return false;
    if (header->nlmsg_type == NLMSG_DONE) return false;
    if (header->nlmsg_type == NLMSG_ERROR) fail("sock_diag is not answered");
    const size_t size = header->nlmsg_len - NLMSG_HDRLEN;
    if (size >= sizeof(inet_diag_msg)) {
      add(sum, *reinterpret_cast<const inet_diag_msg*>(at + NLMSG_HDRLEN), size);
    }
    const size_t step = NLMSG_ALIGN(header->nlmsg_len);
    if (step >= left) break;
    at += step;
    left -= step;
  }
  return true;
}

}  // namespace

SocketMemory socket_memory(uint16_t port) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) fail("sock_diag: {}", std::strerror(errno));
  ask(fd, port);
  SocketMemory sum;
  std::vector<uint64_t> buffer(8192);  // aligned as the kernel's structures are
  while (true) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size() * sizeof(uint64_t), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("sock_diag: {}", std::strerror(errno));
    if (!take(sum, reinterpret_cast<const char*>(buffer.data()), static_cast<size_t>(got))) break;
  }
  close(fd);
  return sum;
}

}  // namespace gyre::bench
