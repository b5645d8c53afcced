#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ref.h"

namespace gyre::protocol {

// A place in a channel's stream. Offsets of different epochs cannot be compared.
struct StreamPosition {
  uint64_t offset = 0;
  std::string epoch;

  friend bool operator==(const StreamPosition&, const StreamPosition&) = default;
};

// Who did something: the author of a publication, or somebody present in a channel
// (framing.md 3.5).
struct ClientInfo {
  std::string user;
  std::string client;
  std::string conn_info;  // raw JSON, or any bytes if only Protobuf clients are meant
  std::string chan_info;

  friend bool operator==(const ClientInfo&, const ClientInfo&) = default;
};

using Tags = std::vector<std::pair<std::string, std::string>>;

// A message in a channel (framing.md 3.6). Filled in by whoever makes it, then immutable: from the
// first PublicationRef on it is shared between shards, histories and broadcasts, wherever they run.
// Histories hold millions, hence the small struct: what few publications have is kept out of line,
// behind the accessors.
class Publication : public SharedCounted {
 public:
  Publication() = default;
  explicit Publication(std::string payload) : data(std::move(payload)) {}
  Publication(const Publication& other);
  Publication& operator=(const Publication&) = delete;

  // Whether `data` can go to JSON clients: one valid JSON value, nothing else, or nothing at all.
  // Found out once, at the first call; callable on any shard.
  bool data_is_json() const;
  // Saves that call the work where the payload has just been parsed.
  void mark_data_as_json() { json_.store(kJson, std::memory_order_relaxed); }

  std::span<const std::pair<std::string, std::string>> tags() const {
    return rare_ ? std::span(rare_->tags) : std::span<const std::pair<std::string, std::string>>();
  }
  // Set only in the publication with offset 1 of a stream, and in those of a poll backend with
  // epochs.
  std::string_view epoch() const { return rare_ ? std::string_view(rare_->epoch) : ""; }
  std::string_view key() const { return rare_ ? std::string_view(rare_->key) : ""; }
  uint64_t version() const { return rare_ ? rare_->version : 0; }
  std::string_view version_epoch() const {
    return rare_ ? std::string_view(rare_->version_epoch) : "";
  }
  int64_t score() const { return rare_ ? rare_->score : 0; }
  // The value of the key before this publication, where a map broker knows it; never sent to
  // clients.
  std::string_view previous_data() const {
    return rare_ ? std::string_view(rare_->previous_data) : "";
  }

  void set_tags(Tags tags);
  void set_epoch(std::string epoch);
  void set_key(std::string key);
  void set_version(uint64_t version);
  void set_version_epoch(std::string epoch);
  void set_score(int64_t score);
  void set_previous_data(std::string data);

  // Bytes of memory that this publication occupies, for the accounts of histories and queues.
  size_t footprint() const;

 private:
  enum : uint8_t { kUnknown, kJson, kOther };
  struct Rare {
    Tags tags;
    std::string epoch;
    std::string key;
    std::string version_epoch;
    std::string previous_data;
    uint64_t version = 0;
    int64_t score = 0;
  };
  Rare& rare();

  // In the four bytes after the count of references.
  mutable std::atomic<uint8_t> json_{kUnknown};

 public:
  bool removed = false;      // the key is gone (maps)
  bool delta = false;        // `data` is a delta against the previous publication
  bool wants_delta = false;  // its author allows that it is delivered as a delta
  std::string data;
  uint64_t offset = 0;                     // 0 without history
  int64_t time_ms = 0;                     // when it was published; never sent to clients
  std::unique_ptr<const ClientInfo> info;  // null for publications of the API

 private:
  std::unique_ptr<Rare> rare_;
};
static_assert(sizeof(Publication) <= 72, "histories hold millions of these");

using PublicationRef = Ref<const Publication>;

}  // namespace gyre::protocol
