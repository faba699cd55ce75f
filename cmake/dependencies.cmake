# What the library links with. Each missing piece is named with the Debian package that has it, all
# at once, so that one `apt-get install` mends the configuration. Read when Spinney is built and,
# from where it is installed, by find_package(spinney).
find_package(Threads REQUIRED)

set(spinney_missing "")
macro(spinney_find_library name header library package)
  find_path(SPINNEY_${name}_INCLUDE_DIR ${header})
  find_library(SPINNEY_${name}_LIBRARY ${library})
  mark_as_advanced(SPINNEY_${name}_INCLUDE_DIR SPINNEY_${name}_LIBRARY)
  if(NOT SPINNEY_${name}_INCLUDE_DIR OR NOT SPINNEY_${name}_LIBRARY)
    list(APPEND spinney_missing ${package})
  elseif(NOT TARGET spinney::${name})
    add_library(spinney::${name} UNKNOWN IMPORTED)
    set_target_properties(spinney::${name} PROPERTIES
      IMPORTED_LOCATION "${SPINNEY_${name}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${SPINNEY_${name}_INCLUDE_DIR}")
  endif()
endmacro()

spinney_find_library(zlib zlib.h z zlib1g-dev)
spinney_find_library(bzip2 bzlib.h bz2 libbz2-dev)
spinney_find_library(lzma lzma.h lzma liblzma-dev)
spinney_find_library(lz4 lz4frame.h lz4 liblz4-dev)
spinney_find_library(zstd zstd.h zstd libzstd-dev)
# A shared library: Debian's static one is not made to be a part of an extension.
spinney_find_library(yaml_cpp yaml-cpp/yaml.h yaml-cpp libyaml-cpp-dev)
if(PROJECT_NAME STREQUAL "spinney")  # compiled in: what links with Spinney needs neither
  find_path(XXHASH_INCLUDE_DIR xxhash.h)
  if(NOT XXHASH_INCLUDE_DIR)
    list(APPEND spinney_missing libxxhash-dev)
  endif()
  find_path(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h)
  if(NOT FLATBUFFERS_INCLUDE_DIR)
    list(APPEND spinney_missing libflatbuffers-dev)
  endif()
  find_path(SPINNEY_BEAST_INCLUDE_DIR boost/beast/http/basic_parser.hpp)
  mark_as_advanced(SPINNEY_BEAST_INCLUDE_DIR)
  if(NOT SPINNEY_BEAST_INCLUDE_DIR AND NOT SPINNEY_SERVER_LIBRARY)
    list(APPEND spinney_missing libboost-dev)
  endif()
  find_path(SPINNEY_HWLOC_INCLUDE_DIR hwloc.h)
  mark_as_advanced(SPINNEY_HWLOC_INCLUDE_DIR)
  if(NOT SPINNEY_HWLOC_INCLUDE_DIR)
    message(STATUS "hwloc.h is not there (libhwloc-dev): CPU topology is read from /sys alone")
  endif()
endif()

if(spinney_missing)
  list(JOIN spinney_missing " " spinney_packages)
  message(FATAL_ERROR "Spinney needs system libraries that are not installed. On Debian or Ubuntu:\n"
                      "  apt-get install ${spinney_packages}")
endif()
