# Finds the CharLS sources, applies our patches to a copy of them, and builds the static library `charls`, our scan codecs
# included.
#
# Sets CHARLS_SOURCE to path, submodule, index or system and, where CharLS is built, CHARLS_VERSION and CHARLS_PATCHES to
# the names of the patches applied.

set(CHARLS_SOURCE_DIR "" CACHE PATH "CharLS 2.4 sources to build, instead of the submodule's")
option(DICOM_JPEGLS_SYSTEM_CHARLS "Link an installed CharLS >= 2.4 (unpatched) instead of building one" OFF)
option(DICOM_JPEGLS_FAST_SCAN "Build the scan codecs of native/scan into CharLS; not with a system CharLS" ON)

set(CHARLS_PATCHES "")

if(DICOM_JPEGLS_SYSTEM_CHARLS)
  find_package(charls 2.4 CONFIG QUIET)
  if(NOT charls_FOUND)
    message(FATAL_ERROR
      "DICOM_JPEGLS_SYSTEM_CHARLS is on, but CMake finds no CharLS 2.4 or later (charlsConfig.cmake). "
      "Install its development package (libcharls-dev, CharLS-devel), point CMAKE_PREFIX_PATH at it, "
      "or leave the option off to build CharLS from source.")
  endif()
  set(CHARLS_SOURCE "system")
  return()
endif()

if(CHARLS_SOURCE_DIR)
  if(NOT EXISTS "${CHARLS_SOURCE_DIR}/include/charls/charls.h" OR NOT EXISTS "${CHARLS_SOURCE_DIR}/src/jpegls.cpp")
    message(FATAL_ERROR
      "CHARLS_SOURCE_DIR is ${CHARLS_SOURCE_DIR}, which does not hold CharLS's sources "
      "(include/charls/charls.h and src/jpegls.cpp). Point it at a CharLS 2.4 source folder.")
  endif()
  set(CHARLS_SOURCE "path")
  set(charls_directory "${CHARLS_SOURCE_DIR}")
else()
  set(build_support "${CMAKE_SOURCE_DIR}/build_support")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${build_support}/charls-index.txt")
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -B "${build_support}/charls_sources.py"
    RESULT_VARIABLE status OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "There are no CharLS sources to build: see the reasons above.")
  endif()
  list(POP_FRONT found CHARLS_SOURCE charls_directory)
endif()

file(STRINGS "${charls_directory}/include/charls/version.h" version_lines REGEX "define CHARLS_VERSION_(MAJOR|MINOR|PATCH)")
if(NOT version_lines MATCHES "MAJOR ([0-9]+);.*MINOR ([0-9]+);.*PATCH ([0-9]+)"
   OR NOT CMAKE_MATCH_1 EQUAL 2 OR CMAKE_MATCH_2 LESS 4)
  message(FATAL_ERROR "${charls_directory} does not hold CharLS 2.4 or a later 2.x: ${version_lines}")
endif()
set(CHARLS_VERSION "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")

# The sources stay as they are: a copy is patched.
set(patched "${CMAKE_BINARY_DIR}/charls-patched")
file(REMOVE_RECURSE "${patched}")
file(COPY "${charls_directory}/include" "${charls_directory}/src" DESTINATION "${patched}")

file(GLOB patches CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/patches/*.patch")
list(SORT patches)
if(patches)
  find_package(Git QUIET)
  if(Git_FOUND)
    # Outside of any repository, since git skips in silence what lies in one but not at its top.
    cmake_path(GET patched PARENT_PATH ceiling)
    set(apply "${CMAKE_COMMAND}" -E env --unset=GIT_DIR --unset=GIT_WORK_TREE "GIT_CEILING_DIRECTORIES=${ceiling}"
              "${GIT_EXECUTABLE}" apply --whitespace=nowarn)
  else()
    find_program(PATCH_EXECUTABLE patch)
    if(NOT PATCH_EXECUTABLE)
      message(FATAL_ERROR "Neither git nor patch is there to apply patches/ to CharLS: install one of them.")
    endif()
    set(apply "${PATCH_EXECUTABLE}" --strip=1 --forward --batch --fuzz=0 --input)
  endif()
endif()
foreach(patch IN LISTS patches)
  cmake_path(GET patch STEM LAST_ONLY name)
  execute_process(
    COMMAND ${apply} "${patch}" WORKING_DIRECTORY "${patched}"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR
      "patches/${name}.patch does not apply to the CharLS sources of ${charls_directory}:\n${output}\n"
      "The patches are made for CharLS 2.4.2 to 2.4.4, unmodified.")
  endif()
  list(APPEND CHARLS_PATCHES "${name}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${patch}")
endforeach()

file(GLOB charls_sources "${patched}/src/*.cpp")
add_library(charls STATIC ${charls_sources})
target_include_directories(charls PUBLIC "${patched}/include")
target_compile_definitions(charls PUBLIC CHARLS_STATIC PRIVATE CHARLS_LIBRARY_BUILD)
target_compile_features(charls PUBLIC cxx_std_17)
set_target_properties(charls PROPERTIES
  POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

if(DICOM_JPEGLS_FAST_SCAN)
  set(scan_codecs "${CMAKE_SOURCE_DIR}/src/dicom_jpegls/native/scan")
  target_sources(charls PRIVATE "${scan_codecs}/scan_codecs.cpp")
  if(NOT MSVC) # so that speed does not depend on where the linker puts a loop
    set_source_files_properties("${scan_codecs}/scan_codecs.cpp" PROPERTIES COMPILE_OPTIONS -falign-functions=64)
  endif()
  target_include_directories(charls PRIVATE "${scan_codecs}" "${patched}/src")
  target_compile_definitions(charls PUBLIC DICOM_JPEGLS_FAST_SCAN)
endif()
