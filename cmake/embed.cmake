# gyre_embed_lines(TARGET FILE HEADER NAME): HEADER, on TARGET's include path, defines the array NAME with the lines of
# FILE. Lines rather than one text, since compilers need not take a literal of more than 64 KiB.
function(gyre_embed_lines target file header name)
  file(READ ${file} text)
  string(REGEX REPLACE "([^\n]*)\n" "    R\"~(\\1)~\",\n" text "${text}")
  set(content "// Made from ${file}.\n#pragma once\n\n#include <string_view>\n\n")
  string(APPEND content "constexpr std::string_view ${name}[] = {\n${text}};\n")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/${header} CONTENT "${content}" @ONLY)
  target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endfunction()
