#include <sys/stat.h>

#include <climits>
#include <cstdlib>
#include <memory>

#include "spinney/load/file/bytes.h"
#include "spinney/load/file/open.h"
#include "spinney/load/mlflow/mlflow.h"

namespace spinney::load {
namespace {

constexpr char kFile[] = "/MLmodel";

// The path without links.
Result<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (!real) return io_error("read", path);
  return std::string(real.get());
}

}  // namespace

bool is_mlflow_folder(const std::string& path) {
  struct stat status = {};
  if (path.find('\0') != std::string::npos || ::stat(path.c_str(), &status) != 0) return false;
  return S_ISDIR(status.st_mode) && ::stat((path + kFile).c_str(), &status) == 0 &&
         S_ISREG(status.st_mode);
}

Result<MlflowFolder> open_mlflow_folder(const std::string& path) {
  SPINNEY_ASSIGN(const FileBytes bytes, read_file(path + kFile));
  auto model = read_mlmodel(bytes.span());
  if (!model.ok()) return Error{model.error().code, path + ": " + model.error().message};
  SPINNEY_ASSIGN(const std::string folder, real_path(path));
  std::string file = path;
  file.append("/").append(model->data);
  SPINNEY_ASSIGN(const std::string real, real_path(file));
  if (!real.starts_with(folder + "/"))
    return corrupt(path + ": the model's file \"" + model->data + "\" is a link out of the folder");
  return MlflowFolder{*std::move(model), file};
}

}  // namespace spinney::load
