#include "config/key_table.h"

#include <gtest/gtest.h>

#include <map>

#include "config/decode.h"

namespace gyre::config {
namespace {

TEST(KeyTable, KnowsKeysOfSectionsAndListElements) {
  const KeyTable& table = KeyTable::instance();
  const Key* port = table.find("http_server.port");
  ASSERT_NE(port, nullptr);
  EXPECT_EQ(port->type, Type::int64);
  EXPECT_EQ(port->default_text, "8000");
  const Key* list = table.find("channel.namespaces");
  ASSERT_NE(list, nullptr);
  EXPECT_TRUE(list->is_named_list());
  const Key* ttl = table.child(*list, "history_ttl");
  ASSERT_NE(ttl, nullptr);
  EXPECT_EQ(ttl->path, "channel.namespaces[].history_ttl");
  EXPECT_EQ(ttl->scope, list->index);
  EXPECT_EQ(table.find("no.such.key"), nullptr);
}

TEST(KeyTable, KeysBelowAKeyFollowIt) {
  const KeyTable& table = KeyTable::instance();
  for (const Key& key : table.keys().subspan(1)) {
    for (uint32_t i = key.index + 1; i < key.end; ++i) {
      EXPECT_TRUE(table.keys()[i].path.starts_with(key.path)) << key.path;
    }
    const Key& parent = table.keys()[key.parent];
    EXPECT_LE(key.end, parent.end);
    EXPECT_GT(key.index, parent.index);
  }
}

TEST(KeyTable, EveryDefaultIsAValueOfItsType) {
  for (const Key& key : KeyTable::instance().keys()) {
    if (key.type != Type::object) default_value(key);
  }
}

TEST(KeyTable, ConditionsAreTruthValuesAndValuesOfUnavailableKeysAreTexts) {
  const KeyTable& table = KeyTable::instance();
  for (const Key& key : table.keys()) {
    if (!key.condition.empty()) {
      ASSERT_NE(table.find(key.condition), nullptr) << key.path;
      EXPECT_EQ(table.find(key.condition)->type, Type::boolean) << key.path;
    }
    if (!key.available_values.empty()) {
      EXPECT_EQ(key.type, Type::text) << key.path;
    }
  }
}

TEST(KeyTable, EveryKeyIsDocumented) {
  for (const Key& key : KeyTable::instance().keys().subspan(1))
    EXPECT_FALSE(key.doc.empty()) << key.path;
}

TEST(EnvironmentNames, NoTwoKeysShareAVariable) {
  std::map<std::string, std::string_view> owners;
  auto claim = [&](const std::string& name, const Key& key) {
    auto [owner, is_new] = owners.emplace(name, key.path);
    EXPECT_TRUE(is_new) << name << " stands for " << owner->second << " and " << key.path;
  };
  for (const Key& key : KeyTable::instance().keys()) {
    if (key.scope != 0 || key.index == 0 || key.type == Type::object) continue;
    EnvironmentNames names = environment_names(key);
    claim(names.name, key);
    if (!names.alias.empty()) claim(names.alias, key);
  }
  // Variables of list elements begin with the list's own name and "_": nothing else may.
  for (const Key& list : KeyTable::instance().keys()) {
    if (!list.is_named_list()) continue;
    for (const auto& [name, path] : owners) {
      EXPECT_FALSE(name.starts_with(environment_names(list).name + "_")) << name;
      EXPECT_FALSE(name.starts_with(environment_names(list).alias + "_")) << name;
    }
  }
}

TEST(EnvironmentNames, FollowTheirPaths) {
  const KeyTable& table = KeyTable::instance();
  EnvironmentNames secret = environment_names(*table.find("client.token.hmac_secret_key"));
  EXPECT_EQ(secret.name, "CENTRIFUGO_CLIENT_TOKEN_HMAC_SECRET_KEY");
  EXPECT_EQ(secret.alias, "GYRE_CLIENT_TOKEN_HMAC_SECRET_KEY");
  EXPECT_EQ(environment_names(*table.find("gyre.shards")).name, "GYRE_SHARDS");
  EXPECT_EQ(environment_names(*table.find("gyre.http_api.max_body_size")).name,
            "GYRE_HTTP_API_MAX_BODY_SIZE");
  const Key& list = *table.find("channel.namespaces");
  EXPECT_EQ(element_environment_names(environment_names(list), "n-s.1", list,
                                      *table.find("channel.namespaces[].presence"))
                .name,
            "CENTRIFUGO_CHANNEL_NAMESPACES_N_S_1_PRESENCE");
}

}  // namespace
}  // namespace gyre::config
