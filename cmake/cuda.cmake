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
file(GLOB_RECURSE LOWSHOT_CUDA_SOURCES CONFIGURE_DEPENDS src/*.cu)
add_library(lowshot_cuda OBJECT ${LOWSHOT_CUDA_SOURCES})
target_include_directories(lowshot_cuda PRIVATE include src)
target_compile_definitions(lowshot_cuda PRIVATE LOWSHOT_WITH_CUDA)
target_compile_options(lowshot_cuda PRIVATE -Xcompiler=-Wall,-Wextra)
if(LOWSHOT_WERROR)
  target_compile_options(lowshot_cuda PRIVATE -Werror=all-warnings)
endif()

# The runtime is linked statically and loads the driver on first use: the program starts on machines without a GPU.
target_sources(lowshot_core PRIVATE $<TARGET_OBJECTS:lowshot_cuda>)
target_link_libraries(lowshot_core PUBLIC CUDA::cudart_static)
list(JOIN CMAKE_CUDA_ARCHITECTURES " " LOWSHOT_CUDA_ARCHITECTURES)
target_compile_definitions(lowshot_core PUBLIC LOWSHOT_WITH_CUDA
                           PRIVATE LOWSHOT_CUDA_ARCHITECTURES="${LOWSHOT_CUDA_ARCHITECTURES}")
message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER_VERSION} for ${LOWSHOT_CUDA_ARCHITECTURES}")
