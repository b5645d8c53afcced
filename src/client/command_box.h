#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/command_reader.h"

namespace gyre::client {

// A command that may have to wait, with bytes of its own: the buffer that it was received into is
// overwritten by the next read. Decoded again from the copy, so that its views stay good as long as
// the box; moving a box moves nothing that is looked at.
class CommandBox {
 public:
  // `bytes`: CommandReader::command_bytes() of a command that has been decoded once.
  CommandBox(protocol::Encoding encoding, std::string_view bytes)
      : content_(std::make_unique<Content>(encoding, bytes)) {}

  uint32_t id() const { return content_->command.id; }
  template <class Request>
  const Request& request() const {
    return std::get<Request>(content_->command.request);
  }

 private:
  struct Content {
    Content(protocol::Encoding encoding, std::string_view source)
        : bytes(source), reader(encoding, bytes) {
      GYRE_CHECK(reader.next(command) == protocol::CommandReader::Next::command);
    }
    const std::string bytes;
    protocol::CommandReader reader;
    protocol::Command command;
  };
  std::unique_ptr<Content> content_;
};

}  // namespace gyre::client
