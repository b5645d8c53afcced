#pragma once

#include <string_view>

#include "protocol/encoding.h"
#include "protocol/messages.h"
#include "protocol/scratch.h"

namespace gyre::protocol {

// Filters nested deeper than this are malformed; it bounds recursion here and in whoever walks the
// tree.
inline constexpr int kFilterDepthMax = 64;
// So are those of more nodes, in all filters of a command: three bytes of text become a hundred.
inline constexpr int kFilterNodesMax = 1024;

// Takes a frame of a client apart into its commands (framing.md 2.1, 2.2). Commands before a broken
// one are handed out, since they count. Lives on the stack of whoever handles the frame; commands
// are views into the frame and the reader, so they end with either. Needs no padding behind the
// frame.
class CommandReader {
 public:
  enum class Next { command, end, malformed };

  CommandReader(Encoding encoding, std::string_view frame)
      : encoding_(encoding), rest_(frame), scratch_(frame.size()) {}

  // Fills `command` if the answer is `command`. After `malformed` the answer stays `malformed`.
  Next next(Command& command);

  // The bytes of the command that next() returned last. Copied, they are a frame of their own that
  // holds just it: this is how a command outlives the buffer it was received into.
  std::string_view command_bytes() const { return command_bytes_; }
  // What has not been read yet. If it is not empty it is a frame of its own, to be read later.
  std::string_view rest() const { return rest_; }

 private:
  bool take_json(Command& command);
  bool take_protobuf(Command& command);

  Encoding encoding_;
  bool started_ = false;
  bool malformed_ = false;
  std::string_view rest_;
  std::string_view command_bytes_;
  Scratch scratch_;
};

// One message without a frame, as unidirectional and emulation endpoints take them: ConnectRequest
// or EmulationRequest. JSON is the whole text; Protobuf has no length in front. False if malformed.
template <class Message>
[[nodiscard]] bool decode_message(Encoding encoding, std::string_view bytes, Scratch& scratch,
                                  Message& message);

}  // namespace gyre::protocol
