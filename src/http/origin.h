#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/glob.h"
#include "base/result.h"
#include "http/request.h"
#include "http/response.h"

namespace gyre::http {

// `client.allowed_origins`: which pages may talk to us (spec transports.md 2). Immutable.
class AllowedOrigins {
 public:
  static Result<AllowedOrigins> compile(const std::vector<std::string>& patterns);

  // A request without Origin comes from no browser and passes.
  bool allows(const Request& request) const;
  bool allows(std::string_view origin) const;
  // The list is exactly ["*"], which deserves a warning at start.
  bool allows_everything() const { return allows_everything_; }

 private:
  bool allows_everything_ = false;
  std::vector<Glob> patterns_;
};

// The CORS fields for a request whose origin has passed.
void add_cors(Response& response, const Request& request);

// The answer to OPTIONS on the emulation and HTTP-stream endpoints: 204. Add CORS to it if the
// origin passes.
Response preflight();

}  // namespace gyre::http
