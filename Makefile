# Clawspend's few commands; `make help` lists them. Each installs what it needs first, once.

SYSTEM := $(shell uname -s)
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The same features everywhere, so that nothing is compiled twice. custom-protocol embeds ui/dist.
WHOLE := --locked --workspace --features clawspend-desktop/custom-protocol
APP := --locked --package clawspend-desktop --features custom-protocol
TAURI := ui/node_modules/.bin/tauri
TYPES := ui/src/api/types.ts
CROSS := x86_64-pc-windows-msvc aarch64-apple-darwin
UI := ui/node_modules/.package-lock.json
OPENCLAW := .lab/openclaw/node_modules/.package-lock.json
DIST := ui/dist/index.html
UI_SOURCES := $(shell find ui -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null)
# Linux may have no display; macOS always has one and shows a menu bar item only for a bundle.
FACE := $(if $(filter Darwin,$(SYSTEM)),bundle,$(if $(DISPLAY)$(WAYLAND_DISPLAY),desktop,terminal))

.PHONY: help run run-desktop run-bundle run-terminal dev test test-ui test-rust test-gateway check check-scripts \
	check-format check-walls check-ui check-lints check-docs check-types check-prices types fmt bench bench-idle \
	package cross-targets cross-check prices release-check icons fuzz crosscheck clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: run-$(FACE) ## build and start Clawspend; without a display, show today's spend in the terminal

run-desktop: need-desktop $(DIST)
	cargo run --release $(APP)

run-bundle: need-desktop $(UI)
	$(call bundle,app)
	open target/release/bundle/macos/Clawspend.app

run-terminal: need-terminal
	@echo "There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set):"
	@echo "showing today's spend in the terminal instead of the tray. Ctrl+C ends it."
	cargo run --release --locked --package clawspend-cli -- today --watch

dev: need-desktop $(UI) ## start the app with a window that follows edits of ui/
	$(TAURI) dev

test: test-ui test-rust ## run every test but those beside a real gateway

test-ui: $(DIST)
	npm --prefix ui test
	CHROMIUM="$$(scripts/chromium.sh)" npm --prefix ui run test:chromium

ifeq ($(SYSTEM),Linux)
test-rust: need-desktop need-tests $(DIST)
	cargo test $(WHOLE)
else
test-rust: need-terminal
	cargo test --locked
	@echo "The desktop test was left out: it reads the tray over D-Bus, which only Linux has."
endif

# They wait more than they work: for gateways to start, and for what those count.
test-gateway: need-gateway $(OPENCLAW) ## run Clawspend beside a real OpenClaw gateway (Linux)
	cargo test $(WHOLE) --test gateway -- --test-threads=3

check: check-scripts check-format check-walls check-ui check-lints check-docs check-types check-prices ## formatting, lints, types, docs and the walls between the parts

check-scripts:
	@for script in scripts/*.sh; do sh -n $$script || exit 1; done
	bash -n .ci/run
	python3 -m doctest scripts/prices.py
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; fi

check-format: need-rust
	cargo fmt --all --check

check-walls: need-rust
	scripts/check-walls.sh

check-ui: $(UI)
	npm --prefix ui run check
	npm --prefix ui run lint

check-lints: need-desktop $(DIST)
	cargo clippy $(WHOLE) --all-targets -- --deny warnings
	cargo clippy $(WHOLE) --test gateway -- --deny warnings

check-docs: need-desktop $(DIST)
	RUSTDOCFLAGS="--deny warnings" cargo doc $(WHOLE) --no-deps

check-types: need-terminal
	@mkdir -p $(TARGET) && cp $(TYPES) $(TARGET)/types.checked-in.ts
	@$(MAKE) --no-print-directory types
	@cmp -s $(TYPES) $(TARGET)/types.checked-in.ts || \
		{ echo "$(TYPES) was not what Rust generates; it is now: commit it"; exit 1; }

check-prices: need-terminal
	cargo test --quiet --locked --package clawspend-tests --test pipeline every_model_in_use_has_a_price

types: need-terminal ## write the window's types again from Rust
	cargo test --quiet --locked --package clawspend-core --features ts export_bindings

fmt: need-rust $(UI) ## format Rust and the window's sources
	cargo fmt --all
	cd ui && npx --no-install prettier --write .

bench: need-terminal ## measure speed and memory, as ratios within one run
	cargo build --release --locked --package clawspend-cli --package clawspend-tests
	$(TARGET)/release/bench $(BENCH)

bench-idle: need-desktop need-bench $(DIST) ## measure what the idle tray costs (Linux)
	cargo build --release $(APP)
	/usr/bin/python3 scripts/bench-idle.py $(TARGET)/release/clawspend-desktop

package: need-desktop need-package $(UI) ## build the package to install: .deb, or .dmg on macOS
	$(call bundle,$(if $(filter Darwin,$(SYSTEM)),dmg,deb))
	@ls -lh target/release/bundle/*/*.deb target/release/bundle/*/*.dmg 2>/dev/null || true

# The bundle's file list names target/, so another target folder would be missed.
bundle = env -u CARGO_TARGET_DIR $(TAURI) build --ci --features custom-protocol --bundles $(1) -- --locked

cross-check: need-cross cross-targets $(DIST) ## type-check for Windows and macOS (on Linux)
	scripts/cross-check.sh $(CROSS)

cross-targets: need-rust
	@for target in $(CROSS); do \
		[ -d "$$(rustc --print target-libdir --target $$target)" ] || rustup target add $$target || \
		{ echo "cannot check for $$target: its standard library is neither here nor to be had from rustup"; exit 1; }; \
	done

# Seconds for each of the targets.
TIME := 600
FUZZ := claude_code openclaw codex rows zstd config prices gateway_frames gateway_session

fuzz: need-fuzz ## feed the parsers random bytes, TIME seconds each (see docs/fuzzing.md)
	@for target in $(FUZZ); do \
		mkdir -p tests/fuzz/corpus/$$target; \
		TMPDIR=$(or $(wildcard /dev/shm),$(TMPDIR),/tmp) cargo +nightly fuzz run --fuzz-dir tests/fuzz $$target \
			tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target -- \
			-max_total_time=$(TIME) -rss_limit_mb=2048 -timeout=30 -print_final_stats=1 || exit 1; \
	done

crosscheck: need-terminal need-node tests/crosscheck/node_modules/.package-lock.json ## compare the figures with those of ccusage (see docs/accuracy.md)
	cargo build --release --locked --package clawspend-cli --package clawspend-tests
	$(TARGET)/release/crosscheck $(CROSSCHECK)

tests/crosscheck/node_modules/.package-lock.json: tests/crosscheck/package-lock.json | need-node
	npm --prefix tests/crosscheck ci --ignore-scripts --no-audit --no-fund
	@touch $@

prices: ## write the price book again from its pinned sources, and say what changed
	python3 scripts/prices.py

release-check: ## what a release needs besides `check` and `test`: prices somebody has looked at lately
	python3 scripts/prices.py --fresh

icons: need-icons $(UI) ## draw every icon again from its SVG
	scripts/icons.sh

clean: ## remove everything that was built
	rm -rf target gen permissions ui/dist ui/node_modules tests/crosscheck/node_modules .lab/openclaw

$(UI): ui/package-lock.json | need-node
	npm --prefix ui ci --no-audit --no-fund
	@touch $@

$(OPENCLAW): tests/gateway/openclaw/package.json tests/gateway/openclaw/package-lock.json
	@echo "Installing OpenClaw and a Node that it needs into .lab/openclaw: 0.9 GB, once"
	mkdir -p .lab/openclaw && cp $^ .lab/openclaw
	npm --prefix .lab/openclaw ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

$(DIST): $(UI) $(UI_SOURCES)
	npm --prefix ui run build
	@touch $@

# need-x: what x needs is here, or is installed now, or is asked for in one sentence.
.PHONY: need-rust need-node need-terminal need-desktop need-tests need-bench need-package need-cross need-gateway need-icons need-fuzz
need-rust need-node need-icons need-fuzz:
	@scripts/need.sh $(@:need-%=%)
need-terminal:
	@scripts/need.sh rust terminal
need-desktop:
	@scripts/need.sh rust node desktop
need-gateway:
	@scripts/need.sh rust node terminal gateway
need-tests need-bench need-package need-cross:
	@scripts/need.sh rust $(@:need-%=%)
