#pragma once

#include <cstddef>
#include <string>

#include "api/results.h"
#include "protocol/codes.h"
#include "runtime/task.h"

// Results to JSON, by the encoding rules of spec server-api.md 1.
namespace gyre::api {

// The bytes of one answer. Histories and batches of them could otherwise ask for all of the memory
// with a few bytes.
inline constexpr size_t kAnswerBytesMax = size_t{1} << 30;

// {"code":N,"message":"..."}
void append_error(std::string& out, const protocol::ErrorCode& error);

// The members that every answer has: "result":{...} or "error":{...}. Gives others a turn now and
// then when the result is long; both arguments stay until it has ended. False: the answer would be
// too large, or has a payload that is no JSON and can only be read over GRPC.
runtime::Task<bool> append_answer(std::string* out, const Answer<AnyResult>* answer);

// The same for what is short in any case: an error, or a publication's position. False: it is not.
bool append_short_answer(std::string& out, const Answer<AnyResult>& answer);

// {"replies":[...]}, as append_answer.
runtime::Task<bool> append_batch(std::string* out, const BatchResult* batch);

}  // namespace gyre::api
