# What the core needs from the system. Each missing piece is named with the Debian package that has
# it, all at once, so that one `apt install` mends the configuration.
option(SPINNEY_WERROR "Treat warnings as errors" ON)

find_package(Threads REQUIRED)

set(spinney_missing "")
macro(spinney_find_library variable header library package)
  find_path(${variable}_INCLUDE_DIR ${header})
  find_library(${variable}_LIBRARY ${library})
  if(NOT ${variable}_INCLUDE_DIR OR NOT ${variable}_LIBRARY)
    list(APPEND spinney_missing ${package})
  endif()
endmacro()

spinney_find_library(ZLIB zlib.h z zlib1g-dev)
spinney_find_library(BZIP2 bzlib.h bz2 libbz2-dev)
spinney_find_library(LZMA lzma.h lzma liblzma-dev)
spinney_find_library(LZ4 lz4frame.h lz4 liblz4-dev)
find_path(XXHASH_INCLUDE_DIR xxhash.h)
if(NOT XXHASH_INCLUDE_DIR)
  list(APPEND spinney_missing libxxhash-dev)
endif()

if(spinney_missing)
  list(JOIN spinney_missing " " spinney_packages)
  message(FATAL_ERROR "Spinney needs system libraries that are not installed. On Debian or Ubuntu:\n"
                      "  apt-get install ${spinney_packages}")
endif()
