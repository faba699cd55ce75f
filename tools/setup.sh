#!/usr/bin/env bash
# Makes a bare machine ready: system packages, the virtual environment in .venv, and the build.
#
#   tools/setup.sh demo|dev|bench [CMAKE_ARGUMENT…]
#   tools/setup.sh system
#
# The first argument names the file under requirements/ to install; with demo and bench only the
# Python extension is built, with dev the tests too; with system there is neither environment nor
# build. Whatever is there already is left as it is, so that a second run takes a second or two.
# Everything that is installed is named.
set -euo pipefail
log=build/setup.log
progress_s=15  # without a terminal, a line of progress every so many seconds

say() { printf '\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# step TITLE COMMAND…: runs the command with its output in the log; shows the time it takes and the
# log's last line, all the while on a terminal and now and then elsewhere; on failure shows the end
# of the log.
step() {
  local title=$1 start=$SECONDS told=$SECONDS last
  shift
  : >"$log"
  "$@" >"$log" 2>&1 </dev/null &
  local child=$!
  trap 'kill $child 2>/dev/null; exit 130' INT TERM
  [ -t 1 ] || printf '%s …\n' "$title"
  while kill -0 "$child" 2>/dev/null; do
    if [ -t 1 ] || [ $((SECONDS - told)) -ge "$progress_s" ]; then
      last=$(tail -c 400 "$log" | tr '\r' '\n' | tail -n 1)
      if [ -t 1 ]; then
        printf '\r\033[K%s … %d s  %.60s' "$title" $((SECONDS - start)) "$last"
      else
        printf '  %d s  %.88s\n' $((SECONDS - start)) "$last"
        told=$SECONDS
      fi
    fi
    sleep 0.2
  done
  trap - INT TERM
  [ -t 1 ] && printf '\r\033[K'
  if ! wait "$child"; then
    tail -n 40 "$log" >&2
    fail "$title failed; the end of its output ($log) is above"
  fi
  printf '%s: done in %d s\n' "$title" $((SECONDS - start))
}

# at_least HAVE WANTED: versions such as 3.25.1; what is missing counts as 0.
at_least() {
  local have want i
  IFS=. read -ra have <<<"$1"
  IFS=. read -ra want <<<"$2"
  for i in 0 1 2; do
    [ "${have[i]:-0}" -le "${want[i]:-0}" ] || return 0
    [ "${have[i]:-0}" -ge "${want[i]:-0}" ] || return 1
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

# The names in requirements/debian.txt, those of a section [tests] only where tests are built.
system_packages() {
  awk -v tests="$tests" '/^\[/ { off = $0 == "[tests]" && tests == "OFF"; next }
                         /^[^#]/ && !off' requirements/debian.txt
}

# is_installed "a | b": whether one of the packages is.
is_installed() {
  local package
  for package in ${1//|/ }; do
    ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || return 0
  done
  return 1
}

# offered "a | b": the first of the packages that apt knows; the first where it knows none.
offered() {
  local package
  for package in ${1//|/ }; do
    ! apt-cache show "$package" >/dev/null 2>&1 || break
    package=${1%% *}
  done
  echo "$package"
}

install_system_packages() {
  local missing=() packages=() line
  while read -r line; do
    [ -z "$line" ] || is_installed "$line" || missing+=("$line")
  done < <(system_packages; printf '%s\n' ${SPINNEY_APT:-})
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing system packages with apt: $(printf '%s, ' "${missing[@]}" | sed 's/, $//')"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      fail "this needs root: run 'apt-get install ${missing[*]}' as root, then try again"
    sudo -v || fail "sudo was refused"
  fi
  step "Reading package lists" as_root apt-get update -q
  for line in "${missing[@]}"; do packages+=("$(offered "$line")"); done
  step "Installing ${#packages[@]} system packages" \
    as_root apt-get install -y -q --no-install-recommends "${packages[@]}"
}

# Ubuntu 20.04 comes with g++ 9, which lacks parts of C++20; 22.04's 11 has them.
check_compiler() {
  local cxx=${CXX:-c++} major
  major=$("$cxx" -dumpversion 2>/dev/null) || fail "there is no C++ compiler $cxx"
  ! "$cxx" --version | grep -q 'Free Software Foundation' || at_least "$major" 11 ||
    fail "$cxx is GCC $major, but Spinney needs 11 or newer; install one and set CXX, as in CXX=g++-11"
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# A Python that the pinned libraries of requirements/ run on: all from 3.8 on for the demonstration.
check_python() {
  local which=$1 least=3.11 version
  [ "$requirements" != demo ] || least=3.8
  version=$(version_of "$which" 2>/dev/null) || fail "there is no $which that runs"
  at_least "$version" "$least" ||
    fail "$which is Python $version, but this needs $least or newer${2:-; set PYTHON to one}"
}

make_environment() {
  if [ ! -e .venv ] && [ ! -L .venv ]; then
    check_python "$python"
    step "Making the virtual environment .venv" "$python" -m venv .venv
  fi
  [ -x .venv/bin/python ] || fail ".venv has no bin/python; remove it"
  check_python .venv/bin/python "; remove .venv and set PYTHON to one"
  if [ "$python" != python3 ] && [ "$(version_of "$python")" != "$(version_of .venv/bin/python)" ]
  then
    fail ".venv has Python $(version_of .venv/bin/python), but PYTHON is $python; remove one of them"
  fi
  [ ! -L .venv ] || return 0  # somebody's own environment: it is used as it is
  local wanted stamp=.venv/.installed-$requirements
  wanted=$(cat requirements/*.txt | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "Installing Python packages into .venv (requirements/$requirements.txt)"
    at_least "$(.venv/bin/python -m pip --version | cut -d' ' -f2)" 21 ||  # 20.0 knows no new wheels
      step "Installing a newer pip" .venv/bin/python -m pip install -r requirements/pip.txt
    step "Installing Python packages" .venv/bin/python -m pip install \
      --disable-pip-version-check --no-input -r "requirements/$requirements.txt"
    printf '%s' "$wanted" >"$stamp"
  fi
  # Makes `.venv/bin/python` import spinney and modules from this checkout.
  local site
  site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  printf '%s\n' "$PWD/python" >"$site/spinney-checkout.pth"
  if [ ! -e .venv/bin/spinney ]; then
    printf '#!%s\nimport sys\nfrom spinney.cli import main\nsys.exit(main())\n' \
      "$PWD/.venv/bin/python" >.venv/bin/spinney
    chmod +x .venv/bin/spinney
  fi
}

# Debian 11's CMake and Ubuntu 22.04's are older than CMakePresets.json needs. One in build/bin comes
# first in PATH, here and in the Makefile.
provide_cmake() {
  local have wanted
  have=$(cmake --version 2>/dev/null | sed -n '1s/.* //p')
  wanted=$(sed -n 's/^cmake_minimum_required(VERSION \([0-9.]*\)).*/\1/p' CMakeLists.txt)
  ! at_least "${have%%-*}" "$wanted" || return 0
  say "Installing a CMake into build/cmake: ${have:-none} is here, $wanted is needed"
  step "Making an environment for CMake" "$python" -m venv build/cmake
  step "Installing CMake" build/cmake/bin/python -m pip install --disable-pip-version-check \
    --no-input -r requirements/cmake.txt
  mkdir -p build/bin
  ln -sf ../cmake/bin/cmake ../cmake/bin/ctest build/bin/
  hash -r
}

build() {
  local launcher=() target=() before=build/release/.configured
  ! command -v ccache >/dev/null || launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  # What make test configured stays so; only then is a later make test a matter of what changed.
  [ "$tests" = ON ] || target=(--target _core)
  ! grep -qs '^SPINNEY_TESTS:BOOL=ON' build/release/CMakeCache.txt || tests=ON
  local wanted="$PWD $tests $* $(cat CMakePresets.json | sha256sum)"
  if [ ! -f build/release/build.ninja ] || [ "$(cat $before 2>/dev/null)" != "$wanted" ]; then
    step "Configuring the build" cmake --preset release "${launcher[@]}" \
      "-DPython_EXECUTABLE=$PWD/.venv/bin/python" "-DSPINNEY_TESTS=$tests" "$@"
    printf '%s' "$wanted" >$before
  fi
  if [ -t 1 ]; then
    cmake --build build/release "${target[@]}"
  else
    step "Building" cmake --build build/release "${target[@]}"
  fi
}

main() {
  cd "$(dirname "$0")/.."
  requirements=$1
  shift
  python=${PYTHON:-python3}
  tests=OFF
  [ "$requirements" != dev ] && [ "$requirements" != system ] || tests=ON
  mkdir -p build
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1 PATH=$PWD/build/bin:$PATH
  if command -v apt-get >/dev/null; then
    install_system_packages
  else
    echo "setup: this is not Debian or Ubuntu; install what requirements/debian.txt names yourself"
  fi
  check_compiler
  if [ "$requirements" = system ]; then
    provide_cmake
    return
  fi
  make_environment
  provide_cmake
  build "$@"
}

# The functions alone, for whoever sources this file.
[ "${BASH_SOURCE[0]}" != "$0" ] || main "$@"
