// Marks a hot loop to be compiled for several generations of x86-64; the loader picks the best at
// start. Used where the compiler's vectorisation decides the speed, so that no processor feature is
// required.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define ASSAY_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ASSAY_CLONES
#endif
