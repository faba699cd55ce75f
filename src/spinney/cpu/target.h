// Regions compiled for more instructions than the baseline's, for gcc and clang alike:
//
//   SPINNEY_QUIET_UNDEFINED       // before <immintrin.h>
//   #include <immintrin.h>
//   SPINNEY_TARGET_BEGIN("avx2,bmi2")
//   ... functions ...
//   SPINNEY_TARGET_END
//
// Preferred to flags for a whole file, which would also compile the inline functions of every
// header for them, and a program might then run those on a CPU without them.
#pragma once

#define SPINNEY_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)

#define SPINNEY_TARGET_BEGIN(features) \
  SPINNEY_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define SPINNEY_TARGET_END SPINNEY_PRAGMA(clang attribute pop)
#define SPINNEY_UNROLL(count) SPINNEY_PRAGMA(clang loop unroll_count(count))
#define SPINNEY_QUIET_UNDEFINED

#else

#define SPINNEY_TARGET_BEGIN(features) \
  SPINNEY_PRAGMA(GCC push_options)     \
  SPINNEY_PRAGMA(GCC target(features))
#define SPINNEY_TARGET_END SPINNEY_PRAGMA(GCC pop_options)
#define SPINNEY_UNROLL(count) SPINNEY_PRAGMA(GCC unroll count)
// gcc 12 takes the intrinsics' own undefined operands for mistakes (gcc bug 105593).
#define SPINNEY_QUIET_UNDEFINED                            \
  SPINNEY_PRAGMA(GCC diagnostic ignored "-Wuninitialized") \
  SPINNEY_PRAGMA(GCC diagnostic ignored "-Wmaybe-uninitialized")

#endif
