// Which NUMA node a thread runs on, as the kernel says.
#pragma once

namespace spinney::memory {

// The nodes that this machine has online; 1 where nothing says.
unsigned node_count();
// The node that the calling thread is on now; 0 where nothing says. About 20 ns.
unsigned current_node();

}  // namespace spinney::memory
