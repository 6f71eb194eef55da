#!/bin/sh
# The core and the command line must be buildable where no window ever opens.
set -eu
cd "$(dirname "$0")/.."

for package in clawspend-core clawspend-cli; do
  tree=$(cargo tree --locked --package "$package" --target all --edges no-dev --prefix none)
  if printf '%s\n' "$tree" | grep -E '^(tauri|wry|tao|gtk|gdk|webkit|webview|muda|tray-icon)[^ ]* '; then
    echo "$package depends on the GUI libraries above; only src-tauri/desktop may" >&2
    exit 1
  fi
done
