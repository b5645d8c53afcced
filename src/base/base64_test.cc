#include "base/base64.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

TEST(Base64, DecodesTheVectorsOfRfc4648) {
  EXPECT_EQ(base64::decode(""), "");
  EXPECT_EQ(base64::decode("Zg=="), "f");
  EXPECT_EQ(base64::decode("Zm8="), "fo");
  EXPECT_EQ(base64::decode("Zm9vYmFy"), "foobar");
}

TEST(Base64, RefusesWhatIsNotExact) {
  for (const char* text : {"Zg", "Zg=", "Z===", "Zh==", "Zm8-", "Z g=", "=Zg="}) {
    EXPECT_EQ(base64::decode(text), std::nullopt) << text;
  }
  EXPECT_EQ(base64::decode_url("Zg=="), std::nullopt);
  EXPECT_EQ(base64::decode_url("+w"), std::nullopt);
}

TEST(Base64, UrlFormRoundTrips) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(base64::decode_url(base64::encode_url(bytes)), bytes);
    bytes += static_cast<char>(255 - i);
  }
}

}  // namespace
}  // namespace gyre
