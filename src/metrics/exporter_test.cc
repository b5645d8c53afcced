#include "metrics/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "metrics/text_output.h"

namespace gyre::metrics {
namespace {

using os::kMicrosecond;
using os::kMillisecond;
using os::kSecond;
using testing::HasSubstr;
using testing::Not;

constexpr os::Nanos kNow = 1000 * kSecond;

NodeFacts facts() {
  return {.version = "6.9.1 Gyre/0.1.0", .num_nodes = 3};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Every field once, so that every family has series.
void touch_all(ShardMetrics& m) {
  for_each_label<Transport>([&](Transport transport) {
    for_each_label<FrameType>([&](FrameType type) {
      m.sent[transport][type].add(100);
      m.received[transport][type].add(50, 2);
    });
    m.count_close(transport, 3012);
    m.ping_pong[transport].observe(20 * kMillisecond);
    m.connections[transport][ClientName::unnamed][ClientVersion::unversioned].accepted.add();
    m.connections[transport][ClientName::unnamed][ClientVersion::unversioned].inflight.add();
  });
  for_each_label<ClientMethod>([&](ClientMethod method) { m.commands[method].observe(kSecond); });
  m.count_reply_error(FrameType::subscribe, 102);
  m.disconnects.add(3503);
  m.unsubscribes.add(2000);
  m.recoveries[YesNo::yes][YesNo::no].add();
  m.subscriptions[ClientName::unregistered].add();
  for_each_label<Action>([&](Action action) { m.actions[action].add(); });
  for_each_label<BrokerMessage>([&](BrokerMessage type) { m.messages_sent[type].add(); });
  for_each_label<Survey>([&](Survey op) { m.surveys[op].observe(kMillisecond); });
  m.pub_sub_lag.observe(kMillisecond);
  m.broadcasts.observe(kMicrosecond);
  m.filtered_publications.add();
  m.wildcards.set(3);
  m.wildcard_publications.add(7);
  m.compacted_subscriptions.add();
  for_each_label<Suppression>([&](Suppression reason) { m.suppressed_publishes[reason].add(); });
  for_each_label<ApiMethod>(
      [&](ApiMethod method) { m.api_commands[ApiProtocol::http][method].observe(kMillisecond); });
  m.count_api_error(ApiProtocol::http, ApiMethod::publish, 102);
  m.count_api_error(ApiProtocol::grpc, ApiMethod::batch, ApiFault::unmarshal);
}

class ExporterTest : public testing::Test {
 protected:
  std::string text(os::Nanos now = kNow) { return exporter_.text(facts(), now); }

  ShardMetrics first_;
  ShardMetrics second_;
  Exporter exporter_{{&first_, &second_}};
};

TEST_F(ExporterTest, ExposesFromTheStartWhatMustExist) {
  const std::string all = text();
  for (const char* line : {
           "\ncentrifugo_node_num_clients 0\n",
           "\ncentrifugo_node_num_users 0\n",
           "\ncentrifugo_node_num_subscriptions 0\n",
           "\ncentrifugo_node_num_channels 0\n",
           "\ncentrifugo_node_num_nodes 3\n",
           "\ncentrifugo_node_build{version=\"6.9.1 Gyre/0.1.0\"} 1\n",
           "\ncentrifugo_node_client_connection_limit 0\n",
           "\ncentrifugo_node_messages_sent_count{channel_namespace=\"\",type=\"control\"} 0\n",
           "\ncentrifugo_node_messages_received_count{channel_namespace=\"\",type=\"leave\"} 0\n",
           "centrifugo_broker_redis_pub_sub_dropped_messages{broker_name=\"\",channel_type="
           "\"control\"} 0\n",
           "centrifugo_map_broker_redis_pub_sub_dropped_messages{broker_name=\"\",channel_type="
           "\"client\"} 0\n",
           "\ncentrifugo_shared_poll_num_channels 0\n",
           "\ncentrifugo_shared_poll_num_keys 0\n",
           "centrifugo_client_command_duration_seconds{channel_namespace=\"\",method=\"unknown\","
           "quantile=\"0.999\"} NaN\n",
           "centrifugo_client_command_duration_seconds_count{channel_namespace=\"\",method="
           "\"connect\"} 0\n",
           "centrifugo_client_command_duration_seconds_histogram_bucket{channel_namespace=\"\","
           "method=\"rpc\",le=\"0.0001\"} 0\n",
       }) {
    EXPECT_THAT(all, HasSubstr(line));
  }
}

TEST_F(ExporterTest, HidesFamiliesAndSeriesThatWereNeverUsed) {
  const std::string all = text();
  EXPECT_THAT(all, Not(HasSubstr("api_command")));
  EXPECT_THAT(all, Not(HasSubstr("transport_")));
  EXPECT_THAT(all, Not(HasSubstr("inflight")));
  EXPECT_THAT(all, Not(HasSubstr("map_publication")));
}

TEST_F(ExporterTest, AddsShardsUp) {
  first_.sent[Transport::websocket][FrameType::push_publication].add(300, 3);
  second_.sent[Transport::websocket][FrameType::push_publication].add(40);
  first_.num_clients.set(2);
  second_.num_clients.set(5);
  first_.disconnects.add(3012);
  second_.disconnects.add(3500);
  second_.disconnects.add(3012);
  const std::string all = text();
  EXPECT_THAT(all, HasSubstr("\ncentrifugo_transport_messages_sent{channel_namespace=\"\","
                             "frame_type=\"push_publication\",transport=\"websocket\"} 4\n"));
  EXPECT_THAT(all, HasSubstr("\ncentrifugo_transport_messages_sent_size{channel_namespace=\"\","
                             "frame_type=\"push_publication\",transport=\"websocket\"} 340\n"));
  EXPECT_THAT(all, HasSubstr("\ncentrifugo_node_num_clients 7\n"));
  EXPECT_THAT(all, HasSubstr("\ncentrifugo_client_num_server_disconnects{code=\"3012\"} 2\n"));
  EXPECT_THAT(all, HasSubstr("\ncentrifugo_client_num_server_disconnects{code=\"3500\"} 1\n"));
}

TEST_F(ExporterTest, HistogramsAreCumulative) {
  first_.api_commands[ApiProtocol::http][ApiMethod::publish].observe(5 * kMillisecond);
  second_.api_commands[ApiProtocol::http][ApiMethod::publish].observe(200 * kMillisecond);
  second_.api_commands[ApiProtocol::http][ApiMethod::publish].observe(20 * kSecond);
  const std::string all = text();
  const std::string name =
      "centrifugo_api_command_duration_seconds_histogram_bucket{method=\"publish\",protocol="
      "\"http\",le=";
  EXPECT_THAT(all, HasSubstr(name + "\"0.005\"} 1\n"));
  EXPECT_THAT(all, HasSubstr(name + "\"0.1\"} 1\n"));
  EXPECT_THAT(all, HasSubstr(name + "\"0.25\"} 2\n"));
  EXPECT_THAT(all, HasSubstr(name + "\"10\"} 2\n"));
  EXPECT_THAT(all, HasSubstr(name + "\"+Inf\"} 3\n"));
  EXPECT_THAT(all, HasSubstr("_histogram_sum{method=\"publish\",protocol=\"http\"} 20.205\n"));
  EXPECT_THAT(all, HasSubstr("_histogram_count{method=\"publish\",protocol=\"http\"} 3\n"));
}

TEST_F(ExporterTest, ApiErrorsAreCodesOrFaults) {
  first_.count_api_error(ApiProtocol::http, ApiMethod::broadcast_publish, 107);
  first_.count_api_error(ApiProtocol::http, ApiMethod::history, ApiFault::marshal);
  const std::string all = text();
  EXPECT_THAT(all, HasSubstr("{error=\"107\",method=\"broadcast_publish\",protocol=\"http\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("{error=\"marshal\",method=\"history\",protocol=\"http\"} 1\n"));
}

TEST_F(ExporterTest, CodesWithoutAPlaceAreOther) {
  for (uint32_t code = 4000; code < 4100; ++code) first_.disconnects.add(code);
  EXPECT_THAT(text(), HasSubstr("\ncentrifugo_client_num_server_disconnects{code=\"other\"} 36\n"));
}

TEST_F(ExporterTest, EscapesLabelValues) {
  TextOutput output;
  output.begin({"name", FamilyType::gauge, "help"});
  output.number({{"label", "a\\b\"c\nd"}}, 0.25);
  EXPECT_EQ(output.take(),
            "# HELP name help\n# TYPE name gauge\nname{label=\"a\\\\b\\\"c\\nd\"} 0.25\n");
}

// Each proxy from the start, added up over shards.
TEST_F(ExporterTest, ExposesTheCallsOfEachProxy) {
  const ProxyLabels proxies[] = {{"default", "http", "rpc"}, {"other", "http", "publish"}};
  for (ShardMetrics* shard : {&first_, &second_}) {
    shard->proxies.push_back(std::make_unique<ProxyCalls>());
    shard->proxies.push_back(std::make_unique<ProxyCalls>());
  }
  first_.proxies[0]->durations.observe(30 * kMillisecond);
  second_.proxies[0]->durations.observe(30 * kMillisecond);
  second_.proxies[0]->errors.add();
  first_.proxies[1]->inflight.add(3);
  NodeFacts with_proxies = facts();
  with_proxies.proxies = proxies;
  with_proxies.outbound = {.connections = 4, .requests = 3, .refused = 2};
  const std::string all = exporter_.text(with_proxies, kNow);
  for (
      const char* line : {
          R"(centrifugo_proxy_duration_seconds_count{name="default",protocol="http",type="rpc"} 2)",
          R"(centrifugo_proxy_duration_seconds{name="other",protocol="http",type="publish",quantile="0.5"} NaN)",
          R"(centrifugo_proxy_duration_seconds_histogram_bucket{name="default",protocol="http",type="rpc",le="0.025"} 0)",
          R"(centrifugo_proxy_duration_seconds_histogram_bucket{name="default",protocol="http",type="rpc",le="0.05"} 2)",
          R"(centrifugo_proxy_errors{name="default",protocol="http",type="rpc"} 1)",
          R"(centrifugo_proxy_errors{name="other",protocol="http",type="publish"} 0)",
          R"(centrifugo_proxy_inflight_requests{name="other",protocol="http",type="publish"} 3)",
          "gyre_outbound_connections 4",
          "gyre_outbound_requests 3",
          "gyre_outbound_refused_requests_total 2",
      }) {
    EXPECT_THAT(all, HasSubstr("\n" + std::string(line) + "\n"));
  }
}

TEST_F(ExporterTest, TellsOfWildcardsWhereThereHaveBeenSome) {
  EXPECT_EQ(text().find("gyre_wildcard"), std::string::npos);
  first_.wildcards.set(2);
  second_.wildcard_publications.add(5);
  EXPECT_THAT(text(), HasSubstr("\ngyre_wildcards 2\n"));
  EXPECT_THAT(text(), HasSubstr("\ngyre_wildcard_publications_total 5\n"));
}

TEST_F(ExporterTest, TellsWhatDeliveryRulesLeaveOut) {
  first_.batched_publications.add(3);
  second_.batched_publications.add(2);
  second_.cut_subscriptions.add();
  first_.skipped_publications[Skip::slow].add(7);
  const std::string all = text();
  for (const char* line :
       {"gyre_delivery_batched_publications_total 5", "gyre_delivery_cut_subscriptions_total 1",
        "gyre_delivery_skipped_publications_total{reason=\"batch\"} 0",
        "gyre_delivery_skipped_publications_total{reason=\"slow\"} 7"}) {
    EXPECT_THAT(all, HasSubstr("\n" + std::string(line) + "\n"));
  }
}

TEST_F(ExporterTest, LinesAreWellFormedAndFamiliesSorted) {
  touch_all(first_);
  NodeFacts with_process = facts();
  with_process.process = os::process_usage();
  const std::string all = exporter_.text(with_process, kNow);
  const std::regex series(
      R"re([a-z_]+(\{[a-z_]+="[^"\\\n]*"(,[a-z_]+="[^"\\\n]*")*\})? (NaN|[0-9.e+-]+))re");
  std::string family;
  std::set<std::string> seen;
  const auto lines = lines_of(all);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.starts_with("# HELP ")) {
      const std::string name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_LT(family, name);
      family = name;
      EXPECT_TRUE(lines.at(i + 1).starts_with("# TYPE " + name + " ")) << lines[i + 1];
      ++i;
      continue;
    }
    EXPECT_TRUE(std::regex_match(line, series)) << line;
    EXPECT_TRUE(line.starts_with(family)) << line;
    EXPECT_TRUE(seen.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
  }
  EXPECT_TRUE(all.ends_with('\n'));
  for (const char* name : {"process_cpu_seconds_total ", "process_open_fds ",
                           "process_resident_memory_bytes ", "process_start_time_seconds "}) {
    EXPECT_THAT(all, HasSubstr(std::string("\n") + name));
  }
}

// The form of a series: its name, the names of its labels in order, and the bound or quantile.
std::string form_of(const std::string& line) {
  static const std::regex value(R"re(=("[^"]*"))re");
  const std::string series = line.substr(0, line.find('}') + 1);
  const size_t limit = std::min(series.find("le=\""), series.find("quantile=\""));
  if (limit == std::string::npos) return std::regex_replace(series, value, "");
  return std::regex_replace(series.substr(0, limit), value, "") + series.substr(limit);
}

struct Scrape {
  std::map<std::string, std::string> types;            // by family
  std::map<std::string, std::set<std::string>> forms;  // by family
};

Scrape read_scrape(const std::string& text) {
  Scrape scrape;
  std::string family;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("# TYPE ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      scrape.types[family] = line.substr(line.rfind(' ') + 1);
    } else if (!line.starts_with("#") && line.find('{') != std::string::npos) {
      scrape.forms[family].insert(form_of(line));
    }
  }
  return scrape;
}

TEST_F(ExporterTest, SeriesHaveTheFormOfTheReference) {
  std::ifstream file(GYRE_SOURCE_DIR "/tests/golden/server/metrics-sample.txt");
  std::stringstream sample;
  sample << file.rdbuf();
  const Scrape reference = read_scrape(sample.str());
  touch_all(first_);
  const Scrape ours = read_scrape(text());
  ASSERT_GT(ours.types.size(), 35u);
  for (const auto& [family, type] : ours.types) {
    if (family.starts_with("gyre_")) continue;
    ASSERT_TRUE(reference.types.contains(family)) << family;
    EXPECT_EQ(type, reference.types.at(family)) << family;
  }
  for (const auto& [family, forms] : ours.forms) {
    if (family.starts_with("gyre_")) continue;
    EXPECT_EQ(forms, reference.forms.at(family)) << family;
  }
}

double quantile_of(const std::string& text) {
  const std::string name =
      "centrifugo_client_command_duration_seconds{channel_namespace=\"\",method=\"publish\","
      "quantile=\"0.99\"} ";
  return std::stod(text.substr(text.find(name) + name.size()));
}

TEST_F(ExporterTest, QuantilesForgetAfterTenMinutes) {
  first_.commands[ClientMethod::publish].observe(kSecond);
  os::Nanos now = kNow;
  EXPECT_GT(quantile_of(text(now)), 0.5);
  for (; now < kNow + 480 * kSecond; now += 15 * kSecond) EXPECT_GT(quantile_of(text(now)), 0.5);
  for (; now <= kNow + 615 * kSecond; now += 15 * kSecond) text(now);
  EXPECT_TRUE(std::isnan(quantile_of(text(now))));
  second_.commands[ClientMethod::publish].observe(kMillisecond);
  EXPECT_LE(quantile_of(text(now)), 0.001);
  EXPECT_THAT(text(now), HasSubstr("centrifugo_client_command_duration_seconds_count{"
                                   "channel_namespace=\"\",method=\"publish\"} 2\n"));
}

TEST_F(ExporterTest, QuantilesOfARareScrapeAreOfTheTimeSinceTheLast) {
  first_.commands[ClientMethod::publish].observe(kSecond);
  text(kNow);
  text(kNow + 3600 * kSecond);
  first_.commands[ClientMethod::publish].observe(kMillisecond);
  EXPECT_LE(quantile_of(text(kNow + 7200 * kSecond)), 0.001);
}

}  // namespace
}  // namespace gyre::metrics
