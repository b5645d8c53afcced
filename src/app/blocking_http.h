#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gyre::app {

struct HttpAnswer {
  int status = 200;
  std::string content_type;  // with status 301: where to
  std::string body;
};

// A minimal HTTP server for helper commands on a developer's machine: one request at a time, GET
// and HEAD, no keep-alive. The messaging server has nothing to do with it. Calls `ready` once it
// listens; returns only with an error.
Result<void> serve_blocking(const std::string& address, const std::string& port,
                            const std::function<HttpAnswer(std::string_view target)>& answer,
                            const std::function<void()>& ready);

// The response to a request's head; empty if the head is not complete yet.
std::string respond(std::string_view head,
                    const std::function<HttpAnswer(std::string_view target)>& answer);

}  // namespace gyre::app
