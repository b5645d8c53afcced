#include "websocket/frame_parser.h"

#include <simdjson.h>

#include <algorithm>
#include <string>

namespace gyre::websocket {
namespace {

constexpr size_t kHeaderMax = 14;
constexpr size_t kPadding = simdjson::SIMDJSON_PADDING;
// An announced length is believed only as far as bytes arrive: the first reservation, doubled from
// there.
constexpr size_t kFirstReserve = 1024;

using Event = FrameParser::Event;
using Output = FrameParser::Output;

Output failed(uint16_t code, std::string_view reason) {
  return {Event::failed, code, reason};
}

Output message(Opcode opcode, std::string_view payload) {
  if (opcode != Opcode::text) return {Event::binary, 0, payload};
  if (!simdjson::validate_utf8(payload.data(), payload.size())) {
    return failed(close_code::kInvalidPayload, "invalid UTF-8 in text message");
  }
  return {Event::text, 0, payload};
}

Output close_event(std::string_view payload) {
  if (payload.empty()) return {Event::close, close_code::kNoStatus, {}};
  if (payload.size() == 1) return failed(close_code::kProtocolError, "close frame of one byte");
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(payload[i]); };
  const auto code = static_cast<uint16_t>(byte(0) << 8 | byte(1));
  if (!may_be_received(code)) return failed(close_code::kProtocolError, "bad close code");
  const std::string_view reason = payload.substr(2);
  if (!simdjson::validate_utf8(reason.data(), reason.size())) {
    return failed(close_code::kInvalidPayload, "invalid UTF-8 in close reason");
  }
  return {Event::close, code, reason};
}

Output control(Opcode opcode, std::string_view payload) {
  if (opcode == Opcode::close) return close_event(payload);
  return {opcode == Opcode::ping ? Event::ping : Event::pong, 0, payload};
}

}  // namespace

struct FrameParser::Header {
  Opcode opcode = Opcode::continuation;
  uint8_t reserved_bits = 0;
  bool is_final = false;
  bool is_masked = false;
  uint8_t size = 0;  // bytes of the header itself
  uint32_t key = 0;  // in memory order; 0 without a mask
  uint64_t length = 0;

  // How long the header is, as far as its first bytes tell: two are needed to know.
  static size_t wanted(const char* bytes, size_t size) {
    if (size < 2) return 2;
    const auto second = static_cast<unsigned char>(bytes[1]);
    const size_t length_bytes = (second & 0x7F) == 126 ? 2 : (second & 0x7F) == 127 ? 8 : 0;
    return 2 + length_bytes + (second & 0x80 ? 4 : 0);
  }

  // Of `wanted` bytes.
  static Header decode(const char* bytes) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    Header header;
    header.is_final = byte(0) & 0x80;
    header.reserved_bits = (byte(0) >> 4) & 7;
    header.opcode = static_cast<Opcode>(byte(0) & 0x0F);
    header.is_masked = byte(1) & 0x80;
    header.length = byte(1) & 0x7F;
    size_t at = 2;
    if (header.length >= 126) {
      const size_t end = at + (header.length == 126 ? 2 : 8);
      header.length = 0;
      for (; at < end; ++at) header.length = header.length << 8 | byte(at);
    }
    if (header.is_masked) {
      std::memcpy(&header.key, bytes + at, 4);
      at += 4;
    }
    header.size = static_cast<uint8_t>(at);
    return header;
  }

  // What is wrong with it, "" if nothing is.
  std::string_view fault(const Rules& rules, bool is_in_message) const {
    if (reserved_bits & 4) return "RSV1 set";
    if (reserved_bits & 2) return "RSV2 set";
    if (reserved_bits & 1) return "RSV3 set";
    if (is_masked != rules.expects_mask) return "bad MASK";
    if (length >> 63) return "frame length too large";
    switch (opcode) {
      case Opcode::text:
      case Opcode::binary:
        return is_in_message ? "data frame before the end of a message" : "";
      case Opcode::continuation:
        return is_in_message ? "" : "continuation without a message";
      case Opcode::close:
      case Opcode::ping:
      case Opcode::pong:
        if (length > kControlPayloadMax) return "control frame too long";
        return is_final ? "" : "fragmented control frame";
    }
    return "bad opcode";
  }
};

// What the parser knows while something is incomplete: a header, a frame, or a message between its
// fragments.
struct FrameParser::Partial {
  Header frame;           // the current one, if is_in_frame
  uint64_t received = 0;  // of its payload
  std::string message;    // data fragments so far, unmasked
  std::string control;    // payload of an incomplete control frame
  char header[kHeaderMax];
  uint8_t header_size = 0;  // > 0: an incomplete header
  uint32_t fragments = 0;   // of the message so far
  Opcode message_opcode = Opcode::continuation;
  bool is_in_frame = false;
  bool is_in_message = false;
  bool is_handed_out = false;  // somebody may look into `message` or `control` until the next call

  bool is_needed() const { return header_size > 0 || is_in_frame || is_in_message; }

  void append(std::string& to, std::span<char> bytes) {
    const size_t size = to.size() + bytes.size();
    if (to.capacity() < size + kPadding) {
      const uint64_t whole = to.size() + frame.length - received;  // bounded by the rules
      const size_t grown = std::max({size, 2 * to.capacity(), kFirstReserve});
      to.reserve(static_cast<size_t>(std::min<uint64_t>(grown, std::max<uint64_t>(whole, size))) +
                 kPadding);
    }
    const size_t start = to.size();
    to.append(bytes.data(), bytes.size());
    apply_mask(to.data() + start, bytes.size(), frame.key, static_cast<size_t>(received));
    received += bytes.size();
  }
};

FrameParser::FrameParser() = default;
FrameParser::~FrameParser() = default;
FrameParser::FrameParser(FrameParser&&) noexcept = default;
FrameParser& FrameParser::operator=(FrameParser&&) noexcept = default;

FrameParser::Partial& FrameParser::partial() {
  if (!partial_) partial_ = std::make_unique<Partial>();
  return *partial_;
}

Output FrameParser::next(std::span<char>& input, const Rules& rules) {
  if (partial_ && partial_->is_handed_out) {
    partial_->is_handed_out = false;
    partial_->control.clear();
    if (!partial_->is_in_message) partial_->message.clear();
  }
  if (partial_ && !partial_->is_needed()) partial_.reset();
  while (!input.empty()) {
    Output output;
    if (partial_ && partial_->is_in_frame) {
      output = take_part(input);
    } else if ((partial_ && partial_->header_size > 0) ||
               input.size() < Header::wanted(input.data(), input.size())) {
      output = keep_header(input, rules);
    } else {
      const Header header = Header::decode(input.data());
      input = input.subspan(header.size);
      output = start_frame(input, header, rules);
    }
    if (output.event != Event::need_more) return output;
  }
  return {};
}

// Collects a header that came in pieces.
Output FrameParser::keep_header(std::span<char>& input, const Rules& rules) {
  Partial& kept = partial();
  while (kept.header_size < Header::wanted(kept.header, kept.header_size)) {
    if (input.empty()) return {};
    kept.header[kept.header_size++] = input[0];
    input = input.subspan(1);
  }
  const Header header = Header::decode(kept.header);
  kept.header_size = 0;
  return start_frame(input, header, rules);
}

// `input` begins with the payload.
Output FrameParser::start_frame(std::span<char>& input, const Header& header, const Rules& rules) {
  const bool is_in_message = partial_ && partial_->is_in_message;
  if (std::string_view fault = header.fault(rules, is_in_message); !fault.empty()) {
    return failed(close_code::kProtocolError, fault);
  }
  if (!is_control(header.opcode)) {
    const size_t before = is_in_message ? partial_->message.size() : 0;
    if (header.length >
        rules.message_bytes_max - std::min<size_t>(before, rules.message_bytes_max)) {
      return failed(close_code::kTooBig, "");
    }
    const bool is_alone = header.is_final && !is_in_message;
    if (is_alone && input.size() >= header.length) return take_whole(input, header);
    if (!is_in_message) {
      partial().is_in_message = true;
      partial_->message_opcode = header.opcode;
      partial_->fragments = 0;
    }
    if (++partial_->fragments > rules.fragments_max) {
      return failed(close_code::kPolicyViolation, "too many fragments");
    }
  } else if (input.size() >= header.length) {
    return take_whole(input, header);
  }
  Partial& kept = partial();
  kept.frame = header;
  kept.received = 0;
  kept.is_in_frame = true;
  return take_part(input);
}

// The frame needs nothing but itself: no copy.
Output FrameParser::take_whole(std::span<char>& input, const Header& header) {
  const std::span<char> payload = input.first(static_cast<size_t>(header.length));
  input = input.subspan(payload.size());
  if (header.is_masked) apply_mask(payload.data(), payload.size(), header.key);
  const std::string_view view(payload.data(), payload.size());
  return is_control(header.opcode) ? control(header.opcode, view) : message(header.opcode, view);
}

Output FrameParser::take_part(std::span<char>& input) {
  Partial& kept = *partial_;
  const auto size =
      static_cast<size_t>(std::min<uint64_t>(input.size(), kept.frame.length - kept.received));
  kept.append(is_control(kept.frame.opcode) ? kept.control : kept.message, input.first(size));
  input = input.subspan(size);
  return kept.received == kept.frame.length ? finish_frame() : Output{};
}

Output FrameParser::finish_frame() {
  Partial& kept = *partial_;
  kept.is_in_frame = false;
  if (is_control(kept.frame.opcode)) {
    kept.is_handed_out = true;
    return control(kept.frame.opcode, kept.control);
  }
  if (!kept.frame.is_final) return {};
  kept.is_in_message = false;
  kept.is_handed_out = true;
  return message(kept.message_opcode, kept.message);
}

size_t FrameParser::buffered_bytes() const {
  if (!partial_) return 0;
  return sizeof(Partial) + partial_->message.capacity() + partial_->control.capacity();
}

}  // namespace gyre::websocket
