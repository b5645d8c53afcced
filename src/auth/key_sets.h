#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <coroutine>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwk.h"
#include "os/kernel.h"
#include "outbound/http_client.h"
#include "runtime/shard.h"

namespace gyre::auth {

// Where the key of a token is to be found.
struct KeyReference {
  std::string url;  // of the key set
  std::string id;
};

// The key sets that the tokens of a shard have named, fetched when they are needed. Owned by the
// shard's assembly, used on that shard only; outlives the verifiers.
//
// Keys are good for an hour. A set is asked for again for a key that it did not have, since keys
// rotate, but by all shards together not more often than once a second, since anybody may name keys
// that do not exist.
class KeySets {
 public:
  KeySets(runtime::Shard& shard, outbound::HttpClient& client) : shard_(shard), client_(client) {}
  KeySets(const KeySets&) = delete;

  // The key, if it is at hand and good; null otherwise.
  const Jwk* find(const KeyReference& reference) const;
  // Whether asking again now is of no use: the key is at hand, or was not in the set a moment ago.
  // Not so after a failure, which says nothing of the key: `load` tells of it.
  bool is_settled(const KeyReference& reference) const;
  // Asks for the key set, unless that has just been done. Those who come meanwhile share the
  // answer. Error: the set cannot be had. That the key is not among the others is no error.
  runtime::Task<Result<void>> load(std::string url);

 private:
  static constexpr os::Nanos kGoodFor = 3600 * os::kSecond;
  static constexpr os::Nanos kPause = os::kSecond;  // times the number of shards
  static constexpr os::Nanos kPauseAfterFailureMax = 5 * os::kSecond;
  static constexpr int kAttempts = 2;
  static constexpr size_t kBytesMax = 1 << 20;
  static constexpr size_t kSetsMax = 1024;

  struct Inquiry;
  struct Set {
    std::vector<Jwk> keys;
    os::Nanos good_until = 0;
    os::Nanos again_at = 0;
    Result<void> latest;         // of asking
    Inquiry* inquiry = nullptr;  // in the frame of the one who asks
  };
  runtime::Task<Result<std::vector<Jwk>>> ask(const std::string& url);
  void make_room();

  runtime::Shard& shard_;
  outbound::HttpClient& client_;
  boost::unordered_flat_map<std::string, std::unique_ptr<Set>> sets_;  // by address
};

}  // namespace gyre::auth
