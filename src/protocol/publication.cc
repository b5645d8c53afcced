#include "protocol/publication.h"

#include "protocol/json.h"

namespace gyre::protocol {

Publication::Publication(const Publication& other)
    : SharedCounted(other),
      json_(other.json_.load(std::memory_order_relaxed)),
      removed(other.removed),
      delta(other.delta),
      wants_delta(other.wants_delta),
      data(other.data),
      offset(other.offset),
      time_ms(other.time_ms),
      info(other.info ? std::make_unique<const ClientInfo>(*other.info) : nullptr),
      rare_(other.rare_ ? std::make_unique<Rare>(*other.rare_) : nullptr) {}

bool Publication::data_is_json() const {
  // Relaxed is enough: whoever computes it twice gets the same answer, and nothing else depends on
  // it.
  uint8_t known = json_.load(std::memory_order_relaxed);
  if (known == kUnknown) {
    known = data.empty() || json::validate(data) ? kJson : kOther;
    json_.store(known, std::memory_order_relaxed);
  }
  return known == kJson;
}

Publication::Rare& Publication::rare() {
  if (!rare_) rare_ = std::make_unique<Rare>();
  return *rare_;
}

// A zero value of a rare field must not cost the block of rare fields.
void Publication::set_tags(Tags tags) {
  if (rare_ || !tags.empty()) rare().tags = std::move(tags);
}

void Publication::set_epoch(std::string epoch) {
  if (rare_ || !epoch.empty()) rare().epoch = std::move(epoch);
}

void Publication::set_key(std::string key) {
  if (rare_ || !key.empty()) rare().key = std::move(key);
}

void Publication::set_version(uint64_t version) {
  if (rare_ || version != 0) rare().version = version;
}

void Publication::set_version_epoch(std::string epoch) {
  if (rare_ || !epoch.empty()) rare().version_epoch = std::move(epoch);
}

void Publication::set_score(int64_t score) {
  if (rare_ || score != 0) rare().score = score;
}

void Publication::set_previous_data(std::string previous) {
  if (rare_ || !previous.empty()) rare().previous_data = std::move(previous);
}

namespace {

// Short strings live inside their object.
size_t heap_bytes(const std::string& text) {
  static const size_t inline_capacity = std::string().capacity();
  return text.capacity() > inline_capacity ? text.capacity() + 1 : 0;
}

}  // namespace

size_t Publication::footprint() const {
  size_t bytes = sizeof(*this) + heap_bytes(data);
  if (info) {
    bytes += sizeof(ClientInfo) + heap_bytes(info->user) + heap_bytes(info->client) +
             heap_bytes(info->conn_info) + heap_bytes(info->chan_info);
  }
  if (rare_) {
    bytes += sizeof(Rare) + heap_bytes(rare_->epoch) + heap_bytes(rare_->key) +
             heap_bytes(rare_->version_epoch) + heap_bytes(rare_->previous_data) +
             rare_->tags.capacity() * sizeof(Tags::value_type);
    for (const auto& [name, value] : rare_->tags) bytes += heap_bytes(name) + heap_bytes(value);
  }
  return bytes;
}

}  // namespace gyre::protocol
