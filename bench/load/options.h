#pragma once

#include <cstdint>
#include <string>

namespace gyre::bench {

enum class Mode { idle, fanout, channels, api, publish, connect, recover, stall, overload };
enum class Protocol { json, protobuf };

/// Everything the command line says. Names are those of the flags.
struct Options {
  Mode mode = Mode::fanout;
  std::string host = "127.0.0.1";
  uint16_t port = 8000;
  int pid = 0;  // the server's, to read its CPU time and memory; 0 = not measured
  std::string path = "/connection/websocket";
  std::string api_path = "/api";
  std::string api_key;
  Protocol protocol = Protocol::json;
  bool raw = false;  // the upgrade is the subscription: for servers without a protocol

  uint32_t connections = 1000;
  std::string channel = "bench";
  uint32_t channels = 1;
  bool own_channels = false;
  uint32_t subscriptions = 1;
  std::string token_secret;  // HS256; empty = connect without a token
  bool one_user = false;

  uint32_t window = 1;
  uint32_t publishers = 0;  // keep-alive API connections; 0 = a sensible number for the mode
  uint32_t size = 256;      // bytes of a publication's data
  uint32_t rate = 1000;
  uint32_t batch = 1;
  uint32_t broadcast = 1;
  uint32_t missed = 10;
  uint32_t concurrency = 64;
  uint32_t members = 0;    // connect: who is in the channel meanwhile
  bool delta = false;      // subscribers negotiate fossil deltas
  uint32_t filters = 0;    // subscribers have so many different ones, which all pass
  uint32_t gather_us = 0;  // fan-out, members: receivers look every so many microseconds
  uint32_t good = 10;      // subscribers that read, beside those that do not

  double duration = 1.2;
  double warmup = 0.3;
  double settle = 1.5;
  double cpu_seconds = 0;
  double patience = 30;
  double excess = 2;  // overload: times what the server can carry
  uint32_t warm_connections = 1000;
  uint32_t per_thread = 18'000;  // a descriptor table holds 20,000 here
  uint32_t opening = 128;        // connections in the making at once, per thread
  bool verify = false;
  std::string label;
};

Options parse_options(int argc, char** argv);
std::string_view name(Mode mode);

}  // namespace gyre::bench
