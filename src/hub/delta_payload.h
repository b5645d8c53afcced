#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/encoding.h"
#include "protocol/publication.h"

namespace gyre::hub {

// The payload in place of a publication's own, for subscribers that negotiated deltas (spec
// subscriptions.md 6.2): in JSON always a string, of the payload's text or of a delta.

// The whole payload; nothing if it is not JSON and the subscriber's encoding is.
std::optional<std::string> full_payload(protocol::Encoding encoding,
                                        const protocol::Publication& publication);
// What makes it of `base`; nothing if that is not shorter, or if the delta is no text that JSON can
// hold: a delta may cut a character in two.
std::optional<std::string> delta_payload(protocol::Encoding encoding,
                                         const protocol::Publication& base,
                                         const protocol::Publication& publication);

// Recovered publications as such a subscriber gets them: the first whole, each further one made of
// the one before it. Publications that cannot be written stay as they are, and fail to be encoded.
std::vector<protocol::PublicationRef> with_deltas(
    protocol::Encoding encoding, const std::vector<protocol::PublicationRef>& publications);

}  // namespace gyre::hub
