// The door of the server: models over HTTP.
//
//   auto server = spinney::server::Server::make(options).value();
//   server->load("fraud", "1", model);
//   server->listen();
//   server->url();                 // "http://127.0.0.1:8080"
//   server->drain(25 * kSecond);   // not ready, no new connections, what was begun is answered
//
// It is ready as soon as it listens: load the models that it is to have before. Others may come and
// go at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/http1/limits.h"
#include "spinney/base/result.h"
#include "spinney/engine/options.h"
#include "spinney/spinney.h"

namespace spinney::server {

struct Options {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;  // 0: any that is free
  size_t threads = 0;    // that serve connections; 0: as many as the process may use CPUs
  size_t connections = 12'000;
  size_t buffer_bytes = size_t{1} << 30;  // of all connections' buffers together
  http1::Limits limits;
  engine::EngineOptions engine;
  std::string version;  // of Spinney, for the metadata
};

class Server {
 public:
  // Makes the engine; listens with listen().
  static Result<std::unique_ptr<Server>> make(Options options);
  // As drain(0).
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes its addresses and serves from now on. kIo names what is in the way.
  Status listen();

  // Any time; see repository/repository.h.
  Status load(const std::string& name, const std::string& version, Model model,
              const engine::ModelOptions& options = {});
  Status unload(const std::string& name, const std::string& version = "");

  // "" before listen().
  std::string url() const;
  uint16_t port() const;

  // Says that it is not ready, takes no new connections, answers what was begun, and ends; what is
  // left after the time is cut off. True if nothing was. May be called again, by several
  // threads at once too.
  bool drain(int64_t timeout_ns);
  // In a forked child, which has none of the threads: lets go of everything without a word.
  void abandon();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace spinney::server
