#include "client/user_statuses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/test_support.h"

namespace gyre::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(UserStatuses, KeepActivityAndPresenceApart) {
  UserStatuses statuses({});
  statuses.note_active("ann", "busy", 100);
  statuses.note_online("ann", 110);
  UserStatus ann = statuses.find("ann", 120);
  EXPECT_EQ(ann.user, "ann");
  EXPECT_EQ(ann.active, 100);
  EXPECT_EQ(ann.online, 110);
  EXPECT_EQ(ann.state, "busy");
  statuses.note_active("ann", 130);
  ann = statuses.find("ann", 130);
  EXPECT_EQ(ann.active, 130);
  EXPECT_EQ(ann.state, "busy") << "as it was";
  const UserStatus bob = statuses.find("bob", 130);
  EXPECT_EQ(bob.user, "bob");
  EXPECT_EQ(bob.active + bob.online, 0);
}

TEST(UserStatuses, AreForgottenWhenAskedToAndAfterTheirTime) {
  UserStatuses statuses({.seconds = 10});
  statuses.note_active("ann", 100);
  statuses.note_active("bob", 105);
  EXPECT_EQ(statuses.find("ann", 109).active, 100);
  EXPECT_EQ(statuses.find("ann", 110).active, 0);
  statuses.note_online("ann", 112);
  EXPECT_EQ(statuses.find("ann", 112).active, 0) << "what was over does not come back";
  EXPECT_EQ(statuses.figures().users, 2u);
  statuses.forget("bob");
  EXPECT_EQ(statuses.find("bob", 112).active, 0);
  statuses.forget("nobody");
  EXPECT_EQ(statuses.figures().users, 1u);
}

TEST(UserStatuses, TheLongestUnchangedMakesRoom) {
  UserStatuses statuses({.users = 2});
  statuses.note_active("ann", 1);
  statuses.note_active("bob", 2);
  statuses.note_active("ann", 3);
  statuses.note_active("cid", 4);
  EXPECT_EQ(statuses.find("ann", 4).active, 3);
  EXPECT_EQ(statuses.find("bob", 4).active, 0);
  EXPECT_EQ(statuses.find("cid", 4).active, 4);
  EXPECT_EQ(statuses.figures().users, 2u);
  EXPECT_EQ(statuses.figures().displaced, 1u);
}

struct SessionStatus : testing::Test {
  SessionStatus() {
    for (const auto& one : node.shards) one->services.user_statuses = &statuses;
  }
  ~SessionStatus() override { EXPECT_EQ(node.leftovers(), ""); }

  std::vector<bool> are_online(std::vector<std::string> users) {
    const auto list = std::make_shared<const std::vector<std::string>>(std::move(users));
    return node.operate([&](Audience& audience) { return audience.are_online(list); });
  }
  UserStatus status(std::string_view user) { return statuses.find(user, node.unix_now()); }

  UserStatuses statuses{{}};
  TestNode node{2};
};

TEST_F(SessionStatus, AClientTellsThatItsUserIsActive) {
  TestClient& client = node.connected(1, "ann");
  node.pass(7 * os::kSecond);
  EXPECT_THAT(client.say(R"({"id":2,"rpc":{"method":"update_user_status","data":{}}})"),
              ElementsAre(R"({"id":2,"rpc":{}})"));
  EXPECT_EQ(status("ann").active, node.unix_now());
}

TEST_F(SessionStatus, NobodyElseTellsIt) {
  TestClient& anonymous = node.connected();
  EXPECT_THAT(anonymous.say(R"({"id":2,"rpc":{"method":"update_user_status"}})"),
              ElementsAre(HasSubstr(R"("code":103)")));
  EXPECT_EQ(statuses.figures().users, 0u);
  node[0].services.user_statuses = nullptr;
  TestClient& off = node.connected(0, "ann");
  EXPECT_THAT(off.say(R"({"id":2,"rpc":{"method":"update_user_status"}})"),
              ElementsAre(HasSubstr(R"("code":108)")));
}

TEST_F(SessionStatus, WhoeverHasAConnectionSomewhereIsOnline) {
  TestClient& first = node.connected(0, "ann");
  TestClient& second = node.connected(1, "ann");
  node.connected(1, "bob");
  EXPECT_THAT(are_online({"cid", "bob", "ann"}), ElementsAre(false, true, true));
  first.leave();
  EXPECT_THAT(are_online({"ann"}), ElementsAre(true));
  node.pass(9 * os::kSecond);
  second.leave();
  EXPECT_THAT(are_online({"ann"}), ElementsAre(false));
  EXPECT_EQ(status("ann").online, node.unix_now()) << "the end of its last connection";
}

TEST_F(SessionStatus, WhoWasNotLetInWasNotOnline) {
  TestClient& refused = node.client();
  refused.say(R"({"id":1,"connect":{"token":")" + token(R"({"sub":"ann","exp":1})") + "\"}}");
  EXPECT_THAT(are_online({"ann"}), ElementsAre(false));
  refused.leave();
  EXPECT_EQ(status("ann").online, 0);
}

}  // namespace
}  // namespace gyre::client
