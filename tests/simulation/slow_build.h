#pragma once

namespace gyre::sim {

#if defined(__has_feature)
#define GYRE_HAS_FEATURE(name) __has_feature(name)
#else
#define GYRE_HAS_FEATURE(name) 0
#endif
// Whether the build has sanitizers or is not optimised, so that a test does less in its time.
#if GYRE_HAS_FEATURE(address_sanitizer) || GYRE_HAS_FEATURE(thread_sanitizer) || !defined(NDEBUG)
inline constexpr bool kIsSlowBuild = true;
#else
inline constexpr bool kIsSlowBuild = false;
#endif
#undef GYRE_HAS_FEATURE

}  // namespace gyre::sim
