# Finds the CharLS sources, applies our patches to a copy of them, and builds the static library `charls`, our scan codecs
# included.
#
# Sets CHARLS_SOURCE to path, submodule, index or system, CHARLS_PATCHES to the names of the patches applied,
# charls_directory to the sources as they were found, and charls_patched to the patched copy.

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH dicom_jpegls_root)

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

# Whether a folder holds what is built: not true of an empty submodule folder.
function(is_charls_source directory result)
  set(found FALSE)
  if(EXISTS "${directory}/include/charls/charls.h" AND EXISTS "${directory}/src/jpegls.cpp")
    set(found TRUE)
  endif()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

function(update_submodule result)
  set(${result} "the checkout has no submodule" PARENT_SCOPE)
  find_package(Git QUIET)
  if(NOT Git_FOUND OR NOT EXISTS "${dicom_jpegls_root}/.git")
    return()
  endif()
  execute_process(
    COMMAND "${GIT_EXECUTABLE}" ls-files --stage charls
    WORKING_DIRECTORY "${dicom_jpegls_root}" OUTPUT_VARIABLE entry ERROR_VARIABLE error)
  if(NOT entry MATCHES "^160000 ")
    string(STRIP "git finds no submodule in the checkout. ${error}" error)
    set(${result} "${error}" PARENT_SCOPE)
    return()
  endif()
  message(STATUS "CharLS: updating the submodule")
  set(git "${CMAKE_COMMAND}" -E env GIT_TERMINAL_PROMPT=0
          "${GIT_EXECUTABLE}" -c http.lowSpeedLimit=10000 -c http.lowSpeedTime=20)
  execute_process(COMMAND ${git} submodule --quiet init charls WORKING_DIRECTORY "${dicom_jpegls_root}")
  execute_process(
    COMMAND ${git} config submodule.charls.url
    WORKING_DIRECTORY "${dicom_jpegls_root}" OUTPUT_VARIABLE url OUTPUT_STRIP_TRAILING_WHITESPACE)
  # Ask first: git waits minutes for a firewall that drops packets, and a clone killed then blocks later ones.
  execute_process(
    COMMAND ${git} ls-remote --quiet "${url}" HEAD
    WORKING_DIRECTORY "${dicom_jpegls_root}" TIMEOUT 20
    RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE error)
  if(status EQUAL 0)
    execute_process(
      COMMAND ${git} submodule update --depth 1 charls
      WORKING_DIRECTORY "${dicom_jpegls_root}" TIMEOUT 600 RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    # Some servers have no shallow clones, or refuse a commit that no branch ends at.
    if(NOT status EQUAL 0)
      if(EXISTS "${dicom_jpegls_root}/charls/.git")
        execute_process(
          COMMAND ${git} fetch --unshallow
          WORKING_DIRECTORY "${dicom_jpegls_root}/charls" TIMEOUT 600 OUTPUT_QUIET ERROR_QUIET)
      endif()
      execute_process(
        COMMAND ${git} submodule update charls
        WORKING_DIRECTORY "${dicom_jpegls_root}" TIMEOUT 600
        RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE error)
    endif()
  endif()
  if(status EQUAL 0)
    set(${result} "" PARENT_SCOPE)
  else()
    string(STRIP "git submodule update failed (${status}). ${error}" error)
    set(${result} "${error}" PARENT_SCOPE)
  endif()
endfunction()

# Downloads the sdist named in charls-index.txt; pip checks its SHA-256 before it opens it.
function(download_from_index directory result)
  set(${result} "" PARENT_SCOPE)
  set(requirement "${dicom_jpegls_root}/cmake/charls-index.txt")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${requirement}")
  message(STATUS "CharLS: downloading the sources from the Python package index")
  file(REMOVE_RECURSE "${directory}")
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m pip download --quiet --disable-pip-version-check --no-deps
            --no-binary pyjpegls --require-hashes --requirement "${requirement}" --dest "${directory}"
    RESULT_VARIABLE status OUTPUT_QUIET ERROR_VARIABLE error)
  if(NOT status EQUAL 0)
    string(STRIP "${error}" error)
    set(${result} "pip download failed: ${error}" PARENT_SCOPE)
    return()
  endif()
  file(GLOB archive "${directory}/*.tar.gz")
  # TOUCH, since the archive's own dates are older than charls-index.txt: each configuration would download it again.
  file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${directory}" PATTERNS "*/lib/charls/*" TOUCH)
  file(GLOB sources "${directory}/*/lib/charls")
  file(RENAME "${sources}" "${directory}/charls")
endfunction()

set(submodule "${dicom_jpegls_root}/charls")
set(from_index "${CMAKE_BINARY_DIR}/charls-index")

if(CHARLS_SOURCE_DIR)
  is_charls_source("${CHARLS_SOURCE_DIR}" found)
  if(NOT found)
    message(FATAL_ERROR
      "CHARLS_SOURCE_DIR is ${CHARLS_SOURCE_DIR}, which does not hold CharLS's sources "
      "(include/charls/charls.h and src/jpegls.cpp). Point it at a CharLS 2.4 source folder.")
  endif()
  set(CHARLS_SOURCE "path")
  set(charls_directory "${CHARLS_SOURCE_DIR}")
else()
  is_charls_source("${submodule}" found)
  if(NOT found)
    update_submodule(submodule_error)
    is_charls_source("${submodule}" found)
  endif()
  if(found)
    set(CHARLS_SOURCE "submodule")
    set(charls_directory "${submodule}")
  else()
    set(charls_directory "${from_index}/charls")
    is_charls_source("${charls_directory}" found)
    if(NOT found OR "${dicom_jpegls_root}/cmake/charls-index.txt" IS_NEWER_THAN "${charls_directory}")
      download_from_index("${from_index}" index_error)
      is_charls_source("${charls_directory}" found)
    endif()
    if(NOT found)
      message(FATAL_ERROR
        "CharLS's sources are nowhere to be had.\n"
        "  The folder ${submodule} is empty; ${submodule_error}\n"
        "  From the Python package index: ${index_error}\n"
        "Do one of these:\n"
        "  git submodule update --init charls\n"
        "  point pip at a package index that this machine reaches (pip config set global.index-url ...)\n"
        "  pass the folder of CharLS 2.4 sources: pip install . -C cmake.define.CHARLS_SOURCE_DIR=/path/to/charls\n"
        "  link an installed CharLS: pip install . -C cmake.define.DICOM_JPEGLS_SYSTEM_CHARLS=ON")
    endif()
    set(CHARLS_SOURCE "index")
  endif()
endif()

file(STRINGS "${charls_directory}/include/charls/version.h" version_lines REGEX "define CHARLS_VERSION_(MAJOR|MINOR)")
if(NOT version_lines MATCHES "MAJOR 2;.*MINOR ([0-9]+)" OR CMAKE_MATCH_1 LESS 4)
  message(FATAL_ERROR "${charls_directory} does not hold CharLS 2.4 or a later 2.x: ${version_lines}")
endif()

# The sources stay as they are: a copy is patched.
set(charls_patched "${CMAKE_BINARY_DIR}/charls-patched")
file(REMOVE_RECURSE "${charls_patched}")
file(COPY "${charls_directory}/include" "${charls_directory}/src" DESTINATION "${charls_patched}")

file(GLOB patches CONFIGURE_DEPENDS "${dicom_jpegls_root}/patches/*.patch")
list(SORT patches)
if(patches)
  find_package(Git QUIET)
  if(Git_FOUND)
    # Outside of any repository, since git silently skips files that are in one but not at its top.
    cmake_path(GET charls_patched PARENT_PATH ceiling)
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
    COMMAND ${apply} "${patch}" WORKING_DIRECTORY "${charls_patched}"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR
      "patches/${name}.patch does not apply to the CharLS sources of ${charls_directory}:\n${output}\n"
      "The patches are made for CharLS 2.4.2 to 2.4.4, unmodified.")
  endif()
  list(APPEND CHARLS_PATCHES "${name}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${patch}")
endforeach()

# How the scan codecs are compiled: with full optimization whatever the build type, and so that speed does not depend on
# where the linker puts a loop.
set(scan_options "")
if(NOT MSVC)
  list(APPEND scan_options -O3 -falign-functions=64)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND scan_options -fno-tree-slp-vectorize) # which makes slow stores of contexts and codes
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
