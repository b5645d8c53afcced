# Flags that every target shares: warnings are errors, lld links, ccache compiles when it is there.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
  -Wno-missing-field-initializers -Wno-missing-designated-field-initializers -Werror -fno-omit-frame-pointer)
# Our own library archives must not carry a partial link of system headers' warnings.
add_link_options(-fuse-ld=lld -Wl,--as-needed)
string(APPEND CMAKE_CXX_FLAGS_RELEASE " -g1")
if(NOT GYRE_SANITIZE STREQUAL "")
  add_compile_options(-fsanitize=${GYRE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${GYRE_SANITIZE})
endif()
if(GYRE_SANITIZE_TRAPS)
  # What needs a runtime library cannot trap.
  add_compile_options(-fsanitize-trap=all -fno-sanitize=vptr,function)
  add_link_options(-fsanitize-trap=all -fno-sanitize=vptr,function)
endif()
if(GYRE_FUZZ AND GYRE_SANITIZE_TRAPS)
  # Executions count here: without the tracing of comparisons, which takes a third of the time.
  add_compile_options(-fsanitize-coverage=inline-8bit-counters,pc-table)
elseif(GYRE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
find_package(Threads REQUIRED)
