#include "server/repository/repository.h"

#include <algorithm>

namespace spinney::server::repository {

Status check_name(std::string_view what, std::string_view name) {
  constexpr size_t kLongest = 200;
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  if (!name.empty() && name.size() <= kLongest && name != "." && name != ".." &&
      std::all_of(name.begin(), name.end(), is_fine))
    return {};
  return invalid_argument(std::string(what) + " is '" + std::string(name.substr(0, kLongest)) +
                          "'; it may have letters, digits and . _ - (at most 200 of them)");
}

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the number that is next, without the zeros before it.
std::string_view take_number(std::string_view& text) {
  size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  std::string_view number = text.substr(0, end);
  text.remove_prefix(end);
  number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
  return number;
}

}  // namespace

bool EarlierVersion::operator()(std::string_view a, std::string_view b) const noexcept {
  std::string_view left = a, right = b;
  while (!left.empty() && !right.empty()) {
    if (is_digit(left.front()) && is_digit(right.front())) {
      const std::string_view x = take_number(left), y = take_number(right);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      continue;
    }
    if (left.front() != right.front()) return left.front() < right.front();
    left.remove_prefix(1);
    right.remove_prefix(1);
  }
  if (left.empty() != right.empty()) return left.empty();
  return a < b;  // the same but for zeros
}

const ServedPtr* Directory::find(std::string_view name, std::string_view version) const {
  const auto model = models.find(name);
  if (model == models.end()) return nullptr;
  if (version.empty()) return &model->second.current;
  const auto found = model->second.by_version.find(version);
  return found == model->second.by_version.end() ? nullptr : &found->second;
}

std::shared_ptr<const Directory> Repository::directory() const {
  const std::lock_guard lock(mutex_);
  return directory_;
}

void Repository::publish(std::shared_ptr<const Directory> next) {
  const std::lock_guard lock(mutex_);
  directory_.swap(next);
  epoch_.fetch_add(1, std::memory_order_release);
}

Status Repository::load(const std::string& name, const std::string& version, Model model,
                        engine::ModelOptions options) {
  SPINNEY_TRY(check_name("the model's name", name));
  SPINNEY_TRY(check_name("the version", version));
  const std::lock_guard admin(admin_);
  const std::string engine_version = version + "#" + std::to_string(++loads_);
  SPINNEY_ASSIGN(auto backend, backend_of(model, engine_.placement()));
  SPINNEY_ASSIGN(ServedPtr served, Served::make(std::move(model), name, version, engine_version));
  options.counted_as = version;
  // Warm-up scores rows, so that one which is served has answered some.
  SPINNEY_TRY(engine_.load(name, engine_version, std::move(backend), options));
  auto next = std::make_shared<Directory>(*directory());
  Directory::Versions& versions = next->models[name];
  const ServedPtr before = std::exchange(versions.by_version[version], served);
  versions.current = std::move(served);
  publish(std::move(next));
  // What still has the old directory asks for a version that is gone, and looks again.
  if (before) (void)engine_.unload(name, before->engine_version());
  return {};
}

Status Repository::unload(const std::string& name, const std::string& version) {
  const std::lock_guard admin(admin_);
  auto next = std::make_shared<Directory>(*directory());
  const auto model = next->models.find(name);
  std::vector<ServedPtr> gone;
  if (model != next->models.end()) {
    Directory::Versions& versions = model->second;
    for (auto at = versions.by_version.begin(); at != versions.by_version.end();) {
      if (!version.empty() && at->first != version) {
        ++at;
        continue;
      }
      gone.push_back(at->second);
      at = versions.by_version.erase(at);
    }
    if (versions.by_version.empty())
      next->models.erase(model);
    else if (std::find(gone.begin(), gone.end(), versions.current) != gone.end())
      versions.current = versions.by_version.rbegin()->second;
  }
  if (gone.empty()) {
    const std::string which = version.empty() ? "" : ", version '" + version + "'";
    return Error{Code::kNotFound, "model '" + name + "'" + which + " is not loaded"};
  }
  publish(std::move(next));
  for (const ServedPtr& served : gone) (void)engine_.unload(name, served->engine_version());
  return {};
}

}  // namespace spinney::server::repository
