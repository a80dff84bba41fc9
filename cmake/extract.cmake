# Images to descriptors: checkpoints, image decoding, networks. A library apart from the core, so that k-NN graphs and
# diffusion build where oneDNN, libjpeg-turbo and libzip are absent; the core reads zip files where libzip is there.
find_package(PkgConfig REQUIRED)
# Found by hand: Debian's CMake config of oneDNN wants OpenCL's headers, which only its GPU engine needs.
find_path(DNNL_INCLUDE_DIR dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
find_package(PNG REQUIRED)
pkg_check_modules(LIBJPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)

list(TRANSFORM LOWSHOT_EXTRACT_FOLDERS REPLACE "(.+)" "src/\\1/*.cpp" OUTPUT_VARIABLE globs)
file(GLOB_RECURSE LOWSHOT_EXTRACT_SOURCES CONFIGURE_DEPENDS ${globs})
# Networks on the GPU, or the file that says that there are none.
if(CMAKE_CUDA_COMPILER AND CUDNN_INCLUDE_DIR)
  list(FILTER LOWSHOT_EXTRACT_SOURCES EXCLUDE REGEX "/network/no_cuda_network\\.cpp$")
else()
  list(FILTER LOWSHOT_EXTRACT_SOURCES EXCLUDE REGEX "/network/(cuda|cudnn)_[^/]*\\.cpp$")
endif()
# ONNX models, or the file that says that there are none.
include(cmake/onnx.cmake)
if(LOWSHOT_WITH_ONNX)
  list(FILTER LOWSHOT_EXTRACT_SOURCES EXCLUDE REGEX "/network/no_onnx\\.cpp$")
else()
  list(FILTER LOWSHOT_EXTRACT_SOURCES EXCLUDE REGEX "/network/onnx_[^/]*\\.cpp$")
endif()
add_library(lowshot_extract STATIC ${LOWSHOT_EXTRACT_SOURCES})
target_include_directories(lowshot_extract PRIVATE src ${XXHASH_INCLUDE_DIR} ${DNNL_INCLUDE_DIR})
target_link_libraries(lowshot_extract PUBLIC lowshot_core
                      PRIVATE ${DNNL_LIBRARY} PNG::PNG PkgConfig::LIBJPEG yaml-cpp fmt::fmt
                              nlohmann_json::nlohmann_json)
target_link_libraries(lowshot_core PRIVATE PkgConfig::LIBZIP)
target_compile_definitions(lowshot_core PUBLIC LOWSHOT_WITH_EXTRACT)
lowshot_instruction_sets(${LOWSHOT_EXTRACT_SOURCES})

if(CMAKE_CUDA_COMPILER AND CUDNN_INCLUDE_DIR)
  file(GLOB LOWSHOT_NETWORK_KERNELS CONFIGURE_DEPENDS src/network/*.cu)
  lowshot_cuda_objects(lowshot_network_cuda ${LOWSHOT_NETWORK_KERNELS})
  target_sources(lowshot_extract PRIVATE $<TARGET_OBJECTS:lowshot_network_cuda>)
  # SYSTEM: its deprecated names are no business of our warnings.
  target_include_directories(lowshot_extract SYSTEM PRIVATE ${CUDNN_INCLUDE_DIR})
  target_compile_definitions(lowshot_extract PUBLIC LOWSHOT_WITH_CUDNN)
  target_link_libraries(lowshot_extract PRIVATE ${CMAKE_DL_LIBS})
endif()
if(LOWSHOT_WITH_ONNX)
  target_link_libraries(lowshot_extract PRIVATE openvino::runtime)
endif()
