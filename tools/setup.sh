#!/usr/bin/env bash
# Makes a bare machine ready: system packages, the virtual environment in .venv, and the build.
#
#   tools/setup.sh demo|dev|bench [CMAKE_ARGUMENT…]
#
# The first argument names the file under requirements/ to install. Whatever is there already is
# left as it is, so that a second run takes a second or two. Everything that is installed is named.
set -euo pipefail
cd "$(dirname "$0")/.."
requirements=$1
shift
python=${PYTHON:-python3}
log=build/setup.log
mkdir -p build
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

say() { printf '\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# step TITLE COMMAND…: runs the command with its output in the log; shows the time it takes, and on
# a terminal the log's last line; on failure shows the end of the log.
step() {
  local title=$1 start=$SECONDS
  shift
  : >"$log"
  "$@" >"$log" 2>&1 </dev/null &
  local child=$!
  trap 'kill $child 2>/dev/null; exit 130' INT TERM
  [ -t 1 ] || printf '%s …\n' "$title"
  while kill -0 "$child" 2>/dev/null; do
    if [ -t 1 ]; then
      printf '\r\033[K%s … %d s  %.60s' "$title" $((SECONDS - start)) \
        "$(tail -c 400 "$log" | tr '\r' '\n' | tail -n 1)"
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

as_root() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

install_system_packages() {
  local missing=() package
  for package in $(grep -v '^#' requirements/debian.txt) ${SPINNEY_APT:-}; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing system packages with apt: ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      fail "this needs root: run 'apt-get install ${missing[*]}' as root, then try again"
    sudo -v || fail "sudo was refused"
  fi
  step "Reading package lists" as_root apt-get update -q
  step "Installing ${#missing[@]} system packages" \
    as_root apt-get install -y -q --no-install-recommends "${missing[@]}"
}

make_environment() {
  if [ -L .venv ]; then  # somebody's own environment: it is used as it is
    [ -x .venv/bin/python ] || fail ".venv is a link to $(readlink .venv), which has no bin/python"
    return 0
  fi
  if [ ! -x .venv/bin/python ]; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
      fail "$("$python" --version 2>&1) is too old for the pinned libraries; set PYTHON to one from 3.11 on"
    step "Making the virtual environment .venv" "$python" -m venv .venv
  fi
  local wanted stamp=.venv/.installed-$requirements
  wanted=$(cat requirements/*.txt | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "Installing Python packages into .venv (requirements/$requirements.txt)"
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

build() {
  local launcher=() before=build/release/.configured
  ! command -v ccache >/dev/null || launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  local wanted="$PWD $* $(cat CMakePresets.json | sha256sum)"
  if [ ! -f build/release/build.ninja ] || [ "$(cat $before 2>/dev/null)" != "$wanted" ]; then
    step "Configuring the build" cmake --preset release "${launcher[@]}" \
      "-DPython_EXECUTABLE=$PWD/.venv/bin/python" "$@"
    printf '%s' "$wanted" >$before
  fi
  if [ -t 1 ]; then
    cmake --build build/release
  else
    step "Building" cmake --build build/release
  fi
}

if command -v apt-get >/dev/null; then
  install_system_packages
else
  echo "setup: this is not Debian or Ubuntu; install what requirements/debian.txt names yourself"
fi
make_environment
build "$@"
