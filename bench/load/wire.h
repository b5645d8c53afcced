#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "load/options.h"

namespace gyre::bench {

// What the generator writes, and the little it has to understand of what it reads.

/// The WebSocket handshake. The key is always the same: the floor answers it with a constant.
std::string upgrade_request(const Options& options);

/// A masked client frame (RFC 6455, 5.2).
std::string client_frame(Protocol protocol, std::string_view payload);

/// The answer to an application ping, as a frame (spec framing.md 5.1).
std::string pong_frame(Protocol protocol);

struct Position {
  std::string epoch;
  uint64_t offset = 0;
};

/// Connect and subscribe in one frame, as SDKs send them. With `since` the subscriptions recover;
/// `members` are further ones of each request, for JSON.
std::string login_frame(Protocol protocol, std::string_view token,
                        const std::vector<std::string>& channels, const Position* since = nullptr,
                        std::string_view members = {});

/// A client's publication, as a frame.
std::string publish_frame(Protocol protocol, uint32_t id, std::string_view channel,
                          std::string_view data);

/// A connection token signed with HS256.
std::string hs256_token(std::string_view secret, std::string_view user);

/// What the data of a publication tells about it: who published it, the how manieth it is, and
/// when it was due. Written as fixed-width text so that one buffer serves for all publications.
struct Stamp {
  uint32_t publisher = 0;
  uint32_t sequence = 0;
  int64_t due = 0;
};

inline constexpr std::string_view kStampMark = "gyre#";
inline constexpr size_t kStampSize = kStampMark.size() + 4 + 1 + 8 + 1 + 16;

/// The data of a publication, `size` bytes of JSON with a stamp in it.
std::string publication_data(uint32_t size);
/// Where publication_data keeps the stamp.
inline constexpr size_t kStampAt = 6;
inline constexpr uint32_t kLeastSize = kStampAt + kStampSize + 11;

void write_stamp(char* at, const Stamp& stamp);

/// Finds the stamp in a message. `hint` is where it was the last time: within a run all messages
/// of a connection look alike, so the search is almost always one comparison.
std::optional<Stamp> find_stamp(std::string_view message, size_t& hint);

size_t count_stamps(std::string_view message);

/// A channel name as long as real ones are: 24 bytes, the number at its end.
std::string numbered(std::string_view prefix, uint64_t number);

enum class Kind { push, reply, failure, ping };

inline Kind kind_of_json(std::string_view message) {
  if (message.size() == 2) return Kind::ping;
  if (message.size() > 2 && message[2] == 'p') return Kind::push;
  return message.find("\"error\":{") == std::string_view::npos ? Kind::reply : Kind::failure;
}

Kind kind_of_protobuf(std::string_view message);

/// The epoch and offset in a JSON subscribe reply; nothing if the channel has no position.
std::optional<Position> find_position(std::string_view reply);

}  // namespace gyre::bench
