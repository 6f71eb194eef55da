#!/bin/sh
# cross-check.sh TARGET...: type-checks and lints the workspace for other systems, without their SDKs.
# Nothing is linked, so a stub may stand in for the C compilers and archivers of build scripts.
# It proves types and conditional code; whether the result runs is shown by CI on those systems.
set -eu
cd "$(dirname "$0")/.."

folder=$(mkdir -p "${CARGO_TARGET_DIR:-target}/cross-check" && cd "${CARGO_TARGET_DIR:-target}/cross-check" && pwd)
stub=$folder/compiler
cat >"$stub" <<'STUB'
#!/bin/sh
for argument; do
  case $argument in -out:*) : >"${argument#-out:}" ;; esac
done
STUB
chmod +x "$stub"

for target; do
  name=$(echo "$target" | tr - _)
  env "CC_$name=$stub" "CXX_$name=$stub" "AR_$name=$stub" \
    cargo clippy --locked --workspace --all-targets --features clawspend-desktop/custom-protocol \
    --target "$target" -- --deny warnings
done
