#include "metrics/text_output.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace gyre::metrics {
namespace {

std::string_view type_text(FamilyType type) {
  switch (type) {
    case FamilyType::counter:
      return "counter";
    case FamilyType::gauge:
      return "gauge";
    case FamilyType::histogram:
      return "histogram";
    case FamilyType::summary:
      return "summary";
  }
  return "untyped";
}

void append_number(std::string& text, double value) {
  if (std::isnan(value)) {
    text += "NaN";
  } else {
    fmt::format_to(std::back_inserter(text), "{}", value);
  }
}

double seconds(double nanoseconds) {
  return nanoseconds / os::kSecond;
}

}  // namespace

void TextOutput::begin(const Family& family) {
  family_ = family;
  has_head_ = false;
}

void TextOutput::number(Labels labels, double value) {
  line("", labels, {}, value);
}

void TextOutput::histogram(Labels labels, const Distribution& distribution,
                           std::span<const os::Nanos> bounds) {
  std::string limit;
  for (const os::Nanos bound : bounds) {
    limit.clear();
    append_number(limit, seconds(static_cast<double>(bound)));
    line("_bucket", labels, {"le", limit}, static_cast<double>(distribution.count_up_to(bound)));
  }
  const auto count = static_cast<double>(distribution.count());
  line("_bucket", labels, {"le", "+Inf"}, count);
  line("_sum", labels, {}, seconds(static_cast<double>(distribution.sum)));
  line("_count", labels, {}, count);
}

void TextOutput::summary(Labels labels, const Distribution& total, const Distribution& recent) {
  line("", labels, {"quantile", "0.5"}, recent.quantile(0.5));
  line("", labels, {"quantile", "0.99"}, recent.quantile(0.99));
  line("", labels, {"quantile", "0.999"}, recent.quantile(0.999));
  line("_sum", labels, {}, seconds(static_cast<double>(total.sum)));
  line("_count", labels, {}, static_cast<double>(total.count()));
}

void TextOutput::write_head() {
  fmt::format_to(std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", family_.name,
                 family_.help, type_text(family_.type));
  has_head_ = true;
}

void TextOutput::write_label(Label label) {
  text_ += label.name;
  text_ += "=\"";
  for (const char c : label.value) {
    if (c == '\n') {
      text_ += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') text_ += '\\';
    text_ += c;
  }
  text_ += '"';
}

void TextOutput::line(std::string_view suffix, Labels labels, Label extra, double value) {
  if (!has_head_) write_head();
  text_ += family_.name;
  text_ += suffix;
  char before = '{';
  const auto add = [&](Label label) {
    text_ += before;
    before = ',';
    write_label(label);
  };
  for (const Label& label : labels) add(label);
  if (!extra.name.empty()) add(extra);
  if (before == ',') text_ += '}';
  text_ += ' ';
  append_number(text_, value);
  text_ += '\n';
}

}  // namespace gyre::metrics
