// The door of this room: raw columns become the rows that a model reads.
//
// Options say what is asked for, fit() or Statistics turn rows into a Recipe, a Program runs it in
// one pass over the values. An engine keeps the Program and calls run() with the rows of a batch
// and the buffer that the model's plan reads. Programs know no threads: callers divide rows as they
// like, and the bits stay the same.
#pragma once

#include "spinney/prepare/fit.h"
#include "spinney/prepare/program.h"
#include "spinney/prepare/recipe.h"
#include "spinney/prepare/serialize.h"
#include "spinney/prepare/statistics.h"
