#pragma once

#include <cstddef>

#include "protocol/messages.h"

namespace gyre::client {

// About how long a reply becomes. A buffer that grows to a long one by doubling is copied, and some
// of its halves are still there when the frame is made.
template <class Result>
size_t expected_size(const Result& result) {
  // The names of fields, and what a publication says beside its data.
  constexpr size_t kRestOfPublication = 160;
  // And a member beside its user and its infos: its id, twice.
  constexpr size_t kRestOfMember = 130;
  size_t size = 0;
  if constexpr (requires { result.publications; }) {
    for (const protocol::PublicationRef& one : result.publications) {
      size += one->data.size() + kRestOfPublication;
    }
  }
  if constexpr (requires { result.presence; }) {
    for (const auto& [client, info] : result.presence) {
      size += info.user.size() + info.conn_info.size() + info.chan_info.size() + kRestOfMember;
    }
  }
  return size;
}

}  // namespace gyre::client
