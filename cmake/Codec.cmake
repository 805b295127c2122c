# Builds the codec without Python: the static library `codec` of native/codec. Include CharLS.cmake first.

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH codec_root)
set(codec_package "${codec_root}/src/dicom_jpegls")

configure_file("${CMAKE_CURRENT_LIST_DIR}/build_info.h.in" "${CMAKE_CURRENT_BINARY_DIR}/include/build_info.h" @ONLY)

file(GLOB codec_sources CONFIGURE_DEPENDS "${codec_package}/native/codec/*.cpp")
add_library(codec STATIC ${codec_sources})
target_include_directories(codec PUBLIC
  "${codec_package}/native" "${codec_package}/include" "${CMAKE_CURRENT_BINARY_DIR}/include")
target_link_libraries(codec PUBLIC charls)
target_compile_features(codec PUBLIC cxx_std_17)
set_target_properties(codec PROPERTIES
  POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
