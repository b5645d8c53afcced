#include "command_properties.h"

void gyre::fuzz::take_input(std::string_view input) {
  protocol::check_frame(protocol::Encoding::protobuf, input);
  protocol::check_message<protocol::EmulationRequest>(protocol::Encoding::protobuf, input);
}
