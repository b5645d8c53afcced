#include <cstddef>
#include <cstdint>

#include "command_properties.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gyre::protocol::check_frame(gyre::protocol::Encoding::protobuf,
                              {reinterpret_cast<const char*>(data), size});
  return 0;
}
