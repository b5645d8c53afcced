#include "tests/simulation/ledger.h"

#include <fmt/format.h>

#include <cstdio>

namespace gyre::sim {

void Record::note(std::string_view who, std::string_view what) {
  if (!traces_) return;
  const double now = static_cast<double>(network_.now()) / os::kSecond;
  fmt::print("{:10.3f}  {:10} {}\n", now, who, what);
}

void Record::violation(std::string_view who, std::string_view what) {
  const double now = static_cast<double>(network_.now()) / os::kSecond;
  violations_.push_back(fmt::format("at {:.3f} {}: {}", now, who, what));
  note(who, fmt::format("VIOLATION {}", what));
}

void Ledger::published(std::string_view name, Entry entry) {
  Channel& it = channels_[std::string(name)];
  entry.time = record_.now();
  const size_t place = it.entries.size();
  if (!it.by_payload.emplace(entry.payload, place).second) {
    record_.violation("broker", fmt::format("{} was published twice in {}", entry.payload, name));
  }
  if (entry.offset > 0) {
    if (!it.by_position.emplace(std::pair(entry.epoch, entry.offset), place).second ||
        top(name, entry.epoch) != entry.offset ||
        (entry.offset > 1 && !find(name, entry.epoch, entry.offset - 1))) {
      record_.violation("broker", fmt::format("offset {} of {} is out of order in {}", entry.offset,
                                              entry.epoch, name));
    }
  }
  record_.note("broker", fmt::format("{} {}@{}: {}", name, entry.offset, entry.epoch,
                                     std::string_view(entry.payload).substr(0, 12)));
  it.entries.push_back(std::move(entry));
}

void Ledger::repeated(std::string_view channel, std::string_view payload) {
  if (const auto place = find(channel, payload))
    ++channels_.find(channel)->second.entries[*place].repeats;
}

void Ledger::lost(std::string_view channel, std::string_view payload) {
  if (const auto place = find(channel, payload))
    channels_.find(channel)->second.entries[*place].is_lost = true;
}

void Ledger::forget() {
  for (auto& [name, it] : channels_) it.forgotten = it.entries.size();
}

bool Ledger::is_forgotten(std::string_view name, size_t place) const {
  const Channel* it = channel(name);
  return it && place < it->forgotten;
}

const Ledger::Channel* Ledger::channel(std::string_view name) const {
  const auto found = channels_.find(name);
  return found == channels_.end() ? nullptr : &found->second;
}

const Ledger::Entry& Ledger::at(std::string_view name, size_t place) const {
  return channel(name)->entries.at(place);
}

size_t Ledger::count(std::string_view name) const {
  const Channel* it = channel(name);
  return it ? it->entries.size() : 0;
}

std::optional<size_t> Ledger::find(std::string_view name, std::string_view payload) const {
  const Channel* it = channel(name);
  if (!it) return std::nullopt;
  const auto found = it->by_payload.find(payload);
  if (found == it->by_payload.end()) return std::nullopt;
  return found->second;
}

const Ledger::Entry* Ledger::find(std::string_view name, std::string_view epoch,
                                  uint64_t offset) const {
  const Channel* it = channel(name);
  if (!it) return nullptr;
  const auto found = it->by_position.find(std::pair(std::string(epoch), offset));
  return found == it->by_position.end() ? nullptr : &it->entries[found->second];
}

uint64_t Ledger::top(std::string_view name, std::string_view epoch) const {
  const Channel* it = channel(name);
  if (!it) return 0;
  const auto found = it->by_position.upper_bound(std::pair(std::string(epoch), UINT64_MAX));
  if (found == it->by_position.begin()) return 0;
  const auto& [position, place] = *std::prev(found);
  return position.first == epoch ? position.second : 0;
}

}  // namespace gyre::sim
