# Flags that every target shares, through the interface target `lowshot_options`.
add_library(lowshot_options INTERFACE)

# The product's floor is x86-64-v3 (AVX2, FMA, F16C). Contraction is off so that a sum is the same whichever way the
# compiler vectorised it: fused multiply-adds appear where the source says so.
target_compile_options(lowshot_options INTERFACE -march=x86-64-v3 -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow)
if(LOWSHOT_WERROR)
  target_compile_options(lowshot_options INTERFACE -Werror)
endif()
if(LOWSHOT_SANITIZE)
  target_compile_options(lowshot_options INTERFACE -fsanitize=${LOWSHOT_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(lowshot_options INTERFACE -fsanitize=${LOWSHOT_SANITIZE})
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

# Files named *_avx512.cpp and *_amx.cpp get the flags of their instruction set. They hold intrinsics only and no standard
# templates: a template instantiated there could be linked into code that runs on older processors. g++ 12 takes the
# undefined registers of its own intrinsics for uninitialised variables, hence the two -Wno.
function(lowshot_instruction_sets)
  foreach(source IN LISTS ARGN)
    if(source MATCHES "_(avx512|amx)\\.cpp$")
      set(tiles "")
      if(CMAKE_MATCH_1 STREQUAL "amx")
        set(tiles "-mamx-tile;-mamx-int8;")
      endif()
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
        "${tiles}-march=x86-64-v4;-mavx512vnni;-mprefer-vector-width=512;-Wno-uninitialized;$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>")
    endif()
  endforeach()
endfunction()
