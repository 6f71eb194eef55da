#!/bin/sh
# Prints the path of a Chromium for the window's browser tests, after installing one if there is none.
set -eu
cd "$(dirname "$0")/.."

browser() {
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
    "$(cd ui && node -p 'require("playwright-core").chromium.executablePath()' 2>/dev/null)"; do
    [ -n "$name" ] && command -v "$name" && return 0
  done
  return 1
}

browser && exit 0
# Ubuntu's own package is a snap, which needs a running snapd; macOS has none.
if [ "$(uname -s)" = Darwin ] || grep -qs '^ID=ubuntu' /etc/os-release; then
  echo "clawspend: no Chromium was found; Playwright downloads one for the tests" >&2
  (cd ui && npx --no-install playwright-core install --with-deps chromium) >&2
else
  scripts/need.sh chromium >&2
fi
browser
