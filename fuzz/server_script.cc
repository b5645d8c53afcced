#include "server_script.h"

namespace gyre::fuzz {

std::string ServerScript::record() {
  std::string text;
  while (!rest_.empty()) {
    const char byte = rest_.front();
    rest_.remove_prefix(1);
    if (byte == '\xff') break;
    if (byte == '\xfe' && !rest_.empty()) {
      text += rest_.front();
      rest_.remove_prefix(1);
    } else {
      text += byte;
    }
  }
  return text;
}

std::optional<ServerScript::Step> ServerScript::next() {
  if (rest_.empty() || ++steps_ > kStepsMax) return std::nullopt;
  const std::string text = record();
  Step step;
  if (!text.empty()) step.operation = text[0];
  if (text.size() > 1) step.connection = static_cast<unsigned char>(text[1]) % kConnections;
  if (text.size() > 2) step.text = text.substr(2);
  return step;
}

}  // namespace gyre::fuzz
