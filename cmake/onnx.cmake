# ONNX models through OpenVINO, where it is found: in OpenVINO_DIR, else in the Python environment of the tests
# (scripts/setup), else where CMake looks by itself. Sets LOWSHOT_WITH_ONNX.
set_property(CACHE LOWSHOT_ONNX PROPERTY STRINGS AUTO ON OFF)
set(LOWSHOT_WITH_ONNX OFF)
if(NOT LOWSHOT_ONNX)
  message(STATUS "ONNX: left out (LOWSHOT_ONNX is OFF)")
  return()
endif()

file(GLOB folders ${PROJECT_SOURCE_DIR}/build/venv/lib/python3*/site-packages/openvino/cmake)
find_package(OpenVINO QUIET COMPONENTS Runtime HINTS ${folders})
if(OpenVINO_FOUND)
  set(LOWSHOT_WITH_ONNX ON)
  message(STATUS "ONNX: OpenVINO ${OpenVINO_VERSION}, ${OpenVINO_DIR}")
elseif(LOWSHOT_ONNX STREQUAL "AUTO")
  message(STATUS "ONNX: skipped, OpenVINO was not found; OpenVINO_DIR names its folder with OpenVINOConfig.cmake "
                 "(openvino/cmake in the site-packages that hold the Python package openvino)")
else()
  message(FATAL_ERROR "LOWSHOT_ONNX is ON and OpenVINO was not found; OpenVINO_DIR names its folder with "
                      "OpenVINOConfig.cmake (openvino/cmake in the site-packages that hold the Python package openvino)")
endif()
