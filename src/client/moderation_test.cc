#include "client/moderation.h"

#include <gtest/gtest.h>

namespace gyre::client {
namespace {

constexpr int64_t kNow = 1'700'000'000;

TEST(Moderation, BlocksUsersUntilTheirTime) {
  Moderation moderation({.entries = 10});
  EXPECT_FALSE(moderation.is_blocked("ann", kNow));
  EXPECT_TRUE(moderation.block("ann", 0, kNow));
  EXPECT_TRUE(moderation.block("bob", kNow + 10, kNow));
  EXPECT_TRUE(moderation.is_blocked("ann", kNow + 1'000'000));
  EXPECT_TRUE(moderation.is_blocked("bob", kNow + 9));
  EXPECT_FALSE(moderation.is_blocked("bob", kNow + 10));
  EXPECT_FALSE(moderation.is_blocked("an", kNow));
  EXPECT_FALSE(moderation.is_blocked("", kNow));
  moderation.unblock("ann");
  moderation.unblock("nobody");
  EXPECT_FALSE(moderation.is_blocked("ann", kNow));
}

TEST(Moderation, TheLatestWordCounts) {
  Moderation moderation({.entries = 10});
  moderation.block("ann", kNow + 10, kNow);
  moderation.block("ann", kNow + 100, kNow);
  moderation.block("bob", kNow + 5, kNow + 50);  // makes way for nobody, as ann has been prolonged
  EXPECT_TRUE(moderation.is_blocked("ann", kNow + 99));
  moderation.block("ann", 0, kNow);
  moderation.block("cid", 0, kNow + 1000);
  EXPECT_TRUE(moderation.is_blocked("ann", kNow + 1000));
}

TEST(Moderation, RevokesTokensByTheirIds) {
  Moderation moderation({.entries = 10});
  moderation.revoke("t1", 0, kNow);
  EXPECT_TRUE(moderation.is_revoked({.uid = "t1", .issued_at = kNow}, "ann", "", kNow));
  EXPECT_TRUE(moderation.is_revoked({.uid = "t1"}, "bob", "chat", kNow));
  EXPECT_FALSE(moderation.is_revoked({.uid = "t2", .issued_at = kNow}, "ann", "", kNow));
  EXPECT_FALSE(moderation.is_revoked({}, "ann", "", kNow));
}

TEST(Moderation, InvalidatesWhatWasIssuedBefore) {
  Moderation moderation({.entries = 10});
  moderation.invalidate("ann", "", kNow, 0, kNow);
  EXPECT_TRUE(moderation.is_revoked({.uid = "t", .issued_at = kNow - 1}, "ann", "", kNow));
  EXPECT_FALSE(moderation.is_revoked({.uid = "t", .issued_at = kNow}, "ann", "", kNow));
  // It does not say when: older than all.
  EXPECT_TRUE(moderation.is_revoked({.uid = "t"}, "ann", "", kNow));
  EXPECT_FALSE(moderation.is_revoked({.uid = "t"}, "bob", "", kNow));
  // Subscription tokens stand for themselves.
  EXPECT_FALSE(moderation.is_revoked({.uid = "t"}, "ann", "chat", kNow));
  moderation.invalidate("ann", "chat", kNow, kNow + 10, kNow);
  EXPECT_TRUE(moderation.is_revoked({.uid = "t"}, "ann", "chat", kNow + 9));
  EXPECT_FALSE(moderation.is_revoked({.uid = "t"}, "ann", "chat", kNow + 10));
}

TEST(Moderation, AnOrderThatComesLateTakesNothingBack) {
  Moderation moderation({.entries = 10});
  moderation.invalidate("ann", "", kNow, 0, kNow);
  moderation.invalidate("ann", "", kNow - 100, kNow + 60, kNow);
  EXPECT_TRUE(moderation.is_revoked({.uid = "t", .issued_at = kNow - 1}, "ann", "", kNow));
  EXPECT_TRUE(moderation.is_revoked({.uid = "t", .issued_at = kNow - 1}, "ann", "", kNow + 60));
  // One that is over says nothing any more.
  moderation.invalidate("bob", "", kNow, kNow + 10, kNow);
  moderation.invalidate("bob", "", kNow - 100, 0, kNow + 10);
  EXPECT_FALSE(moderation.is_revoked({.uid = "t", .issued_at = kNow - 1}, "bob", "", kNow + 10));
}

TEST(Moderation, TellsUsersAndChannelsApart) {
  Moderation moderation({.entries = 10});
  moderation.invalidate("a", "bc", kNow, 0, kNow);
  EXPECT_FALSE(moderation.is_revoked({}, "ab", "c", kNow));
  EXPECT_FALSE(moderation.is_revoked({}, "abc", "", kNow));
  moderation.invalidate("1:x", "", kNow, 0, kNow);
  EXPECT_FALSE(moderation.is_revoked({}, "x", "", kNow));
}

TEST(Moderation, IsBounded) {
  Moderation moderation({.entries = 3});
  EXPECT_TRUE(moderation.block("ann", kNow + 10, kNow));
  EXPECT_TRUE(moderation.revoke("t", 0, kNow));
  EXPECT_TRUE(moderation.invalidate("ann", "", kNow, 0, kNow));
  EXPECT_FALSE(moderation.block("bob", 0, kNow));
  EXPECT_FALSE(moderation.is_blocked("bob", kNow));
  EXPECT_TRUE(moderation.block("ann", kNow + 20, kNow)) << "is known already";
  EXPECT_FALSE(moderation.block("bob", 0, kNow + 19));
  EXPECT_TRUE(moderation.block("bob", 0, kNow + 20)) << "ann's time is over";
  moderation.unblock("bob");
  EXPECT_TRUE(moderation.block("cid", 0, kNow));
}

}  // namespace
}  // namespace gyre::client
