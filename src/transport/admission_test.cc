#include "transport/admission.h"

#include <gtest/gtest.h>

namespace gyre::transport {
namespace {

using Verdict = Admission::Verdict;

TEST(Admission, WithoutLimitsEverybodyIsWelcome) {
  Admission admission({}, [] { return 1'000'000u; });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(admission.admit(0), Verdict::welcome);
}

TEST(Admission, AFullNodeTakesNobody) {
  uint64_t connected = 1;
  Admission admission({.connections = 2}, [&] { return connected; });
  EXPECT_EQ(admission.admit(0), Verdict::welcome);
  connected = 2;
  EXPECT_EQ(admission.admit(0), Verdict::full);
  admission.set_connection_limit(3);
  EXPECT_EQ(admission.admit(0), Verdict::welcome);
}

TEST(Admission, ABurstOfTheRateThenTheRate) {
  Admission admission({.per_second = 10}, [] { return 0u; });
  const os::Nanos start = 5 * os::kSecond;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(admission.admit(start), Verdict::welcome) << i;
  EXPECT_EQ(admission.admit(start), Verdict::too_fast);
  EXPECT_EQ(admission.admit(start + 99 * os::kMillisecond), Verdict::too_fast);
  EXPECT_EQ(admission.admit(start + 100 * os::kMillisecond), Verdict::welcome);
  EXPECT_EQ(admission.admit(start + 100 * os::kMillisecond), Verdict::too_fast);
}

TEST(Admission, AQuietTimeFillsTheBucketOnce) {
  Admission admission({.per_second = 2}, [] { return 0u; });
  for (const os::Nanos at : {os::kSecond, 100 * os::kSecond}) {
    EXPECT_EQ(admission.admit(at), Verdict::welcome);
    EXPECT_EQ(admission.admit(at), Verdict::welcome);
    EXPECT_EQ(admission.admit(at), Verdict::too_fast);
  }
}

}  // namespace
}  // namespace gyre::transport
