#include "api/http_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <fstream>
#include <optional>
#include <regex>
#include <set>

#include "api/decode.h"
#include "api/test_support.h"
#include "http/server.h"
#include "http/test_support.h"

namespace gyre::api {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

struct Ask {
  std::string_view path;
  std::string body = "{}";
  std::string fields = "X-API-Key: k\r\n";
  std::string_view method = "POST";
};

class HttpApiTest : public testing::Test {
 protected:
  HttpApiTest() { start({.key = "k"}); }
  ~HttpApiTest() override {
    runtime::TurnScope scope(world_.shard);
    server_.reset();
    node_.reset();
  }

  void start(const HttpApi::Options& options) {
    runtime::TurnScope scope(world_.shard);
    api_.reset();
    node_.reset();
    node_.emplace(world_.shard, world_.sockets);
    api_.emplace(world_.shard, node_->service, &observer_, options);
    server_.emplace(world_.sockets, http::Server::Options());
    api_->add_routes(server_->routes());
    ASSERT_TRUE(world_.sockets.listen({}, *server_));
  }

  // The response as it was sent, without the fields that every one has.
  std::string ask(const Ask& what) {
    const size_t client = world_.kernel.connect();
    std::string request = std::string(what.method).append(" ").append(what.path);
    request += " HTTP/1.1\r\nHost: a\r\n" + what.fields;
    request += "Content-Length: " + std::to_string(what.body.size()) + "\r\n\r\n" + what.body;
    std::string received;
    for (size_t at = 0; at < request.size(); at += 100'000) {
      received += world_.say(client, request.substr(at, 100'000));
    }
    for (int i = 0; i < 10'000 && received.empty(); ++i) received += world_.say(client, "");
    static const std::regex kDate("(Date|Content-Length): [^\r]*\r\n");
    return std::regex_replace(received, kDate, "");
  }
  static std::string json(std::string_view body) {
    return std::string("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n").append(body);
  }
  static std::string bare(std::string_view status) {
    return std::string("HTTP/1.1 ").append(status) + "\r\n\r\n";
  }

  http::TestWorld world_;
  TestObserver observer_;
  std::optional<TestNode> node_;
  std::optional<HttpApi> api_;
  std::optional<http::Server> server_;
};

constexpr std::string_view kBadRequest =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "X-Content-Type-Options: nosniff\r\n\r\nBad Request\n";

TEST_F(HttpApiTest, AnswersACommand) {
  EXPECT_EQ(ask({"/api/publish", R"({"channel":"plain:x","data":{}})"}), json(R"({"result":{}})"));
  EXPECT_EQ(ask({"/api/publish", R"({"data":{}})"}),
            json(R"({"error":{"code":107,"message":"bad request"}})"));
  EXPECT_THAT(observer_.told, ElementsAre("publish", "publish", "publish 107"));
}

TEST_F(HttpApiTest, ServesEveryMethodAndNoOther) {
  for (size_t i = 0; i <= kCommandMethods; ++i) {  // with batch
    const auto method = static_cast<Method>(i);
    if (method != Method::batch && !MethodSet::standard().has(method)) continue;
    const std::string path = "/api/" + std::string(kMethodNames[i]);
    EXPECT_THAT(ask({path}), StartsWith("HTTP/1.1 200 ")) << path;
    EXPECT_THAT(ask({path, "x"}), StartsWith("HTTP/1.1 400 ")) << path;
    EXPECT_THAT(ask({path + "/"}), StartsWith("HTTP/1.1 404 ")) << path;
  }
  for (std::string_view path :
       {"/api/connections", "/api/block_user", "/api/unknown", "/api/", "/publish", "/"}) {
    EXPECT_THAT(ask({path}), StartsWith("HTTP/1.1 404 ")) << path;
  }
}

TEST_F(HttpApiTest, AsksForTheMethodThenForTheKey) {
  EXPECT_EQ(ask({.path = "/api/info", .fields = "", .method = "GET"}),
            bare("405 Method Not Allowed"));
  EXPECT_EQ(ask({.path = "/api", .method = "PUT"}), bare("405 Method Not Allowed"));
  EXPECT_EQ(ask({.path = "/api/info", .fields = ""}), bare("401 Unauthorized"));
  EXPECT_EQ(ask({.path = "/api/batch", .fields = ""}), bare("401 Unauthorized"));
  EXPECT_EQ(ask({.path = "/api", .body = "x", .fields = ""}), bare("401 Unauthorized"));
  EXPECT_THAT(observer_.told, ElementsAre());
}

TEST_F(HttpApiTest, RefusesBeforeTheBodyIsSent) {
  const size_t client = world_.kernel.connect();
  EXPECT_THAT(world_.say(client,
                         "POST /api/info HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                         "Content-Length: 100000\r\n\r\n"),
              StartsWith("HTTP/1.1 401 "));
}

TEST_F(HttpApiTest, TakesTheKeyInThreeForms) {
  struct Row {
    std::string_view path;
    std::string fields;
    bool passes;
  };
  for (const Row& row : {
           Row{"/api/channels", "X-API-Key: k\r\n", true},
           Row{"/api/channels", "x-api-key: k\r\n", true},
           Row{"/api/channels", "X-API-Key: K\r\n", false},
           Row{"/api/channels", "X-API-Key: kk\r\n", false},
           Row{"/api/channels", "Authorization: apikey k\r\n", true},
           Row{"/api/channels", "Authorization: ApiKey \t k\r\n", true},
           Row{"/api/channels", "Authorization: Bearer k\r\n", false},
           Row{"/api/channels", "Authorization: apikey k x\r\n", false},
           Row{"/api/channels", "Authorization: apikey\r\n", false},
           Row{"/api/channels", "Authorization: k\r\n", false},
           Row{"/api/channels", "X-API-Key: bad\r\nAuthorization: apikey k\r\n", false},
           Row{"/api/channels?api_key=k", "", true},
           Row{"/api/channels?a=1&api_key=%6b", "", true},
           Row{"/api/channels?api_key=bad", "", false},
           Row{"/api/channels?api_key=k", "X-API-Key: bad\r\n", true},
           Row{"/api/channels?api_key=k", "Authorization: apikey bad\r\n", true},
       }) {
    const std::string answer = ask({.path = row.path, .fields = row.fields});
    EXPECT_THAT(answer, StartsWith(row.passes ? "HTTP/1.1 200 " : "HTTP/1.1 401 "))
        << row.path << ' ' << row.fields;
  }
}

TEST_F(HttpApiTest, WithoutAKeyNobodyIsLetIn) {
  start({});
  EXPECT_EQ(ask({.path = "/api/info", .fields = ""}), bare("401 Unauthorized"));
  EXPECT_EQ(ask({.path = "/api/info?api_key=", .fields = "X-API-Key: \r\n"}),
            bare("401 Unauthorized"));
  EXPECT_EQ(ask({.path = "/api/info", .fields = "Authorization: apikey \r\n"}),
            bare("401 Unauthorized"));
}

TEST_F(HttpApiTest, InsecureNeedsNoKey) {
  start({.insecure = true});
  EXPECT_EQ(ask({.path = "/api/channels", .fields = ""}), json(R"({"result":{"channels":{}}})"));
}

TEST_F(HttpApiTest, HasAPrefix) {
  start({.prefix = "/x/y//", .key = "k"});
  EXPECT_THAT(ask({"/x/y/info"}), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask({"/x/y", R"({"method":"info"})"}), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask({"/api/info"}), StartsWith("HTTP/1.1 404 "));
  start({.prefix = "/", .key = "k"});
  EXPECT_THAT(ask({"/info"}), HasSubstr(R"("nodes")"));
  EXPECT_THAT(ask({"/", R"({"method":"info"})"}), HasSubstr(R"("nodes")"));
}

TEST_F(HttpApiTest, RefusesBodiesThatAreTooLarge) {
  start({.key = "k", .body_bytes_max = 100});
  EXPECT_THAT(ask({"/api/info", "{}" + std::string(98, ' ')}), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(ask({"/api/info", "{}" + std::string(99, ' ')}), StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpApiTest, TooManyElementsAreATooLargeBody) {
  std::string body = R"({"commands":[)";
  for (size_t i = 0; i < kCommandsMax; ++i) body += "{},";
  EXPECT_THAT(ask({"/api/batch", body + "{}]}"}), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(observer_.told, ElementsAre("batch unmarshal"));
}

TEST_F(HttpApiTest, AMalformedBodyIsABadRequest) {
  for (std::string_view path : {"/api/publish", "/api/info", "/api/batch", "/api"}) {
    for (std::string_view body : {"", "{", "[]", "{} x"}) {
      EXPECT_EQ(ask({path, std::string(body)}), kBadRequest) << path << ' ' << body;
    }
  }
}

TEST_F(HttpApiTest, TransportModeTellsErrorsByStatus) {
  const std::string header = "X-API-Key: k\r\nX-Centrifugo-Error-Mode: transport\r\n";
  const std::string unknown = R"({"channel":"nope:x","data":1})";
  const std::string expected =
      "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n"
      R"({"code":102,"message":"unknown channel"})";
  EXPECT_EQ(ask({"/api/publish", unknown, header}), expected);
  EXPECT_THAT(
      ask({"/api/publish", unknown, "X-API-Key: k\r\nX-Centrifugo-Error-Mode: Transport\r\n"}),
      StartsWith("HTTP/1.1 200 "));
  start({.key = "k", .transport_errors = true});
  EXPECT_EQ(ask({"/api/publish", unknown}), expected);
  EXPECT_EQ(ask({"/api/publish", R"({"channel":"plain:x","data":1})"}), json(R"({"result":{}})"));
  EXPECT_EQ(ask({"/api/batch", R"({"commands":[{"publish":)" + unknown + "}]}"}),
            json(R"({"replies":[{"error":{"code":102,"message":"unknown channel"}}]})"));
  EXPECT_THAT(ask({"/api/broadcast", R"({"channels":["nope:x"],"data":1})"}),
              EndsWith(R"({"responses":[{"error":{"code":102,"message":"unknown channel"}}]}})"));
  EXPECT_EQ(ask({"/api", R"({"params":)" + unknown + "}"}),
            json(R"({"error":{"code":102,"message":"unknown channel"}})"));
}

TEST_F(HttpApiTest, AnUnencodableResultIsAnInternalServerError) {
  static_cast<void>(ask({"/api/publish", R"({"channel":"b","b64data":"AAEC/w=="})"}));
  observer_.told.clear();
  const std::string history = R"({"channel":"b","limit":-1})";
  const std::string expected =
      "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "X-Content-Type-Options: nosniff\r\n\r\nInternal Server Error\n";
  EXPECT_EQ(ask({"/api/history", history}), expected);
  EXPECT_EQ(ask({"/api/batch", R"({"commands":[{"history":)" + history + "}]}"}), expected);
  EXPECT_EQ(ask({"/api", R"({"method":6,"params":)" + history + "}"}), expected);
  EXPECT_THAT(observer_.told,
              ElementsAre("history", "history marshal", "history", "batch marshal", "history"));
}

TEST_F(HttpApiTest, TheSingleEndpointStopsWhenTheNodeDoes) {
  runtime::TurnScope scope(world_.shard);
  api_->drain();
  EXPECT_EQ(ask({"/api", R"({"method":"info"})"}), bare("503 Service Unavailable"));
  EXPECT_THAT(ask({"/api/info"}), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpApiTest, ManySingleCommandsAreAnsweredInOrder) {
  std::string body, expected;
  for (int i = 1; i <= 300; ++i) {
    const std::string id = std::to_string(i);
    body += R"({"id":)" + id + R"(,"params":{"channel":"plain:x","data":1}})";
    expected += (i > 1 ? "\n" : "") + (R"({"id":)" + id) + R"(,"result":{}})";
  }
  EXPECT_EQ(ask({"/api", body}), json(expected));
}

TEST_F(HttpApiTest, AClientThatLeavesDoesNoHarm) {
  const size_t client = world_.kernel.connect();
  std::string body = R"({"data":1,"channels":[)";
  for (int i = 0; i < 2000; ++i) body += "\"plain:x\",";
  body += "\"plain:x\"]}";
  world_.kernel.client(client).sends.push_back(
      "POST /api/broadcast HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  world_.kernel.client(client).finishes = true;
  for (int i = 0; i < 100; ++i) world_.turn();
  EXPECT_THAT(observer_.told, ElementsAre("broadcast"));
}

// --- Replays what the reference has answered (tests/golden/server/README.md).

class Recordings : public HttpApiTest {
 protected:
  static constexpr const char* kKey = "X-API-Key: api-key-1\r\n";

  // What differs from run to run.
  static std::string masked(std::string_view body) {
    static const std::regex kEpoch(R"re("epoch":"[^"]*")re");
    static const std::regex kNodes(R"re("nodes":\[.*\])re");
    const std::string text = std::regex_replace(std::string(body), kEpoch, R"("epoch":"E")");
    return std::regex_replace(text, kNodes, R"("nodes":[])");
  }

  // Needs clients, or channels of another type than stream.
  static bool is_beyond(std::string_view name, std::string_view body) {
    static const std::set<std::string_view> kNames{
        "presence/ok",       "presence_stats/ok",       "channels/all",
        "channels/pattern",  "channels/pattern-brace",  "channels/after-subscribe",
        "batch/all-results", "history/with-client-info"};
    for (std::string_view ns : {"\"meph:", "\"mrec:", "\"sp:", "\"spn:"}) {
      if (body.contains(ns)) return true;
    }
    return kNames.contains(name);
  }

  // The epoch of the stream that the recording asks for, as ours has another one.
  std::string with_own_epoch(std::string body) {
    const size_t found = body.find("djgmSNHe");
    if (found == std::string::npos) return body;
    const std::string top = ask({"/api/history", R"({"channel":"h1"})", kKey});
    const size_t epoch = top.find(R"("epoch":")") + 9;
    return body.replace(found, 8, top.substr(epoch, 8));
  }

  int replay(const std::string& file) {
    std::ifstream lines(std::string(GYRE_SOURCE_DIR "/tests/golden/server/") + file);
    simdjson::dom::parser parser;
    int replayed = 0;
    for (std::string line; std::getline(lines, line);) {
      const simdjson::dom::element recorded = parser.parse(line);
      const std::string name{std::string_view(recorded["case"])};
      std::string_view body;
      static_cast<void>(recorded["request"]["body"].get(body));
      if (is_beyond(name, body)) continue;
      if (name == "history/limit-zero") prepare_history();
      expect(name, recorded, std::string(body));
      ++replayed;
    }
    return replayed;
  }

  void prepare_history() {
    for (const char* n : {"0", "1", "2", "3"}) {
      static_cast<void>(
          ask({"/api/publish", std::string(R"({"channel":"h1","data":{"n":)") + n + "}}", kKey}));
    }
  }

  void expect(const std::string& name, simdjson::dom::element recorded, std::string body) {
    std::string fields;
    for (auto [key, value] : recorded["request"]["headers"].get_object()) {
      fields.append(key).append(": ").append(std::string_view(value)).append("\r\n");
    }
    const std::string answer = ask({.path = recorded["request"]["path"],
                                    .body = with_own_epoch(std::move(body)),
                                    .fields = fields,
                                    .method = recorded["request"]["method"]});
    const std::string status = std::to_string(int64_t(recorded["response"]["status"]));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + status + " ")) << name;
    std::string_view type;
    if (recorded["response"]["headers"]["content-type"].get(type) == simdjson::SUCCESS) {
      EXPECT_THAT(answer, HasSubstr("Content-Type: " + std::string(type) + "\r\n")) << name;
    }
    const std::string wanted{std::string_view(recorded["response"]["body"])};
    EXPECT_EQ(masked(answer.substr(answer.find("\r\n\r\n") + 4)), masked(wanted)) << name;
  }
};

TEST_F(Recordings, OfCommands) {
  start({.key = "api-key-1"});
  EXPECT_GT(replay("api.jsonl"), 100);
}

TEST_F(Recordings, OfEncodings) {
  start({.key = "api-key-1"});
  EXPECT_GT(replay("api-extra.jsonl"), 10);
}

TEST_F(Recordings, OfTransport) {
  start({.key = "api-key-1"});
  EXPECT_GT(replay("api-transport.jsonl"), 45);
}

TEST_F(HttpApiTest, TellsOfConnectionsOnlyWhereThatIsOn) {
  const std::string single = R"({"method":14,"params":{"user":"ann"}})";
  EXPECT_THAT(ask({"/api/connections", "{}"}), StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(ask({"/api", single}), json(R"({"error":{"code":104,"message":"not found"}})"));
  start({.key = "k", .methods = MethodSet::standard().with_connections()});
  EXPECT_EQ(ask({"/api/connections", "{}"}), json(R"({"result":{"connections":{}}})"));
  EXPECT_EQ(ask({"/api", single}), json(R"({"result":{"connections":{}}})"));
  EXPECT_THAT(ask({"/api/get_user_status", "{}"}), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(ask({"/api/block_user", "{}"}), StartsWith("HTTP/1.1 404 "));
}

TEST_F(HttpApiTest, KeepsStatusesOnlyWhereThatIsOn) {
  const std::string body = R"({"users":["ann"]})";
  for (const char* path :
       {"/api/update_user_status", "/api/get_user_status", "/api/delete_user_status"}) {
    EXPECT_THAT(ask({path, body}), StartsWith("HTTP/1.1 404 ")) << path;
  }
  start({.key = "k", .methods = MethodSet::standard().with_user_status()});
  EXPECT_EQ(ask({"/api/get_user_status", body}),
            json(R"({"result":{"statuses":[{"user":"ann"}]}})"));
  EXPECT_EQ(ask({"/api/update_user_status", R"({"users":["ann"],"state":"s"})"}),
            json(R"({"result":{}})"));
  EXPECT_THAT(ask({"/api/get_user_status", body}), testing::HasSubstr(R"("state":"s")"));
  EXPECT_EQ(ask({"/api/delete_user_status", body}), json(R"({"result":{}})"));
  EXPECT_EQ(ask({"/api", R"({"method":16,"params":{"users":["ann"]}})"}),
            json(R"({"result":{"statuses":[{"user":"ann"}]}})"));
}

// While they are off, their methods are those of another edition.
TEST_F(HttpApiTest, KnowsModerationOnlyWhereItIsOn) {
  constexpr std::string_view kNone = R"({"error":{"code":104,"message":"not found"}})";
  const std::string batch = R"({"commands":[{"block_user":{"user":"ann"}}]})";
  const std::string single = R"({"method":"block_user","params":{"user":"ann"}})";
  EXPECT_THAT(ask({"/api/block_user", R"({"user":"ann"})"}), StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(ask({"/api/batch", batch}), json(R"({"replies":[)" + std::string(kNone) + "]}"));
  EXPECT_EQ(ask({"/api", single}), json(kNone));
  EXPECT_EQ(ask({"/api", R"({"method":"block_user"})"}), json(kNone));
  start({.key = "k", .methods = MethodSet::standard().with_moderation()});
  EXPECT_EQ(ask({"/api/block_user", R"({"user":"ann"})"}), json(R"({"result":{}})"));
  EXPECT_EQ(ask({"/api/batch", batch}), json(R"({"replies":[{"block_user":{}}]})"));
  EXPECT_EQ(ask({"/api", single}), json(R"({"result":{}})"));
  EXPECT_EQ(ask({"/api/unblock_user", R"({"user":"ann"})"}), json(R"({"result":{}})"));
  EXPECT_EQ(ask({"/api/revoke_token", R"({"uid":"t"})"}), json(R"({"result":{}})"));
  EXPECT_EQ(ask({"/api/invalidate_user_tokens", R"({"user":"ann","issued_before":5})"}),
            json(R"({"result":{}})"));
}

}  // namespace
}  // namespace gyre::api
