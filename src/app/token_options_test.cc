#include "app/token_options.h"

#include <gtest/gtest.h>

#include "config/load.h"

namespace gyre::app {
namespace {

config::Tree tokens_tree(const std::string& text) {
  config::Loaded loaded = config::load_text(text, "json", {});
  EXPECT_TRUE(loaded.is_good()) << (loaded.errors.empty() ? "" : loaded.errors[0].text());
  return std::move(loaded.tree);
}

// What the reference does not read is for both kinds of tokens, and off.
TEST(TokenOptions, OurOwnSettingsAreOffUntilTheirKeysSwitchThemOn) {
  const config::Tree plain = tokens_tree("{}");
  const config::Tree on =
      tokens_tree(R"({"gyre": {"token": {"rsa_pss": true}, "capabilities": {"enabled": true}},
                      "client": {"subscription_token": {"enabled": true}}})");
  for (const auto options :
       {&connect_token_options,
        static_cast<auth::VerifierOptions (*)(const config::Tree&)>(&subscribe_token_options)}) {
    EXPECT_FALSE(options(plain).accepts_pss);
    EXPECT_FALSE(options(plain).has_capabilities);
    EXPECT_TRUE(options(on).accepts_pss);
    EXPECT_TRUE(options(on).has_capabilities);
  }
}

}  // namespace
}  // namespace gyre::app
