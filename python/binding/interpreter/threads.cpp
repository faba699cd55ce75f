#include "binding/interpreter/threads.h"

#include <nanobind/stl/string.h>

#include "binding/interpreter/errors.h"
#include "spinney/cpu/count.h"
#include "spinney/cpu/topology.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

cpu::Topology topology_of(const nb::object& synthetic) {
  if (synthetic.is_none()) return cpu::read_topology();
  auto made = cpu::synthetic_topology(nb::cast<std::string>(synthetic));
  if (made.ok()) return std::move(made).value();
  raise(made.error());
  throw nb::python_error();
}

nb::dict cpu_topology(const nb::object& synthetic) {
  const cpu::Topology topology = topology_of(synthetic);
  nb::list cpus;
  for (const cpu::Cpu& cpu : topology.cpus)
    cpus.append(nb::make_tuple(cpu.number, cpu.core, cpu.node));
  nb::dict result;
  result["cpus"] = cpus;
  result["source"] = topology.source;
  return result;
}

nb::list assign_threads(unsigned threads, const nb::object& synthetic) {
  nb::list places;
  for (const cpu::Place& place : cpu::assign(topology_of(synthetic), threads).places)
    places.append(nb::make_tuple(place.cpu, place.node));
  return places;
}

}  // namespace

void define_threads(nb::module_& m) {
  m.def("usable_cpus", &cpu::usable_cpus,
        "CPUs that this process may use: those of its affinity mask, or fewer where its control "
        "group has a smaller quota.");
  m.def("cpu_topology", &cpu_topology, "synthetic"_a = nb::none(),
        "The CPUs that this thread may use: cpus, a list of (number, physical core, NUMA node), "
        "and source, who told. synthetic: a description in hwloc's words to read instead.");
  m.def("assign_threads", &assign_threads, "threads"_a, "synthetic"_a = nb::none(),
        "(CPU, NUMA node) for each of so many threads: physical cores first, nodes together.");
}

}  // namespace spinney::binding
