// spinney-server: serves model files without Python.
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/raise_limit.h"
#include "server/server.h"

namespace {

using spinney::Error;
using spinney::invalid_argument;
using spinney::Result;
using spinney::Status;

constexpr const char* kUsage =
    "usage: spinney-server MODEL… [--name NAME] [--host 127.0.0.1] [--port 8080] [--threads N]\n"
    "                      [--drain-seconds 25]\n"
    "Serves each model file under its name without the suffix, version 1. Models are files that\n"
    "Spinney reads itself: XGBoost, LightGBM, scikit-learn (as data, nothing in them is run),\n"
    ".spinney. SIGTERM and SIGINT drain: what was begun is answered, then it ends with status 0.\n";

struct Arguments {
  std::vector<std::string> paths;
  std::string name;
  spinney::server::Options options;
  int64_t drain_ns = 25 * spinney::kSecond;
  bool help = false;
};

template <typename Number>
Status read_number(std::string_view option, std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return {};
  return invalid_argument(std::string(option) + " is '" + std::string(text) +
                          "'; expected a whole number from 0 to " +
                          std::to_string(std::numeric_limits<Number>::max()));
}

Result<Arguments> read_arguments(int count, char** values) {
  Arguments read;
  for (int i = 1; i < count; ++i) {
    const std::string_view option = values[i];
    if (option == "--help" || option == "-h") {
      read.help = true;
      return read;
    }
    if (!option.starts_with("--")) {
      read.paths.emplace_back(option);
      continue;
    }
    if (i + 1 == count) return invalid_argument(std::string(option) + " needs a value");
    const std::string_view value = values[++i];
    if (option == "--name") {
      read.name = value;
    } else if (option == "--host") {
      read.options.host = value;
    } else if (option == "--port") {
      SPINNEY_TRY(read_number(option, value, read.options.port));
    } else if (option == "--threads") {
      SPINNEY_TRY(read_number(option, value, read.options.threads));
    } else if (option == "--drain-seconds") {
      uint32_t seconds = 0;
      SPINNEY_TRY(read_number(option, value, seconds));
      read.drain_ns = int64_t{seconds} * spinney::kSecond;
    } else {
      return invalid_argument("there is no option " + std::string(option));
    }
  }
  if (read.paths.empty()) return invalid_argument("no model file is named");
  if (!read.name.empty() && read.paths.size() > 1)
    return invalid_argument("--name goes with one model file");
  return read;
}

Status serve(const Arguments& arguments, const sigset_t& ends) {
  spinney::server::Options options = arguments.options;
  options.version = SPINNEY_VERSION;
  spinney::server::raise_descriptor_limit();
  SPINNEY_ASSIGN(auto server, spinney::server::Server::make(options));
  std::map<std::string, std::string> path_of;  // by the name that it is served under
  for (const std::string& path : arguments.paths) {
    const std::string name =
        arguments.name.empty() ? std::filesystem::path(path).stem().string() : arguments.name;
    if (const auto [at, is_new] = path_of.emplace(name, path); !is_new)
      return invalid_argument(std::string("both ")
                                  .append(at->second)
                                  .append(" and ")
                                  .append(path)
                                  .append(" would be served as model '")
                                  .append(name)
                                  .append("'; rename one of them"));
    auto model = spinney::Model::load(path);
    if (!model.ok()) return Error{model.error().code, path + ": " + model.error().message};
    SPINNEY_TRY(server->load(name, "1", std::move(model).value()));
  }
  SPINNEY_TRY(server->listen());
  std::fprintf(stderr, "spinney-server: serving on %s\n", server->url().c_str());
  int signal = 0;
  sigwait(&ends, &signal);
  // Nothing is written before that: whoever read it may have gone, or read no more.
  const bool in_time = server->drain(arguments.drain_ns);
  std::fprintf(stderr, in_time ? "spinney-server: ended\n"
                               : "spinney-server: some requests were cut off at the deadline\n");
  return {};
}

}  // namespace

int main(int count, char** values) {
  // Before any thread is there, so that all of them leave these to this one.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a log that nobody reads any more ends no server
  const Result<Arguments> arguments = read_arguments(count, values);
  if (arguments.ok() && arguments->help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  const Status status = arguments.ok() ? serve(*arguments, ends) : Status(arguments.error());
  if (status.ok()) return 0;
  std::fprintf(stderr, "spinney-server: %s\n", status.error().message.c_str());
  return 2;
}
