# CUDA kernels (src/*.cu), where a CUDA compiler is found; else the build goes on without them and says so.
include(CheckLanguage)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(LOWSHOT_NVCC nvcc PATHS /usr/local/cuda/bin)  # where the toolkit is, though not in PATH
  if(LOWSHOT_NVCC)
    set(ENV{CUDACXX} ${LOWSHOT_NVCC})
  endif()
endif()
check_language(CUDA)  # also tries it: a compiler that does not work counts as none
if(NOT CMAKE_CUDA_COMPILER)
  message(STATUS "CUDA: skipped, no CUDA compiler (nvcc) that works was found; the program is built without GPU kernels")
  return()
endif()

set(CMAKE_CUDA_ARCHITECTURES "80-real;90a-real;90-virtual" CACHE STRING "GPU architectures")
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
# CMake before 3.25.2 does not know the flag for C++20 and drops it without a word.
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")

# Objects of their own, because the flags of `lowshot_options` are the C++ compiler's.
function(lowshot_cuda_objects target)
  add_library(${target} OBJECT ${ARGN})
  target_include_directories(${target} PRIVATE include src)
  target_compile_definitions(${target} PRIVATE LOWSHOT_WITH_CUDA)
  target_compile_options(${target} PRIVATE -Xcompiler=-Wall,-Wextra)
  if(LOWSHOT_WERROR)
    target_compile_options(${target} PRIVATE -Werror=all-warnings)
  endif()
endfunction()
file(GLOB_RECURSE LOWSHOT_CUDA_SOURCES CONFIGURE_DEPENDS src/*.cu)
list(FILTER LOWSHOT_CUDA_SOURCES EXCLUDE REGEX "/src/(${pattern})/")
lowshot_cuda_objects(lowshot_cuda ${LOWSHOT_CUDA_SOURCES})

# The runtime is linked statically and loads the driver on first use: the program starts on machines without a GPU.
target_sources(lowshot_core PRIVATE $<TARGET_OBJECTS:lowshot_cuda>)
target_link_libraries(lowshot_core PUBLIC CUDA::cudart_static)
list(JOIN CMAKE_CUDA_ARCHITECTURES " " LOWSHOT_CUDA_ARCHITECTURES)
target_compile_definitions(lowshot_core PUBLIC LOWSHOT_WITH_CUDA
                           PRIVATE LOWSHOT_CUDA_ARCHITECTURES="${LOWSHOT_CUDA_ARCHITECTURES}")
message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER_VERSION} for ${LOWSHOT_CUDA_ARCHITECTURES}")

# Networks on the GPU: only cuDNN 9's headers are needed to build them, its library is loaded when one is made.
find_path(CUDNN_INCLUDE_DIR cudnn_graph.h HINTS ${PROJECT_SOURCE_DIR}/build/third-party/cudnn/include
          PATHS ${CUDAToolkit_INCLUDE_DIRS} DOC "Folder with the headers of cuDNN 9")
if(CUDNN_INCLUDE_DIR)
  message(STATUS "CUDA: networks through cuDNN, headers in ${CUDNN_INCLUDE_DIR}")
else()
  message(STATUS "CUDA: no networks on the GPU, the headers of cuDNN 9 (cudnn_graph.h) were not found; "
                 "CUDNN_INCLUDE_DIR names their folder")
endif()
