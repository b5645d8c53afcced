// Tokens whose keys are in key sets: what a session does while it waits for one.
#include <gmock/gmock.h>

#include <deque>

#include "auth/test_support.h"
#include "client/test_support.h"
#include "outbound/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SessionKeysTest : public testing::Test {
 protected:
  SessionKeysTest() {
    TestShard& shard = node[0];
    const runtime::TurnScope scope(shard.shard);
    shard.services.key_sets = &sets;
    shard.services.connection_tokens = verifier("https://keys/");
    shard.services.subscription_tokens = verifier("https://keys/");
  }

  std::unique_ptr<const auth::TokenVerifier> verifier(const std::string& endpoint) {
    return std::make_unique<const auth::TokenVerifier>(
        auth::TokenVerifier::create({.jwks_public_endpoint = endpoint}, &sets).value());
  }

  // In a turn of the shard, as an answer comes.
  void answer(const std::string& body, int status = 200) {
    const runtime::TurnScope scope(node[0].shard);
    backend.answer(body, status);
  }
  void answer_with_keys() { answer(auth::set_of({pair.jwk("k")})); }
  std::string sign(const std::string& claims) { return pair.sign("ES256", "k", claims); }
  std::string connect(const std::string& claims) {
    return R"({"id":1,"connect":{"token":")" + sign(claims) + R"("}})";
  }

  TestNode node;
  outbound::ManualClient backend;
  auth::KeySets sets{node[0].shard, backend};
  auth::KeyPair pair{"EC", "P-256"};
};

TEST_F(SessionKeysTest, ConnectsWhenTheKeyHasCome) {
  TestClient& client = node.client();
  EXPECT_THAT(client.say(connect(R"({"sub":"ann"})")), IsEmpty());
  ASSERT_EQ(backend.waiting(), 1u);
  answer_with_keys();
  node.settle();
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"({"id":1,"connect":{"client":)")));

  // The next one needs not ask.
  TestClient& second = node.client();
  EXPECT_THAT(second.say(connect(R"({"sub":"bob"})")), ElementsAre(HasSubstr(R"("connect":{)")));
  EXPECT_EQ(backend.waiting(), 0u);
}

TEST_F(SessionKeysTest, IsTemporarilyRefusedWhenKeysCannotBeHad) {
  TestClient& client = node.client();
  client.say(connect(R"({"sub":"ann"})"));
  answer("", 500);
  answer("", 500);
  node.settle();
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"("error":{"code":100)")));
}

TEST_F(SessionKeysTest, AReloadMeanwhileHasItLookElsewhere) {
  TestClient& client = node.client();
  client.say(connect(R"({"sub":"ann"})"));
  node[0].services.connection_tokens = verifier("https://new/");
  answer(auth::set_of({}));
  node.settle();
  ASSERT_EQ(backend.waiting(), 1u);
  EXPECT_EQ(backend.request().url, "https://new/");
  answer_with_keys();
  node.settle();
  EXPECT_THAT(client.heard(), ElementsAre(HasSubstr(R"({"id":1,"connect":{"client":)")));
}

TEST_F(SessionKeysTest, MayLeaveMeanwhile) {
  TestClient& client = node.client();
  client.say(connect(R"({"sub":"ann"})"));
  client.leave();
  node.settle();
  answer_with_keys();
  node.settle();
  EXPECT_EQ(node.leftovers(), "");
}

TEST_F(SessionKeysTest, SubscribesAndRefreshesWithNewKeys) {
  TestClient& client = node.client();
  client.say(connect(R"({"sub":"ann","exp":9000000000})"));
  answer_with_keys();
  node.settle();
  client.heard();

  // Each of these has a key that came up since the one before.
  std::string keys = pair.jwk("k");
  std::deque<auth::KeyPair> fresh;
  const auto sign_with_new = [&](const std::string& id, const std::string& claims) {
    node.pass(os::kSecond);  // sets are asked for once a second at most
    fresh.emplace_back("EC", "P-256");
    keys += "," + fresh.back().jwk(id);
    return fresh.back().sign("ES256", id, claims);
  };
  const auto say = [&](const std::string& command) {
    EXPECT_THAT(client.say(command), IsEmpty());
    EXPECT_EQ(backend.waiting(), 1u);
    answer(auth::set_of({keys}));
    node.settle();
    return client.heard();
  };
  EXPECT_THAT(say(R"({"id":2,"subscribe":{"channel":"$a","token":")" +
                  sign_with_new("2", R"({"sub":"ann","channel":"$a"})") + R"("}})"),
              ElementsAre(HasSubstr(R"({"id":2,"subscribe":{)")));
  EXPECT_THAT(say(R"({"id":3,"refresh":{"token":")" +
                  sign_with_new("3", R"({"sub":"ann","exp":9000000000})") + R"("}})"),
              ElementsAre(HasSubstr(R"({"id":3,"refresh":{)")));
  EXPECT_THAT(
      say(R"({"id":4,"sub_refresh":{"channel":"$a","token":")" +
          sign_with_new("4", R"({"sub":"ann","channel":"$a","exp":9000000000})") + R"("}})"),
      ElementsAre(HasSubstr(R"({"id":4,"sub_refresh":{)")));
}

TEST_F(SessionKeysTest, AnUnknownKeyIsNoKey) {
  TestClient& client = node.client();
  client.say(connect(R"({"sub":"ann"})"));
  answer(auth::set_of({}));
  node.settle();
  EXPECT_THAT(client.heard(), IsEmpty());
  EXPECT_EQ(client.ending->code, 3500);
}

}  // namespace
}  // namespace gyre::client
