#include "spinney/cpu/hwloc.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#if defined(SPINNEY_HWLOC_HEADER)
#include <dlfcn.h>
#include <hwloc.h>
#endif

namespace spinney::cpu {

#if defined(SPINNEY_HWLOC_HEADER)
namespace {

// All of hwloc 2 has this name, and keeps the layout of its objects.
constexpr const char* kLibrary = "libhwloc.so.15";

struct Hwloc {
  decltype(&hwloc_get_api_version) get_api_version = nullptr;
  decltype(&hwloc_topology_init) topology_init = nullptr;
  decltype(&hwloc_topology_set_synthetic) set_synthetic = nullptr;
  decltype(&hwloc_topology_load) topology_load = nullptr;
  decltype(&hwloc_topology_destroy) topology_destroy = nullptr;
  decltype(&hwloc_get_type_depth) get_type_depth = nullptr;
  decltype(&hwloc_get_obj_by_depth) get_obj_by_depth = nullptr;
  decltype(&hwloc_bitmap_next) bitmap_next = nullptr;
  std::string missing;  // why it cannot be used; empty if it can

  bool usable() const {
    return missing.empty() && get_api_version && topology_init && set_synthetic && topology_load &&
           topology_destroy && get_type_depth && get_obj_by_depth && bitmap_next;
  }
};

template <typename Function>
void find(void* library, const char* name, Function& function, std::string& missing) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (!function && missing.empty()) missing = std::string(kLibrary) + " has no " + name;
}

Hwloc open_hwloc() {
  Hwloc hwloc;
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);  // never closed: threads may be in it
  if (!library) {
    hwloc.missing = std::string(kLibrary) + " is not installed (libhwloc15)";
    return hwloc;
  }
  find(library, "hwloc_get_api_version", hwloc.get_api_version, hwloc.missing);
  find(library, "hwloc_topology_init", hwloc.topology_init, hwloc.missing);
  find(library, "hwloc_topology_set_synthetic", hwloc.set_synthetic, hwloc.missing);
  find(library, "hwloc_topology_load", hwloc.topology_load, hwloc.missing);
  find(library, "hwloc_topology_destroy", hwloc.topology_destroy, hwloc.missing);
  find(library, "hwloc_get_type_depth", hwloc.get_type_depth, hwloc.missing);
  find(library, "hwloc_get_obj_by_depth", hwloc.get_obj_by_depth, hwloc.missing);
  find(library, "hwloc_bitmap_next", hwloc.bitmap_next, hwloc.missing);
  if (hwloc.missing.empty() && hwloc.get_api_version() >> 16 != 2)
    hwloc.missing = std::string(kLibrary) + " is not of hwloc 2";
  return hwloc;
}

const Hwloc& hwloc() {
  static const Hwloc opened = open_hwloc();
  return opened;
}

std::string version(const Hwloc& api) {
  const unsigned number = api.get_api_version();
  return "hwloc (its interface " + std::to_string(number >> 16) + "." +
         std::to_string(number >> 8 & 0xff) + ")";
}

// The processing units of a loaded topology. Their parents lead to the core; where hwloc sees no
// cores, each is one.
std::vector<Cpu> read_cpus(const Hwloc& api, hwloc_topology_t topology) {
  std::vector<Cpu> cpus;
  const int depth = api.get_type_depth(topology, HWLOC_OBJ_PU);
  for (unsigned i = 0;; ++i) {
    const hwloc_obj_t unit = api.get_obj_by_depth(topology, depth, i);
    if (!unit) break;
    hwloc_obj_t core = unit->parent;
    while (core && core->type != HWLOC_OBJ_CORE) core = core->parent;
    const int node = unit->nodeset ? api.bitmap_next(unit->nodeset, -1) : 0;
    cpus.push_back({unit->os_index, core ? core->logical_index : unit->logical_index,
                    node < 0 ? 0 : static_cast<unsigned>(node)});
  }
  std::sort(cpus.begin(), cpus.end(),
            [](const Cpu& a, const Cpu& b) { return a.number < b.number; });
  return cpus;
}

Result<Topology> read(const char* description) {
  const Hwloc& api = hwloc();
  if (!api.usable()) return unsupported(api.missing);
  hwloc_topology_t topology = nullptr;
  if (api.topology_init(&topology) != 0) return unsupported("hwloc cannot start");
  Topology found;
  const bool understood = !description || api.set_synthetic(topology, description) == 0;
  if (understood && api.topology_load(topology) == 0) found.cpus = read_cpus(api, topology);
  api.topology_destroy(topology);
  if (!understood)
    return invalid_argument("hwloc makes nothing of the topology '" + std::string(description) +
                            "'; expected one such as 'node:2 core:4 pu:2'");
  if (found.cpus.empty()) return unsupported("hwloc found no CPUs");
  found.source = version(api);
  return found;
}

}  // namespace

Result<Topology> hwloc_topology(std::span<const unsigned> allowed) {
  const char* wish = std::getenv("SPINNEY_HWLOC");
  if (wish && std::string_view(wish) == "off") return unsupported("SPINNEY_HWLOC=off");
  SPINNEY_ASSIGN(Topology topology, read(nullptr));
  std::erase_if(topology.cpus, [&](const Cpu& cpu) {
    return std::find(allowed.begin(), allowed.end(), cpu.number) == allowed.end();
  });
  if (topology.cpus.size() != allowed.size())
    return unsupported("hwloc does not know all CPUs that this process may use");
  return topology;
}

Result<Topology> hwloc_synthetic(const std::string& description) {
  return read(description.c_str());
}

#else

namespace {
Error without_header() { return unsupported("built without hwloc's header (libhwloc-dev)"); }
}  // namespace

Result<Topology> hwloc_topology(std::span<const unsigned>) { return without_header(); }
Result<Topology> hwloc_synthetic(const std::string&) { return without_header(); }

#endif

}  // namespace spinney::cpu
