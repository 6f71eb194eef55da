#!/bin/sh
# Makes sure that what a task needs is on this machine.
#
#   need.sh [rust|node|fuzz|gateway|terminal|desktop|tests|bench|cross|package|chromium|icons]...
#
# Tools that you choose yourself (Rust, Node, cargo-fuzz) are only checked; system packages that are missing are
# named and then installed with apt, as root or with sudo. Elsewhere their names are printed.
set -eu
cd "$(dirname "$0")/.."

stop() {
  printf 'clawspend: %s\n' "$@" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# at_least FOUND WANTED: compares dotted numbers.
at_least() {
  awk -v found="$1" -v wanted="$2" 'BEGIN {
    split(found, f, "."); n = split(wanted, w, ".")
    for (i = 1; i <= n; i++) if (f[i] + 0 != w[i] + 0) exit f[i] + 0 < w[i] + 0
  }'
}

check_rust() {
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  advice="install Rust $wanted or newer from https://rustup.rs, open a new terminal and try again"
  have cargo || stop "cargo was not found" "$advice"
  found=$(rustc --version | awk '{ print $2 }')
  at_least "${found%%-*}" "$wanted" || stop "Rust $found is too old, $wanted is needed" "run 'rustup update stable', or $advice"
}

check_node() {
  wanted=20.19
  advice="install Node $wanted or newer from https://nodejs.org (npm comes with it) and try again"
  have node || stop "node was not found" "$advice"
  found=$(node --version)
  at_least "${found#v}" "$wanted" || stop "Node $found is too old, $wanted is needed" "$advice"
  have npm || stop "npm was not found" "$advice"
}

check_fuzz() {
  check_rust
  cargo +nightly --version >/dev/null 2>&1 ||
    stop "fuzzing needs a nightly compiler" "run 'rustup toolchain install nightly' and try again"
  cargo fuzz --version >/dev/null 2>&1 ||
    stop "cargo-fuzz was not found" "run 'cargo install cargo-fuzz --locked' and try again"
}

# Node comes as a package of npm's, which there is for these two.
check_gateway() {
  case $(uname -sm) in
    "Linux x86_64" | "Linux aarch64") ;;
    *) stop "the real gateway is tested on Linux only (x86_64 or aarch64)" ;;
  esac
}

# What each task needs: on Debian and Ubuntu | on Fedora | on Arch.
packages() {
  case $1 in
    terminal) echo "build-essential|gcc make|base-devel" ;;
    desktop) echo "build-essential pkg-config libwebkit2gtk-4.1-dev libayatana-appindicator3-dev librsvg2-dev|gcc make pkgconf webkit2gtk4.1-devel libayatana-appindicator-gtk3-devel librsvg2-devel|base-devel webkit2gtk-4.1 libayatana-appindicator librsvg" ;;
    tests) echo "xvfb dbus-daemon dunst x11-utils webkit2gtk-driver fonts-dejavu-core|xorg-x11-server-Xvfb dbus-daemon dunst xprop xwininfo webkitgtk6.0 dejavu-sans-fonts|xorg-server-xvfb dbus dunst xorg-xprop xorg-xwininfo ttf-dejavu" ;;
    bench) echo "xvfb dbus-daemon python3-gi libx11-6|xorg-x11-server-Xvfb dbus-daemon python3-gobject libX11|xorg-server-xvfb dbus python-gobject libx11" ;;
    cross) echo "llvm|llvm|llvm" ;;
    package) echo "file|file|file" ;;
    chromium) echo "chromium|chromium|chromium" ;;
    icons) echo "librsvg2-bin|librsvg2-tools|librsvg" ;;
    *) stop "unknown need '$1'" ;;
  esac
}

system() {
  wanted=
  for task; do wanted="$wanted $(packages "$task" | cut -d '|' -f 1)"; done
  missing=
  for package in $wanted; do
    case $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null) in
      installed*) ;;
      *) case " $missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac ;;
    esac
  done
  [ -n "$missing" ] || return 0

  install="apt-get install --yes --no-install-recommends$missing"
  as_root=
  if [ "$(id -u)" != 0 ]; then
    have sudo || stop "system packages are missing" "as root, run: apt-get update && $install"
    as_root=sudo
  fi
  echo "clawspend: installing what is missing, with${as_root:+ $as_root} apt-get:$missing"
  # shellcheck disable=SC2086 # lists of words
  { $as_root apt-get update --quiet && $as_root env DEBIAN_FRONTEND=noninteractive $install; } ||
    stop "could not install:$missing"
}

# Whether the tools a task calls are there, by whatever packages.
present() {
  case $1 in
    terminal | package) have cc ;;
    desktop) have cc && pkg-config --exists webkit2gtk-4.1 ayatana-appindicator3-0.1 2>/dev/null ;;
    tests) have Xvfb && have dbus-daemon && have WebKitWebDriver && have xprop ;;
    bench) have Xvfb && have dbus-daemon ;;
    cross) have llvm-rc ;;
    chromium) have chromium ;;
    icons) have rsvg-convert ;;
  esac
}

elsewhere() {
  for task; do
    present "$task" || stop "what '$task' needs is missing; install it and try again" \
      "Fedora: sudo dnf install $(packages "$task" | cut -d '|' -f 2)" \
      "Arch:   sudo pacman -S --needed $(packages "$task" | cut -d '|' -f 3)" \
      "others: what Debian calls $(packages "$task" | cut -d '|' -f 1)"
  done
}

tasks=
for need; do
  case $need in
    rust | node | fuzz | gateway) "check_$need" ;;
    *) tasks="$tasks $need" ;;
  esac
done
[ -n "$tasks" ] || exit 0

case $(uname -s) in
  Darwin)
    xcode-select -p >/dev/null 2>&1 ||
      stop "Apple's command line tools are missing" "run 'xcode-select --install', wait until it is done and try again"
    case $tasks in
      *icons*) have rsvg-convert || stop "rsvg-convert was not found" "run 'brew install librsvg'" ;;
    esac
    ;;
  *)
    # shellcheck disable=SC2086 # a list of words
    if have apt-get && have dpkg-query; then system $tasks; else elsewhere $tasks; fi
    ;;
esac
