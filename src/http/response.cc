#include "http/response.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "http/request.h"

namespace gyre::http {
namespace {

void append_decimal(std::string& out, uint64_t number) {
  char digits[20];
  const auto [end, failure] = std::to_chars(std::begin(digits), std::end(digits), number);
  out.append(digits, static_cast<size_t>(end - digits));
}

bool may_have_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&#34;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace

std::string_view status_text(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request URI Too Long";
    case 417:
      return "Expectation Failed";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

Response::Response(int status_code, std::string_view content_type, std::string text)
    : status(status_code), body(std::move(text)) {
  add("Content-Type", content_type);
}

Response Response::error(int status, std::string_view text) {
  Response response(status, "text/plain; charset=utf-8", fmt::format("{}\n", text));
  response.add("X-Content-Type-Options", "nosniff");
  return response;
}

Response Response::redirect(int status, std::string_view location, const Request& request) {
  Response response(status);
  const bool shows_link = request.is("GET") || request.is("HEAD");
  if (shows_link) response.add("Content-Type", "text/html; charset=utf-8");
  response.add("Location", location);
  if (request.is("GET")) {
    response.body =
        fmt::format("<a href=\"{}\">{}</a>.\n\n", escape_html(location), status_text(status));
  }
  return response;
}

Response& Response::add(std::string_view name, std::string_view value) {
  fields_.append(name).append(": ");
  if (value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos) {
    fields_.append(value);
  } else {
    for (char c : value) {
      if (c != '\r' && c != '\n' && c != '\0') fields_ += c;
    }
  }
  fields_.append("\r\n");
  return *this;
}

bool Response::has(std::string_view name) const {
  std::string_view rest = fields_;
  while (!rest.empty()) {
    if (equals_ignoring_case(rest.substr(0, rest.find(':')), name)) return true;
    rest.remove_prefix(rest.find('\n') + 1);
  }
  return false;
}

void Response::append_head(std::string& out, const Envelope& envelope) const {
  out.append("HTTP/1.1 ");
  append_decimal(out, static_cast<uint64_t>(status));
  out.append(" ").append(status_text(status)).append("\r\n").append(fields_);
  if (!envelope.date.empty()) out.append("Date: ").append(envelope.date).append("\r\n");
  if (!envelope.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (envelope.version_minor == 0) {
    out.append("Connection: keep-alive\r\n");
  }
}

std::string Response::encode(const Envelope& envelope) const {
  std::string out;
  append_to(out, envelope);
  return out;
}

void Response::append_to(std::string& out, const Envelope& envelope) const {
  out.reserve(out.size() + fields_.size() + body.size() + 160);
  append_head(out, envelope);
  append_length(out);
  if (may_have_body(status) && !envelope.is_head_request) out.append(body);
}

// And the blank line behind it.
void Response::append_length(std::string& out) const {
  if (may_have_body(status)) {
    out.append("Content-Length: ");
    append_decimal(out, body.size());
    out.append("\r\n");
  }
  out.append("\r\n");
}

std::string Response::encode_in_place(const Envelope& envelope) && {
  if (!may_have_body(status) || envelope.is_head_request) return encode(envelope);
  std::string head;
  append_head(head, envelope);
  append_length(head);
  body.insert(0, head);
  return std::move(body);
}

std::string Response::encode_head(const Envelope& envelope) const {
  std::string out;
  append_head(out, envelope);
  out.append("\r\n");
  return out;
}

std::string http_date(int64_t unix_seconds) {
  using namespace std::chrono;
  const sys_seconds time{seconds(unix_seconds)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

}  // namespace gyre::http
