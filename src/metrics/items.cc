#include "metrics/items.h"

#include <cmath>

namespace gyre::metrics {
namespace {

class ItemsOutput final : public Output {
 public:
  void begin(const Family& family) override { family_ = family; }

  void number(Labels labels, double value) override {
    auto& items = family_.type == FamilyType::counter ? growing : current;
    items[key("", labels)] = value;
  }

  void histogram(Labels, const Distribution&, std::span<const os::Nanos>) override {}

  void summary(Labels labels, const Distribution& total, const Distribution& recent) override {
    growing[key(".sum", labels)] = static_cast<double>(total.sum) / os::kSecond;
    growing[key(".count", labels)] = static_cast<double>(total.count());
    quantile(".quantile.50", labels, recent.quantile(0.5));
    quantile(".quantile.99", labels, recent.quantile(0.99));
    quantile(".quantile.999", labels, recent.quantile(0.999));
  }

  std::map<std::string, double> current;
  std::map<std::string, double> growing;

 private:
  void quantile(std::string_view suffix, Labels labels, double value) {
    if (!std::isnan(value)) current[key(suffix, labels)] = value;
  }

  // The first two underscores of the name become dots; labels without a value are left out.
  std::string key(std::string_view suffix, Labels labels) const {
    std::string text(family_.name);
    for (int i = 0; i < 2; ++i) {
      if (const size_t at = text.find('_'); at != std::string::npos) text[at] = '.';
    }
    text += suffix;
    for (const Label& label : labels) {
      if (label.value.empty()) continue;
      (text += '.') += label.name;
      (text += '.') += label.value;
    }
    return text;
  }

  Family family_ = {};
};

}  // namespace

std::map<std::string, double> Items::take(const NodeFacts& facts, os::Nanos now) {
  ItemsOutput output;
  exporter_.write(facts, now, output);
  std::map<std::string, double> items = std::move(output.current);
  for (const auto& [key, value] : output.growing) {
    const auto before = before_.find(key);
    items[key] = before == before_.end() ? value : value - before->second;
  }
  before_ = std::move(output.growing);
  return items;
}

}  // namespace gyre::metrics
