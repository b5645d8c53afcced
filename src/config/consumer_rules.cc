#include "config/rules.h"

namespace gyre::config::rules {
namespace {

void require_text(Report& report, const Tree& consumer, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (consumer.text(key).empty()) report.add(consumer, key, fmt::format("{} is required", key));
  }
}

void require_texts(Report& report, const Tree& consumer, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (consumer.texts(key).empty()) report.add(consumer, key, fmt::format("{} is required", key));
  }
}

// `part` is the noun of the queue's kind: header, value, attribute or property.
void check_data_mode(Report& report, const Tree& consumer, std::string_view section,
                     std::string_view part) {
  Tree mode = consumer.section(fmt::format("{}.publication_data_mode", section));
  std::string key = fmt::format("channels_{}", part);
  if (mode.boolean("enabled") && mode.text(key).empty()) {
    report.add(mode, key, fmt::format("publication_data_mode.{} is required", key));
  }
}

void check_kafka(Report& report, const Tree& consumer) {
  require_texts(report, consumer, {"kafka.brokers", "kafka.topics"});
  require_text(report, consumer, {"kafka.consumer_group"});
  if (!consumer.text("kafka.assume_role_arn").empty() &&
      consumer.text("kafka.sasl_mechanism") != "aws-msk-iam") {
    report.add(consumer, "kafka.assume_role_arn",
               "kafka.assume_role_arn needs kafka.sasl_mechanism \"aws-msk-iam\"");
  }
  check_data_mode(report, consumer, "kafka", "header");
}

void check_azure(Report& report, const Tree& consumer) {
  if (consumer.boolean("azure_service_bus.use_azure_identity")) {
    require_text(report, consumer,
                 {"azure_service_bus.fully_qualified_namespace", "azure_service_bus.tenant_id",
                  "azure_service_bus.client_id", "azure_service_bus.client_secret"});
  } else {
    require_text(report, consumer, {"azure_service_bus.connection_string"});
  }
  require_texts(report, consumer, {"azure_service_bus.queues"});
  check_data_mode(report, consumer, "azure_service_bus", "property");
}

void check_enabled(Report& report, const Tree& consumer, std::string_view type) {
  if (type == "postgresql") {
    require_text(report, consumer, {"postgresql.dsn", "postgresql.outbox_table_name"});
  } else if (type == "kafka") {
    check_kafka(report, consumer);
  } else if (type == "redis_stream") {
    require_texts(report, consumer, {"redis_stream.address", "redis_stream.streams"});
    require_text(report, consumer, {"redis_stream.consumer_group"});
    check_data_mode(report, consumer, "redis_stream", "value");
  } else if (type == "nats_jetstream") {
    require_text(report, consumer,
                 {"nats_jetstream.url", "nats_jetstream.stream_name",
                  "nats_jetstream.durable_consumer_name"});
    if (!consumer.boolean("nats_jetstream.use_existing_consumer")) {
      report.one_of(consumer, "nats_jetstream.deliver_policy", {"new", "all"});
    }
    check_data_mode(report, consumer, "nats_jetstream", "header");
  } else if (type == "google_pub_sub") {
    require_text(report, consumer, {"google_pub_sub.project_id"});
    require_texts(report, consumer, {"google_pub_sub.subscriptions"});
    check_data_mode(report, consumer, "google_pub_sub", "attribute");
  } else if (type == "aws_sqs") {
    require_texts(report, consumer, {"aws_sqs.queues"});
    check_data_mode(report, consumer, "aws_sqs", "attribute");
  } else if (type == "azure_service_bus") {
    check_azure(report, consumer);
  }
}

}  // namespace

void check_consumer(Report& report, const Tree& consumer) {
  const std::string& type = consumer.text("type");
  report.one_of(consumer, "type",
                {"postgresql", "kafka", "nats_jetstream", "redis_stream", "google_pub_sub",
                 "aws_sqs", "azure_service_bus"});
  if (consumer.boolean("enabled")) check_enabled(report, consumer, type);
}

}  // namespace gyre::config::rules
