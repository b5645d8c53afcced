#include "protocol/command_reader.h"

#include "protocol/json_decoder.h"
#include "protocol/protobuf_decoder.h"

namespace gyre::protocol {

CommandReader::Next CommandReader::next(Command& command) {
  if (malformed_) return Next::malformed;
  // An empty frame is malformed; the end of one that held something is the end.
  if (rest_.empty() && started_) return Next::end;
  started_ = true;
  command.id = 0;
  command.request.emplace<std::monostate>();
  command.has_send = command.several = false;
  const bool taken = encoding_ == Encoding::json ? take_json(command) : take_protobuf(command);
  if (taken) return Next::command;
  malformed_ = true;
  return Next::malformed;
}

bool CommandReader::take_json(Command& command) {
  const size_t newline = rest_.find('\n');
  command_bytes_ = rest_.substr(0, newline);
  rest_.remove_prefix(newline == std::string_view::npos ? rest_.size() : newline + 1);
  return decode_json_command(command_bytes_, scratch_, command);
}

bool CommandReader::take_protobuf(Command& command) {
  std::string_view body = rest_;
  uint64_t length = 0;
  if (!take_length(body, length) || length > body.size()) return false;
  const size_t total = rest_.size() - body.size() + length;
  command_bytes_ = rest_.substr(0, total);
  rest_.remove_prefix(total);
  return decode_protobuf_command(body.substr(0, length), command);
}

template <class Message>
bool decode_message(Encoding encoding, std::string_view bytes, Scratch& scratch, Message& message) {
  return encoding == Encoding::json ? decode_json(bytes, scratch, message)
                                    : decode_protobuf(bytes, message);
}
template bool decode_message(Encoding, std::string_view, Scratch&, ConnectRequest&);
template bool decode_message(Encoding, std::string_view, Scratch&, EmulationRequest&);

}  // namespace gyre::protocol
