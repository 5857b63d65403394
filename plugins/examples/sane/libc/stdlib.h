// What the generated code wants of <stdlib.h>; there is no C library.
#ifndef STDLIB_H
#define STDLIB_H

#include <stddef.h>

// Gives memory that nobody has been given, or NULL when none is left. `old` must be NULL: the host asks for whole lists and lets none grow.
void *realloc(void *old, size_t bytes);

// Does nothing: all memory is forgotten at once.
static inline void free(void *memory) { (void)memory; }

// Forgets all memory that was given. No part of C; for the end of a call that leaves nothing behind.
void forget_all(void);

// Ends the call, which has failed then.
static inline void abort(void) { __builtin_trap(); }

#endif
