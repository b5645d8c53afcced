#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/command_reader.h"
#include "protocol/tags_filter.h"

// A subscribe command whose filter, if it has one, judges tags that the same bytes stand in.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gyre::protocol;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const Encoding encoding : {Encoding::json, Encoding::protobuf}) {
    CommandReader reader(encoding, input);
    Command command;
    while (reader.next(command) == CommandReader::Next::command) {
      const auto* subscribe = std::get_if<SubscribeRequest>(&command.request);
      if (!subscribe || !subscribe->tf) continue;
      const auto filter = TagsFilter::compile(*subscribe->tf);
      if (!filter) continue;
      static_cast<void>(filter->matches({}));
      const Tags tags{{std::string(subscribe->tf->key), std::string(subscribe->channel)},
                      {"price", std::string(subscribe->token)}};
      static_cast<void>(filter->matches(tags));
    }
  }
  return 0;
}
