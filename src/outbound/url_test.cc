#include "outbound/url.h"

#include <gtest/gtest.h>

namespace gyre::outbound {
namespace {

TEST(Url, HidesPasswords) {
  EXPECT_EQ(without_password("https://ann:secret@host:1/a?b#c"), "https://ann:xxxxx@host:1/a?b#c");
  EXPECT_EQ(without_password("https://:se@cret@host"), "https://:xxxxx@host");
  EXPECT_EQ(without_password("https://ann@host:80/"), "https://ann@host:80/");
  EXPECT_EQ(without_password("https://host:80/x:y@z"), "https://host:80/x:y@z");
  EXPECT_EQ(without_password("ann:secret"), "<invalid_url>");
}

}  // namespace
}  // namespace gyre::outbound
