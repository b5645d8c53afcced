#include "command_properties.h"

void gyre::fuzz::take_input(std::string_view input) {
  protocol::check_frame(protocol::Encoding::json, input);
  protocol::check_message<protocol::EmulationRequest>(protocol::Encoding::json, input);
}
