// Path: what a request's target means.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace spinney::server::protocol {

enum class Page : uint8_t {
  kUnknown,
  kServer,        // /v2
  kLive,          // /v2/health/live
  kReady,         // /v2/health/ready
  kModel,         // /v2/models/{m}[/versions/{v}]
  kModelReady,    // …/ready
  kModelConfig,   // …/config
  kInfer,         // …/infer
  kPredict,       // /v1/models/{m}[/versions/{v}]:predict
  kPredictReady,  // /v1/models/{m}
  kInvocations,   // /invocations
  kPing,          // /ping
  kMetrics,       // /metrics
  kLoad,          // /v2/repository/models/{m}/load
  kUnload,        // …/unload
};

struct Path {
  Page page = Page::kUnknown;
  std::string_view model, version;  // views of the target, or of the two below
  std::string decoded_model, decoded_version;
};

// The query is not looked at; a target may name the host, as proxies have it.
void read_path(std::string_view target, Path& path);

}  // namespace spinney::server::protocol
