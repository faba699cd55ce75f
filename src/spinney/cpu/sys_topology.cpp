// The topology that the kernel's own files tell, for machines without hwloc.
#include <algorithm>
#include <charconv>
#include <map>
#include <string>

#include "spinney/base/text_file.h"
#include "spinney/cpu/topology.h"

namespace spinney::cpu {
namespace {

// Node of each CPU, from node*/cpulist. Machines without NUMA have no such files: one node, 0.
std::map<unsigned, unsigned> read_nodes(const std::string& root) {
  std::map<unsigned, unsigned> node_of;
  for (const unsigned node : parse_cpu_list(read_text(root + "/node/online"))) {
    const std::string list = root + "/node/node" + std::to_string(node) + "/cpulist";
    for (const unsigned cpu : parse_cpu_list(read_text(list))) node_of.emplace(cpu, node);
  }
  return node_of;
}

}  // namespace

Result<Topology> topology_from_sys(const std::string& root, std::span<const unsigned> allowed) {
  const std::map<unsigned, unsigned> node_of = read_nodes(root);
  Topology topology;
  for (const unsigned number : allowed) {
    const std::string list =
        root + "/cpu/cpu" + std::to_string(number) + "/topology/thread_siblings_list";
    const std::vector<unsigned> siblings = parse_cpu_list(read_text(list));
    if (std::find(siblings.begin(), siblings.end(), number) == siblings.end())
      return Error{Code::kNotFound, list + " does not tell which CPUs share a core"};
    const auto node = node_of.find(number);
    // A core is named by its first thread, whose number no other core has.
    topology.cpus.push_back({number, *std::min_element(siblings.begin(), siblings.end()),
                             node == node_of.end() ? 0 : node->second});
  }
  topology.source = root.starts_with("/sys/") ? "/sys" : root;
  return topology;
}

}  // namespace spinney::cpu
