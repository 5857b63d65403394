// What the generated code wants of <string.h>; there is no C library.
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

// The compiler's own: an instruction of WebAssembly.
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);

static inline size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length]) {
        length++;
    }
    return length;
}

#endif
