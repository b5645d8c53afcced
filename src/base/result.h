#pragma once

#include <expected>
#include <string>
#include <utility>

namespace gyre {

// What kind of thing outside of this process went wrong.
enum class Errc : uint8_t {
  malformed,  // bytes that do not parse
  invalid,    // well-formed, but not allowed: a setting, an argument
  not_found,
  timed_out,
  unavailable,  // a peer or a resource that is not there now
  closed,
  cancelled,
  too_large,      // over a stated limit
  unrecoverable,  // a stream position that the store cannot serve
  internal,
};

struct Error {
  Errc code = Errc::internal;
  std::string context;  // for people, never parsed
};

// An expected failure is a value; see docs/architecture.md, "Errors".
template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string context) {
  return std::unexpected(Error{code, std::move(context)});
}

#define GYRE_CONCAT_INNER(a, b) a##b
#define GYRE_CONCAT(a, b) GYRE_CONCAT_INNER(a, b)

// GYRE_TRY(auto page, parse(bytes)): binds the value, or returns the error of the enclosing
// function.
#define GYRE_TRY_IMPL(result, declaration, expression, return_word)    \
  auto result = (expression);                                          \
  if (!result) return_word std::unexpected(std::move(result).error()); \
  declaration = std::move(*result)
#define GYRE_TRY(declaration, ...) \
  GYRE_TRY_IMPL(GYRE_CONCAT(gyre_try_, __LINE__), declaration, (__VA_ARGS__), return)
#define GYRE_CO_TRY(declaration, ...) \
  GYRE_TRY_IMPL(GYRE_CONCAT(gyre_try_, __LINE__), declaration, (__VA_ARGS__), co_return)

// GYRE_TRY_VOID(write(bytes)): the same for a result without a value.
#define GYRE_TRY_VOID(...)                                    \
  if (auto gyre_try_result = (__VA_ARGS__); !gyre_try_result) \
  return std::unexpected(std::move(gyre_try_result).error())
#define GYRE_CO_TRY_VOID(...)                                 \
  if (auto gyre_try_result = (__VA_ARGS__); !gyre_try_result) \
  co_return std::unexpected(std::move(gyre_try_result).error())

}  // namespace gyre
