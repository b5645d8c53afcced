#include "protocol/tags_filter.h"

#include <string>

#include "base/check.h"
#include "harness.h"
#include "protocol/command_reader.h"

namespace gyre::protocol {
namespace {

void check_filter(const SubscribeRequest& request, fuzz::AllocationBound& bound) {
  const auto filter = bound.watch([&] { return TagsFilter::compile(*request.tf); });
  if (!filter) return;
  GYRE_CHECK(filter == TagsFilter::compile(*request.tf));
  static_cast<void>(filter->matches({}));
  const Tags tags{{std::string(request.tf->key), std::string(request.channel)},
                  {"price", std::string(request.token)}};
  static_cast<void>(filter->matches(tags));
}

}  // namespace
}  // namespace gyre::protocol

// A subscribe command whose filter, if it has one, judges tags that the same bytes stand in.
void gyre::fuzz::take_input(std::string_view input) {
  using namespace gyre::protocol;
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  for (const Encoding encoding : {Encoding::json, Encoding::protobuf}) {
    CommandReader reader(encoding, input);
    Command command;
    while (reader.next(command) == CommandReader::Next::command) {
      const auto* subscribe = std::get_if<SubscribeRequest>(&command.request);
      if (subscribe && subscribe->tf) check_filter(*subscribe, bound);
    }
  }
}
