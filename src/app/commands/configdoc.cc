#include <fmt/ostream.h>

#include "app/blocking_http.h"
#include "app/command.h"
#include "config/printed.h"

namespace gyre::app {
namespace {

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// The headings and paragraphs of our own Markdown, which is all that it consists of.
std::string to_html(std::string_view markdown) {
  std::string html;
  while (!markdown.empty()) {
    size_t end = std::min(markdown.find('\n'), markdown.size());
    std::string_view line = markdown.substr(0, end);
    markdown.remove_prefix(std::min(end + 1, markdown.size()));
    if (line.empty()) continue;
    size_t level = line.find_first_not_of('#');
    if (line.starts_with('#') && level != std::string_view::npos) {
      std::string_view title = line.substr(level + 1);
      std::string_view id = title.size() > 2 ? title.substr(1, title.size() - 2) : title;
      html += fmt::format("<h{0} id=\"{1}\"><code>{1}</code></h{0}>\n", level, escape_html(id));
    } else {
      html += fmt::format("<p{}>{}</p>\n", line.starts_with("- ") ? " class=\"fact\"" : "",
                          escape_html(line.starts_with("- ") ? line.substr(2) : line));
    }
  }
  return html;
}

std::string page(std::string_view markdown, bool is_simple) {
  static constexpr std::string_view kStyle =
      "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 "
      "1rem;color:#222}"
      "h2{border-top:1px solid #ddd;padding-top:1rem}.fact{margin:.1rem 0 .1rem 1.5rem;color:#555}"
      "code{background:#f3f3f3;padding:.1em .3em}</style>";
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
      "charset=\"utf-8\"><title>Configuration</title>{}</head><body>\n"
      "<h1>Configuration</h1>\n{}</body></html>\n",
      is_simple ? std::string_view() : kStyle, to_html(markdown));
}

int config_doc(const Invocation& invocation, Io& io) {
  auto base_level = static_cast<int>(invocation.integer("base-level"));
  std::string markdown = config::write_markdown(invocation.text("section"), base_level);
  if (invocation.boolean("markdown")) {
    io.out << markdown;
    return 0;
  }
  std::string full = page(markdown, false);
  std::string simple = page(markdown, true);
  auto answer = [&](std::string_view target) -> HttpAnswer {
    return {200, "text/html; charset=utf-8", target.ends_with("?simple=1") ? simple : full};
  };
  std::string port = invocation.text("port");
  auto ready = [&] {
    fmt::print(io.out, "configuration documentation on http://localhost:{}/\n", port);
  };
  Result<void> ended = serve_blocking("", port, answer, ready);
  if (ended) return 0;
  fmt::print(io.out, "error: {}\n", ended.error().context);
  return 1;
}

}  // namespace

Command configdoc_command() {
  return {
      .name = "configdoc",
      .help = "Show configuration documentation",
      .flags = {{"port", 'p', FlagSpec::Kind::integer, "6060", "port of the documentation page"},
                {"markdown", 'm', FlagSpec::Kind::boolean, "false", "print Markdown instead"},
                {"section", 's', FlagSpec::Kind::text, "", "only keys that begin with this"},
                {"base-level", 'l', FlagSpec::Kind::integer, "0",
                 "added to the level of headings"}},
      .run = config_doc};
}

}  // namespace gyre::app
