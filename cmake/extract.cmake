# Images to descriptors: archives, checkpoints, image decoding, networks. A library apart from the core, so that k-NN
# graphs and diffusion build where oneDNN, libjpeg-turbo and libzip are absent.
find_package(PkgConfig REQUIRED)
# Found by hand: Debian's CMake config of oneDNN wants OpenCL's headers, which only its GPU engine needs.
find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
find_package(PNG REQUIRED)
pkg_check_modules(LIBJPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)

list(TRANSFORM LOWSHOT_EXTRACT_FOLDERS REPLACE "(.+)" "src/\\1/*.cpp" OUTPUT_VARIABLE globs)
file(GLOB_RECURSE LOWSHOT_EXTRACT_SOURCES CONFIGURE_DEPENDS ${globs})
add_library(lowshot_extract STATIC ${LOWSHOT_EXTRACT_SOURCES})
target_include_directories(lowshot_extract PRIVATE src ${XXHASH_INCLUDE_DIR} ${DNNL_INCLUDE_DIR})
target_link_libraries(lowshot_extract PUBLIC lowshot_core
                      PRIVATE ${DNNL_LIBRARY} PNG::PNG PkgConfig::LIBJPEG PkgConfig::LIBZIP yaml-cpp fmt::fmt
                              nlohmann_json::nlohmann_json)
target_compile_definitions(lowshot_core PUBLIC LOWSHOT_WITH_EXTRACT)
lowshot_instruction_sets(${LOWSHOT_EXTRACT_SOURCES})
