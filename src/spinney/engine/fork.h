// Keeps engines in order over fork(), through pthread_atfork(). docs/decisions/forks.md has the
// rule for every lock and for what threads were in the middle of.
#pragma once

namespace spinney::engine {

class Core;

void watch_forks(Core* core);
void unwatch_forks(Core* core);

}  // namespace spinney::engine
