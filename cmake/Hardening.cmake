# What compilers and linkers offer against the exploitation of a fault, for all targets that come after.
#
# On x86-64 with GCC 12 all of it together costs less than 1 %: docs/platforms.md has the figures.

include(CheckCXXCompilerFlag)
include(CheckLinkerFlag)

function(add_supported kind)
  foreach(flag IN LISTS ARGN)
    string(MAKE_C_IDENTIFIER "has-${kind}${flag}" has)
    if(kind STREQUAL "compile")
      check_cxx_compiler_flag("${flag}" ${has})
    else()
      check_linker_flag(CXX "${flag}" ${has})
    endif()
    if(${has})
      if(kind STREQUAL "compile")
        add_compile_options("${flag}")
      else()
        add_link_options("${flag}")
      endif()
    endif()
  endforeach()
endfunction()

if(MSVC)
  add_compile_options(/guard:cf)
  add_link_options(/guard:cf)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(AMD64|x86_64)$")
    add_link_options(/CETCOMPAT)
  endif()
else()
  add_supported(compile -fstack-protector-strong)
  if(CMAKE_SYSTEM_NAME STREQUAL "Windows")
    add_supported(link -fstack-protector-strong) # MinGW has the functions for it in a library of their own
    # GCC does not align the stack there as moves of 32 bytes want it: those for any address, which are as fast.
    add_supported(compile -Wa,-muse-unaligned-vector-move)
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(AMD64|x86_64|i.86)$")
    add_supported(compile -fcf-protection=full)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    add_supported(compile -mbranch-protection=standard)
  endif()
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    # Undefined first, since some compilers define it by default. Only where code is optimized: glibc warns otherwise, and
    # sanitizers, built without CMake's Release, do these checks themselves.
    add_compile_options("$<$<CONFIG:Release>:-U_FORTIFY_SOURCE>" "$<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3>")
    add_supported(link LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
  endif()
endif()
