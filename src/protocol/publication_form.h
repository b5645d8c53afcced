#pragma once

#include <string_view>

#include "protocol/publication.h"

namespace gyre::protocol {

// What depends on who gets a publication. Lives while one message is written.
struct PublicationForm {
  std::string_view data;
  bool delta = false;
  std::string_view epoch;
  std::string_view source;  // the channel, where the push names a wildcard
};

// The publication as it is kept.
inline PublicationForm form_of(const Publication& publication) {
  return {.data = publication.data,
          .delta = publication.delta,
          .epoch = publication.epoch(),
          .source = {}};
}

}  // namespace gyre::protocol
