#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "http/request_parser.h"

namespace gyre::http {
namespace {

// What a parser says about a stream: the requests it sees and how it ends. Failures are compared by
// status alone.
struct Story {
  std::vector<std::string> requests;
  int status = 0;

  bool operator==(const Story&) const = default;
};

std::string describe(const Request& request) {
  std::string text;
  for (std::string_view part : {request.method, request.path, request.query}) {
    text.append(part).push_back('\0');
  }
  for (const Header& header : request.headers) {
    text.append(header.name).append(": ").append(header.value).push_back('\0');
  }
  text += request.keep_alive ? 'k' : 'c';
  return text + request.body;
}

Story read(std::string_view bytes, size_t piece) {
  RequestParser parser({.head_bytes = 2000, .header_count = 20, .body_bytes = 3000});
  Story story;
  size_t done = 0;
  while (true) {
    const std::string_view input = bytes.substr(done, piece);
    const auto step = parser.feed(input);
    GYRE_CHECK(step.consumed <= input.size());
    done += step.consumed;
    switch (step.progress) {
      case RequestParser::Progress::head:
        break;
      case RequestParser::Progress::complete: {
        const Request request = parser.take();
        GYRE_CHECK(request.body.size() <= 3000);
        GYRE_CHECK(request.headers.size() <= 20);
        story.requests.push_back(describe(request));
        break;
      }
      case RequestParser::Progress::failed:
        story.status = parser.failure().status;
        GYRE_CHECK(story.status >= 400 && story.status <= 505);
        return story;
      case RequestParser::Progress::need_more:
        GYRE_CHECK(step.consumed == input.size());
        if (done == bytes.size()) return story;
        break;
    }
  }
}

}  // namespace
}  // namespace gyre::http

// However the bytes are split, the parser sees the same requests.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = gyre::http::read(bytes, std::string_view::npos);
  const auto split = gyre::http::read(bytes, std::max<size_t>(1, data[0]));
  // Where it fails it may do so a little later, so a split stream must not get further than the
  // whole one.
  GYRE_CHECK(whole.requests == split.requests);
  GYRE_CHECK((whole.status == 0) == (split.status == 0));
  return 0;
}
