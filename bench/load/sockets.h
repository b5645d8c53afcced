#pragma once

#include <cstdint>

namespace gyre::bench {

/// The server's ends of its connections, as the kernel sees them (sock_diag, INET_DIAG_SKMEMINFO).
struct SocketMemory {
  uint32_t established = 0;
  uint32_t ended = 0;  // closed by the server, but bytes are still waiting to be sent
  uint64_t bytes = 0;  // of buffers, received and to be sent, with the kernel's overhead
};

/// Looks at all IPv4 TCP sockets whose local port is `port`.
SocketMemory socket_memory(uint16_t port);

}  // namespace gyre::bench
