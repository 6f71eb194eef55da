#!/bin/sh
# Draws every icon again from its SVG: the app's with the Tauri CLI, the tray's with rsvg-convert.
# Needs `make icons` to have installed librsvg2-bin and the UI packages.
set -eu
cd "$(dirname "$0")/../icons"
tauri=${TAURI:-../ui/node_modules/.bin/tauri}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$tauri" icon app-icon.svg --output "$work" >/dev/null
for name in 32x32.png 128x128.png 128x128@2x.png icon.icns icon.ico; do
  cp "$work/$name" "$name"
done

for source in tray/source/*.svg; do
  glyph=tray/$(basename "$source" .svg)
  for size in 16 20 24 32; do # Windows: one for each common scale
    rsvg-convert --width $size --height $size "$source" --output "$glyph-$size.png"
  done
  rsvg-convert --width 64 --height 64 "$source" --output "$glyph.png" # Linux scales it down
  rsvg-convert --width 36 --height 36 --stylesheet tray/source/template.css \
    "$source" --output "$glyph-template.png" # macOS: 18 pt at twice the density
done
