#include "config/document.h"

#include <utility>

namespace gyre::config {

Document Document::of(bool truth) {
  Document document;
  document.kind = Kind::boolean;
  document.truth = truth;
  return document;
}

Document Document::of(int64_t integer) {
  Document document;
  document.kind = Kind::integer;
  document.integer = integer;
  return document;
}

Document Document::of(std::string text) {
  Document document;
  document.kind = Kind::text;
  document.text = std::move(text);
  return document;
}

Document Document::list() {
  Document document;
  document.kind = Kind::list;
  return document;
}

Document Document::object() {
  Document document;
  document.kind = Kind::object;
  return document;
}

Document& Document::add(std::string name, Document value) {
  fields.push_back({std::move(name), {}, std::move(value)});
  return fields.back().value;
}

}  // namespace gyre::config
