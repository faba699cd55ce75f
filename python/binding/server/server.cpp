#include "binding/server/server.h"

#include <nanobind/stl/string.h>

#include <cmath>
#include <memory>
#include <string>

#include "binding/interpreter/errors.h"
#include "binding/interpreter/interpreter_lock.h"
#include "binding/model/model.h"
#include "server/raise_limit.h"
#include "server/server.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spinney::binding {
namespace {

void check(const Status& status) {
  if (status.ok()) return;
  raise(status.error());
  throw nb::python_error();
}

int64_t nanoseconds_of(double seconds) {
  if (std::isnan(seconds) || seconds <= 0) return 0;
  return seconds < 1e9 ? static_cast<int64_t>(seconds * 1e9) : 1'000'000'000 * kSecond;
}

size_t whole(const nb::dict& given, const char* name, size_t otherwise) {
  return given.contains(name) ? nb::cast<size_t>(given[name]) : otherwise;
}
int64_t duration(const nb::dict& given, const char* name, int64_t otherwise) {
  return given.contains(name) ? nanoseconds_of(nb::cast<double>(given[name])) : otherwise;
}

// No thread of it ever runs Python, so that it needs no interpreter's lock.
class PyServer {
 public:
  PyServer(const std::string& host, uint16_t port, const nb::dict& given) {
    server::Options options;
    options.host = host;
    options.port = port;
    options.version = SPINNEY_VERSION;
    options.threads = whole(given, "threads", 0);
    options.connections = whole(given, "connections", options.connections);
    options.buffer_bytes = whole(given, "buffer_bytes", options.buffer_bytes);
    options.engine.num_workers = whole(given, "workers", 0);
    options.engine.cache_entries = whole(given, "cache_entries", 0);
    options.engine.max_concurrent_requests = whole(given, "concurrent_requests", 0);
    server::http1::Limits& limits = options.limits;
    limits.header_bytes = whole(given, "header_bytes", limits.header_bytes);
    limits.body_bytes = whole(given, "body_bytes", limits.body_bytes);
    limits.idle_ns = duration(given, "idle_s", limits.idle_ns);
    limits.header_ns = duration(given, "header_s", limits.header_ns);
    limits.body_ns = duration(given, "body_s", limits.body_ns);
    limits.send_ns = duration(given, "send_s", limits.send_ns);
    Result<std::unique_ptr<server::Server>> made = invalid_argument("");
    {
      const Unlocked released;
      made = server::Server::make(std::move(options));
    }
    if (!made.ok()) check(made.error());
    server_ = std::move(made).value();
  }

  void load(const std::string& name, const std::string& version, const BoundModel& bound) {
    const Model model = bound.model;
    Status status;
    {
      const Unlocked released;
      status = server_->load(name, version, model);
    }
    check(status);
  }
  void unload(const std::string& name, const std::string& version) {
    Status status;
    {
      const Unlocked released;
      status = server_->unload(name, version);
    }
    check(status);
  }
  void listen() {
    Status status;
    {
      const Unlocked released;
      status = server_->listen();
    }
    check(status);
  }
  bool drain(double seconds) {
    const Unlocked released;
    return server_->drain(nanoseconds_of(seconds));
  }
  void abandon() { server_->abandon(); }
  std::string url() const { return server_->url(); }
  uint16_t port() const { return server_->port(); }

 private:
  std::unique_ptr<server::Server> server_;
};

}  // namespace

void define_server(nb::module_& m) {
  nb::class_<PyServer>(m, "HttpServer", "The server of spinney.serve.")
      .def(nb::init<const std::string&, uint16_t, const nb::dict&>(), "host"_a, "port"_a,
           "options"_a)
      .def("load", &PyServer::load, "name"_a, "version"_a, "model"_a,
           "Serves the model under this name and version from now on.")
      .def("unload", &PyServer::unload, "name"_a, "version"_a,
           "Takes no more requests for it; an empty version stands for all.")
      .def("listen", &PyServer::listen, "Takes its address and serves in threads of its own.")
      .def("drain", &PyServer::drain, "seconds"_a,
           "Ends it; True if all that was begun was answered within the time.")
      .def("abandon", &PyServer::abandon, "Lets go of it, in a forked child.")
      .def_prop_ro("url", &PyServer::url, "Such as http://127.0.0.1:8080.")
      .def_prop_ro("port", &PyServer::port, "The port that it listens on.");
  m.def("raise_descriptor_limit", &server::raise_descriptor_limit,
        "As many open descriptors as the process may have.");
}

}  // namespace spinney::binding
