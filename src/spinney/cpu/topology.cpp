#include "spinney/cpu/topology.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "spinney/cpu/affinity.h"
#include "spinney/cpu/hwloc.h"

namespace spinney::cpu {
namespace {

// Lists in the kernel's files are short; a number beyond this is no CPU.
constexpr unsigned kCpusMax = 1u << 20;

Topology plain_order(std::span<const unsigned> allowed, const std::string& why) {
  Topology topology;
  for (const unsigned number : allowed) topology.cpus.push_back({number, number, 0});
  topology.source = "plain order (" + why + ")";
  return topology;
}

// Which of its core's CPUs each one is: 0 for the first.
std::vector<unsigned> turns(const std::vector<Cpu>& cpus) {
  std::vector<unsigned> turn(cpus.size(), 0);
  for (size_t i = 0; i < cpus.size(); ++i)
    for (size_t j = 0; j < i; ++j) turn[i] += cpus[j].core == cpus[i].core;
  return turn;
}

}  // namespace

size_t Topology::n_cores() const {
  std::set<unsigned> cores;
  for (const Cpu& cpu : cpus) cores.insert(cpu.core);
  return cores.size();
}

std::vector<unsigned> Topology::nodes() const {
  std::set<unsigned> found;
  for (const Cpu& cpu : cpus) found.insert(cpu.node);
  return {found.begin(), found.end()};
}

Topology read_topology() {
  const std::vector<unsigned> allowed = affinity();
  const auto hwloc = hwloc_topology(allowed);
  if (hwloc.ok()) return *hwloc;
  auto sys = topology_from_sys("/sys/devices/system", allowed);
  if (sys.ok()) {
    sys->source += " (" + hwloc.error().message + ")";
    return std::move(sys).value();
  }
  return plain_order(allowed, hwloc.error().message + "; " + sys.error().message);
}

Result<Topology> synthetic_topology(std::string_view description) {
  return hwloc_synthetic(std::string(description));
}

Assignment assign(const Topology& topology, unsigned threads) {
  const std::vector<Cpu>& cpus = topology.cpus;
  const std::vector<unsigned> turn = turns(cpus);
  std::vector<size_t> order(cpus.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(turn[a], cpus[a].node, cpus[a].number) <
           std::tuple(turn[b], cpus[b].node, cpus[b].number);
  });
  Assignment assignment;
  std::set<unsigned> nodes;
  for (unsigned i = 0; i < threads && !order.empty(); ++i) {
    const Cpu& cpu = cpus[order[i % order.size()]];
    assignment.places.push_back({cpu.number, cpu.node});
    nodes.insert(cpu.node);
  }
  assignment.nodes.assign(nodes.begin(), nodes.end());
  return assignment;
}

void take_place(const Topology& topology, const Assignment& assignment, size_t number, bool pin) {
  if (number >= assignment.places.size()) return;
  const Place& place = assignment.places[number];
  place_on_node(place.node);
  if (pin) {
    (void)set_affinity({place.cpu});
  } else if (topology.nodes().size() > 1) {
    std::vector<unsigned> cpus;
    for (const Cpu& cpu : topology.cpus)
      if (cpu.node == place.node) cpus.push_back(cpu.number);
    (void)set_affinity(cpus);
  }
}

std::vector<unsigned> parse_cpu_list(std::string_view text) {
  std::vector<unsigned> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end && *at != '\n') {
    unsigned first = 0;
    auto read = std::from_chars(at, end, first);
    if (read.ec != std::errc()) return {};
    unsigned last = first;
    at = read.ptr;
    if (at != end && *at == '-') {
      read = std::from_chars(at + 1, end, last);
      if (read.ec != std::errc()) return {};
      at = read.ptr;
    }
    if (last < first || last >= kCpusMax) return {};
    for (unsigned number = first; number <= last; ++number) numbers.push_back(number);
    if (at != end && *at == ',') ++at;
  }
  return numbers;
}

}  // namespace spinney::cpu
