#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "tests/simulation/ledger.h"
#include "tests/simulation/sim_client.h"

namespace gyre::sim {

// A backend that uses the server API over HTTP, one request at a time over a connection that it
// keeps. What was under way when a connection broke is not repeated: nobody knows whether it
// happened. Owned by the scenario.
class ApiClient final : public SimClient {
 public:
  // The body of a successful answer.
  using Then = std::function<void(std::string_view)>;
  // `may_fail`: errors of the engine are no violation.
  ApiClient(SimNetwork& network, Record& record, uint16_t port, bool may_fail)
      : SimClient(network), record_(record), port_(port), may_fail_(may_fail) {}

  void call(std::string_view method, std::string body, Then then = {});
  // Nothing more than what is under way.
  void drop_waiting() {
    requests_.erase(requests_.begin() + (is_waiting_ ? 1 : 0), requests_.end());
  }
  bool is_settled() const { return requests_.empty(); }
  void end();

 private:
  struct Request {
    std::string method;
    std::string body;
    Then then;
  };
  void on_received() override;
  void on_broken() override;
  void send_next();
  bool take_answer();
  void lose();

  Record& record_;
  const uint16_t port_;
  const bool may_fail_;
  std::deque<Request> requests_;
  bool is_waiting_ = false;  // for the answer to the first of them
  bool is_stopped_ = false;
  std::string input_;
};

}  // namespace gyre::sim
