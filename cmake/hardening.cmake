# What makes a fault hard to exploit. On in the release preset: what serves is what the tests ran against.
# tools/check_hardening.py looks for each measure in the program; docs/decisions/0008-hardened-build.md has what it costs.
option(GYRE_HARDEN "fortified, stack-protected, position-independent programs with control-flow integrity" OFF)
if(NOT GYRE_HARDEN)
  return()
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong
  -fstack-clash-protection)
add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)

# Control-flow integrity: a virtual call or a call by pointer ends in a function of that type, or the program traps. It
# needs optimisation at link time; the cache keeps the unchanged parts of programs that are linked again.
set(control_flow -flto=thin -fvisibility=hidden -fsanitize=cfi -fno-sanitize=cfi-derived-cast,cfi-unrelated-cast
  -fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/cmake/cfi_ignore.txt)
add_compile_options(${control_flow})
add_link_options(${control_flow} -Wl,--thinlto-cache-dir=${PROJECT_BINARY_DIR}/lto)
