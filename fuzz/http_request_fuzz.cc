#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/check.h"
#include "harness.h"
#include "http/query.h"
#include "http/request_parser.h"

namespace gyre::http {
namespace {

constexpr Limits kLimits{.head_bytes = 2000, .header_count = 20, .body_bytes = 3000};
constexpr uint64_t kSmallBody = 10;
// Head, body, the table of fields, and what strings round up to.
constexpr size_t kBufferedMax = 16 * 1024;

// What a parser says about a stream: the requests it sees and how it ends. Failures are compared by
// status alone.
struct Story {
  fuzz::Digest requests;
  int status = 0;

  bool operator==(const Story&) const = default;
};

void describe(const Request& request, fuzz::Digest& digest) {
  for (std::string_view part : {request.method, request.target, request.path, request.query}) {
    digest.add(part);
  }
  for (const Header& header : request.headers) {
    digest.add(header.name);
    digest.add(header.value);
  }
  digest.add(size_t{request.keep_alive});
  digest.add(request.body);
}

// What handlers ask of a request.
void use(const Request& request) {
  static_cast<void>(request.headers.has_token("Connection", "upgrade"));
  static_cast<void>(request.headers.value("Sec-WebSocket-Key"));
  static_cast<void>(request.is("POST") && request.headers.has("X-API-Key"));
  static_cast<void>(query_value(request.query, "access_token"));
  if (const auto path = percent_decode(request.path)) {
    GYRE_CHECK(percent_decode(percent_encode(*path)) == path);
  }
}

Story read(std::string_view bytes, size_t piece) {
  RequestParser parser = RequestParser(kLimits);
  Story story;
  size_t done = 0;
  while (true) {
    const std::string_view input = bytes.substr(done, piece);
    const auto step = parser.feed(input);
    GYRE_CHECK(step.consumed <= input.size());
    done += step.consumed;
    switch (step.progress) {
      case RequestParser::Progress::head:
        GYRE_CHECK(!parser.is_idle());
        if (parser.request().path == "/small") parser.limit_body(kSmallBody);
        break;
      case RequestParser::Progress::complete: {
        GYRE_CHECK(parser.feed(bytes).progress == RequestParser::Progress::complete);
        const Request request = parser.take();
        GYRE_CHECK(request.body.size() <= kLimits.body_bytes);
        GYRE_CHECK(request.headers.size() <= kLimits.header_count);
        describe(request, story.requests);
        if (request.path == "/small") GYRE_CHECK(request.body.size() <= kSmallBody);
        use(request);
        break;
      }
      case RequestParser::Progress::failed:
        story.status = parser.failure().status;
        GYRE_CHECK(story.status >= 400 && story.status <= 505);
        GYRE_CHECK(parser.feed(bytes).progress == RequestParser::Progress::failed);
        return story;
      case RequestParser::Progress::need_more:
        GYRE_CHECK(step.consumed == input.size());
        GYRE_CHECK(parser.buffered_bytes() <= kBufferedMax);
        GYRE_CHECK(!parser.is_idle() || !parser.is_in_body());
        if (done == bytes.size()) return story;
        break;
    }
  }
}

}  // namespace
}  // namespace gyre::http

// However the bytes are split, the parser sees the same requests. The first byte is the size of
// the pieces.
void gyre::fuzz::take_input(std::string_view input) {
  if (input.empty()) return;
  const size_t piece = std::max<size_t>(1, static_cast<unsigned char>(input.front()));
  input.remove_prefix(1);
  AllocationBound bound(input.size(), AllocationBound::kOwn);
  bound.watch([&] {
    const auto whole = http::read(input, std::string_view::npos);
    const auto split = http::read(input, piece);
    GYRE_CHECK(whole.requests == split.requests);
    // Where it fails it may do so a little later, and for another reason then.
    GYRE_CHECK((whole.status == 0) == (split.status == 0));
  });
}
