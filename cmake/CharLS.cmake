# Finds the CharLS sources, applies our patches to a copy of them, and builds the static library `charls`, our scan codecs
# included.
#
# Sets CHARLS_SOURCE to path, submodule, index or system and, where CharLS is built, CHARLS_VERSION, CHARLS_PATCHES to the
# names of the patches applied, CHARLS_PATCHES_FOLDER to where they are, charls_directory to the sources as they were found,
# and charls_patched to the patched copy.

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH dicom_jpegls_root)

set(CHARLS_SOURCE_DIR "" CACHE PATH "CharLS 2.4 or 3 sources to build, instead of the submodule's")
option(DICOM_JPEGLS_SYSTEM_CHARLS "Link an installed CharLS 2.4 to 3 (unpatched) instead of building one" OFF)
option(DICOM_JPEGLS_FAST_SCAN "Build the scan codecs of native/scan into CharLS; not with a system CharLS" ON)

set(CHARLS_PATCHES "")

if(DICOM_JPEGLS_SYSTEM_CHARLS)
  find_package(charls CONFIG QUIET) # CharLS's configuration knows no range of versions with two major numbers
  if(NOT charls_FOUND OR charls_VERSION VERSION_LESS 2.4 OR charls_VERSION VERSION_GREATER_EQUAL 4)
    message(FATAL_ERROR
      "DICOM_JPEGLS_SYSTEM_CHARLS is on, but CMake finds no CharLS 2.4 or later, up to 3 (charlsConfig.cmake): "
      "found \"${charls_VERSION}\". "
      "Install its development package (libcharls-dev, CharLS-devel), point CMAKE_PREFIX_PATH at it, "
      "or leave the option off to build CharLS from source.")
  endif()
  set(CHARLS_SOURCE "system")
  return()
endif()

if(CHARLS_SOURCE_DIR)
  if(NOT EXISTS "${CHARLS_SOURCE_DIR}/include/charls/charls.h" OR NOT EXISTS "${CHARLS_SOURCE_DIR}/src/charls_jpegls_decoder.cpp")
    message(FATAL_ERROR
      "CHARLS_SOURCE_DIR is ${CHARLS_SOURCE_DIR}, which does not hold CharLS's sources "
      "(include/charls/charls.h and src/charls_jpegls_decoder.cpp). Point it at a CharLS 2.4 or 3 source folder.")
  endif()
  set(CHARLS_SOURCE "path")
  set(charls_directory "${CHARLS_SOURCE_DIR}")
else()
  set(build_support "${dicom_jpegls_root}/build_support")
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
set(CHARLS_VERSION "")
if(version_lines MATCHES "MAJOR ([0-9]+);.*MINOR ([0-9]+);.*PATCH ([0-9]+)")
  set(CHARLS_VERSION "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}")
endif()
if(CHARLS_VERSION VERSION_LESS 2.4 OR CHARLS_VERSION VERSION_GREATER_EQUAL 4)
  message(FATAL_ERROR "${charls_directory} does not hold CharLS 2.4 or later, up to 3: ${version_lines}")
endif()
if(CHARLS_VERSION VERSION_LESS 3)
  set(CHARLS_PATCHES_FOLDER "patches")
  set(versions_patched "CharLS 2.4.2 to 2.4.4")
else()
  set(CHARLS_PATCHES_FOLDER "patches/charls-3")
  set(versions_patched "the main branch that docs/charls-3.md names")
endif()

# The sources stay as they are: a copy is patched.
set(charls_copy "${CMAKE_BINARY_DIR}/charls-copy")
file(REMOVE_RECURSE "${charls_copy}")
file(COPY "${charls_directory}/include" "${charls_directory}/src" DESTINATION "${charls_copy}")

file(GLOB patches CONFIGURE_DEPENDS "${dicom_jpegls_root}/${CHARLS_PATCHES_FOLDER}/*.patch")
list(SORT patches)
if(patches)
  find_package(Git QUIET)
  if(Git_FOUND)
    # Outside of any repository, since git silently skips files that are in one but not at its top.
    cmake_path(GET charls_copy PARENT_PATH ceiling)
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
    COMMAND ${apply} "${patch}" WORKING_DIRECTORY "${charls_copy}"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR
      "${CHARLS_PATCHES_FOLDER}/${name}.patch does not apply to the CharLS sources of ${charls_directory}:\n${output}\n"
      "The patches are made for ${versions_patched}, unmodified.")
  endif()
  list(APPEND CHARLS_PATCHES "${name}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${patch}")
endforeach()

# Files that were patched alike the last time keep their times, so that nothing is compiled again.
set(charls_patched "${CMAKE_BINARY_DIR}/charls-patched")
file(GLOB_RECURSE names RELATIVE "${charls_copy}" "${charls_copy}/*")
file(GLOB_RECURSE others RELATIVE "${charls_patched}" "${charls_patched}/*")
list(REMOVE_ITEM others ${names})
foreach(name IN LISTS others)
  file(REMOVE "${charls_patched}/${name}")
endforeach()
foreach(name IN LISTS names)
  cmake_path(GET name PARENT_PATH folder)
  file(MAKE_DIRECTORY "${charls_patched}/${folder}")
  file(COPY_FILE "${charls_copy}/${name}" "${charls_patched}/${name}" ONLY_IF_DIFFERENT)
endforeach()
file(REMOVE_RECURSE "${charls_copy}")

# How the scan codecs are compiled: with full optimization whatever the build type, and so that speed does not depend on
# where the linker puts a loop.
set(scan_options "")
if(NOT MSVC)
  list(APPEND scan_options -O3 -falign-functions=64)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND scan_options -fno-tree-slp-vectorize) # which makes slow stores of contexts and codes
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
    list(APPEND scan_options -O1) # otherwise the lanes take many minutes to compile
  endif()
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND scan_options -Wno-pass-failed) # sanitizers keep loops from being vectorized
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
    list(APPEND scan_options -mllvm -x86-cmov-converter=false) # which makes branches that nothing predicts
  endif()
endif()

# Adds our scan codecs to a target that is built from the patched sources.
function(add_scan_codecs target)
  set(directory "${dicom_jpegls_root}/src/dicom_jpegls/native/scan")
  set(sources "${directory}/charls_adapter.cpp" "${directory}/lanes/scan_lanes.cpp")
  target_sources(${target} PRIVATE ${sources})
  target_include_directories(${target} PRIVATE "${directory}")
  target_include_directories(${target} SYSTEM PRIVATE "${charls_patched}/src")
  target_compile_definitions(${target} PUBLIC DICOM_JPEGLS_FAST_SCAN)
  set(options ${DICOM_JPEGLS_COMPILE_OPTIONS} ${scan_options})
  set_source_files_properties(${sources} TARGET_DIRECTORY ${target} PROPERTIES COMPILE_OPTIONS "${options}")
endfunction()

file(GLOB charls_sources "${charls_patched}/src/*.cpp")
add_library(charls STATIC ${charls_sources})
target_include_directories(charls SYSTEM PUBLIC "${charls_patched}/include")
target_compile_definitions(charls PUBLIC CHARLS_STATIC PRIVATE CHARLS_LIBRARY_BUILD)
target_compile_features(charls PUBLIC cxx_std_17)
set_target_properties(charls PROPERTIES
  POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

if(DICOM_JPEGLS_FAST_SCAN)
  add_scan_codecs(charls)
endif()
