// Keeps engines in order over fork(), through pthread_atfork().
#pragma once

namespace spinney::engine {

class Core;

void watch_forks(Core* core);
void unwatch_forks(Core* core);

}  // namespace spinney::engine
