#pragma once

#include <string>

#include "metrics/families.h"

namespace gyre::metrics {

// Writes the Prometheus text format, version 0.0.4. Lives for one export.
class TextOutput final : public Output {
 public:
  void begin(const Family& family) override;
  void number(Labels labels, double value) override;
  void histogram(Labels labels, const Distribution& distribution,
                 std::span<const os::Nanos> bounds) override;
  void summary(Labels labels, const Distribution& total, const Distribution& recent) override;

  std::string take() { return std::move(text_); }

 private:
  // `extra` comes after the labels, if it has a name.
  void line(std::string_view suffix, Labels labels, Label extra, double value);
  void write_head();
  void write_label(Label label);

  std::string text_;
  Family family_ = {};
  bool has_head_ = false;
};

}  // namespace gyre::metrics
