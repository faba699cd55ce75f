// As many descriptors as the process may have, for programs that are a server and nothing else.
#pragma once

#include <sys/resource.h>

namespace spinney::server {

inline void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace spinney::server
