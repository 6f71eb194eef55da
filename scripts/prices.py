#!/usr/bin/env python3
"""Generates src-tauri/core/prices.json, the embedded price book.

    python3 scripts/prices.py            fetch the pinned sources, write the book, print what changed
    python3 scripts/prices.py --check    fail when the committed book is not what the sources give
    python3 scripts/prices.py --fresh    fail when somebody last looked at the prices over 60 days ago; offline

Sources, first wins: prices-corrections.toml (by hand), genai-prices (dated prices), LiteLLM (the long tail).
The same inputs give the same bytes. To take newer prices, move PINS: a wrong hash is reported with the right one.
Needs Python 3.11, pip and the network.
"""

import datetime
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

PINS = {
    # The day somebody last looked at the prices; the book's age counts from it.
    "date": "2026-11-21",
    "genai-prices": ("0.2.3", "56976ce2b04ec206117f7d0e53f4849211a6724ab3a12119afec304eba63ee25"),
    "litellm": ("1.109.1", "1c8b4dd671fa0cd0850aa751678704ff77e595fb1e6085b2dc3be39ee19bdaaf"),
}
LITELLM_MEMBER = "litellm/model_prices_and_context_window_backup.json"

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "src-tauri/core/prices.json"
CORRECTIONS = Path(__file__).with_name("prices-corrections.toml")

COLUMNS = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h"]
GENAI_KEYS = ["input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"]
LITELLM_KEYS = [
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
]
# A rate above $1,000 per million tokens is a slip of the source (LiteLLM's jais-30b-chat), not a price.
ABSURD = 1000 * 10**9
# After so many days prices have moved somewhere: a release needs a new look.
OLD = 60
REGIONS = ["us", "eu", "apac", "au", "jp", "in", "us-gov"]


# --- fetching ----------------------------------------------------------------------------------------------------


# The same wheel, and so the same hash, whatever machine this runs on.
ONE_PLATFORM = ["--python-version=3.11", "--implementation=cp", "--abi=abi3", "--abi=none", "--platform=manylinux_2_28_x86_64"]


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")


def fetch(package, directory):
    """Downloads a pinned wheel, checks its hash and returns its path."""
    version, expected = PINS[package]
    pip("download", "--no-deps", "--only-binary=:all:", f"--dest={directory}", f"{package}=={version}", *ONE_PLATFORM)
    (wheel,) = Path(directory).glob(package.replace("-", "_") + "-*.whl")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != expected:
        sys.exit(f"{wheel.name}: sha256 is {found}, pinned is {expected}")
    return wheel


def load_genai(wheel, directory):
    """The providers of genai-prices, as its own objects."""
    target = Path(directory) / "genai"
    pip("install", f"--target={target}", str(wheel))
    sys.path.insert(0, str(target))
    from genai_prices.data import providers

    return providers


def load_litellm(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return json.loads(archive.read(LITELLM_MEMBER), parse_float=Decimal)


# --- prices ------------------------------------------------------------------------------------------------------


def nano(dollars):
    """Dollars to whole nano-dollars; None stays None."""
    if dollars is None:
        return None
    return int((Decimal(dollars) * 10**9).quantize(Decimal(1), ROUND_HALF_UP))


def schedule(base, over):
    """`base` rates and whole-request tiers {threshold: rates}; a class without a tier of its own keeps its rate."""
    tiers = []
    rates = base
    for threshold in sorted(over):
        rates = [higher if higher is not None else lower for higher, lower in zip(over[threshold], rates)]
        tiers.append([threshold, rates])
    return {"rates": base} | ({"over": tiers} if tiers else {})


def genai_schedule(prices):
    """A ModelPrice as {"rates", "over"}; None when it does not price text."""
    values = [prices.__dict__.get(key) for key in GENAI_KEYS]
    if values[0] is None or values[1] is None:
        return None
    over = {}
    for column, value in enumerate(values):
        for tier in getattr(value, "tiers", []):
            over.setdefault(tier.start, [None] * len(COLUMNS))[column] = nano(tier.price)
    return schedule([nano(getattr(value, "base", value)) for value in values], over)


def genai_periods(model):
    """The model's dated prices, oldest first; times of day belong to the newest."""
    conditions = model.prices if isinstance(model.prices, list) else None
    if conditions is None:
        found = genai_schedule(model.prices)
        return [found | search_fee(model.prices)] if found else []
    periods, windows = [], []
    for condition in conditions:
        found = genai_schedule(condition.prices)
        if found is None:
            continue
        limit = condition.constraint
        if hasattr(limit, "start_time"):
            minutes = [time.hour * 60 + time.minute for time in (limit.start_time, limit.end_time)]
            windows.append((minutes, found["rates"]))
        else:
            start = {"from": limit.start_date.isoformat()} if limit else {}
            periods.append(start | found | search_fee(condition.prices))
    if windows:
        rates = windows[0][1]
        assert all(other == rates for _, other in windows), f"{model.id}: more than one rate by time of day"
        periods[-1]["daily"] = {"utc_minutes": [minutes for minutes, _ in windows], "rates": rates}
    # Periods that only repeat what is said before them say nothing.
    return [now for before, now in zip([None] + periods, periods) if not before or body(before) != body(now)]


def body(period):
    return {key: value for key, value in period.items() if key != "from"}


def search_fee(prices):
    per_thousand = prices.__dict__.get("web_searches_kcount")
    return {"search": nano(per_thousand / 1000)} if per_thousand is not None else {}


def factor(base, variant):
    """The one ratio between two lists of rates, as [numerator, denominator]."""
    ratios = {Fraction(there, here) for here, there in zip(base, variant) if here and there is not None}
    assert len(ratios) == 1, f"no single factor between {base} and {variant}"
    ratio = ratios.pop()
    return [ratio.numerator, ratio.denominator]


def fast_factor(model, periods):
    """What fast mode multiplies by, when the source knows it."""
    for variant in model.price_variants or []:
        if variant.when == {"speed": "fast"}:
            return factor(periods[-1]["rates"], genai_schedule(variant.prices)["rates"])
    return None


def check_batch(model, periods, expected):
    """The provider's batch factor must be what genai-prices says of each model."""
    for variant in model.price_variants or []:
        if variant.when == {"processing": "batch"}:
            found = factor(periods[-1]["rates"], genai_schedule(variant.prices)["rates"])
            assert found == expected, f"{model.id}: batch factor {found}, expected {expected}"


def litellm_periods(row):
    """A LiteLLM row as one undated period; empty when it has no price for text."""

    def prices(row, suffix=""):
        # A zero here means "not listed" or "included in a plan": never a price.
        found = [row.get(key + suffix) for key in LITELLM_KEYS]
        return [nano(Decimal(price) * 10**6) if price else None for price in found]

    over = {}
    if steps := row.get("tiered_pricing"):
        base = prices(steps[0])
        over = {int(step["range"][0]): prices(step) for step in steps[1:]}
    else:
        base = prices(row)
        for name in row:
            if tier := re.fullmatch(r"input_cost_per_token(_above_(\d+)k_tokens)", name):
                over[int(tier[2]) * 1000] = prices(row, tier[1])
    if base[0] is None or base[1] is None or max(base[:2]) > ABSURD:
        return []
    fees = set(row.get("search_context_cost_per_query", {}).values())
    return [schedule(base, over) | ({"search": nano(fees.pop())} if len(fees) == 1 else {})]


# --- names -------------------------------------------------------------------------------------------------------


def literals(clause):
    """Every literal text in a matcher."""
    for value in vars(clause).values():
        if isinstance(value, str):
            yield value
        else:
            for part in value:
                yield from literals(part)


def spoken(name):
    """Whether it is a whole name, not a pattern or the beginning of one."""
    return re.fullmatch(r"[a-z0-9][a-z0-9._:/@+-]*[a-z0-9]", name) is not None


def known_names(provider, tail):
    """Every name under which a model of `provider` may be asked for, as far as the sources tell."""
    names = {name.lower() for name in tail}
    for model in provider.models:
        names |= {text.lower().strip("/") for text in [model.id, *literals(model.match)]}
    if provider.id == "aws":
        bare = [re.sub(r"^(global|regional)\.", "", model.id.lower()) for model in provider.models]
        names |= {f"{region}.{name}" for name in bare for region in REGIONS + ["global"]} | set(bare)
    if provider.id == "anthropic":
        names |= {re.sub(r"(\d)-(\d)(?=-|$)", r"\1.\2", model.id) for model in provider.models}
    return sorted(filter(spoken, names))


# --- the book ----------------------------------------------------------------------------------------------------


def litellm_names(litellm, providers):
    """{provider: {bare name: row}} of the chat rows of providers that the book keeps."""
    homes = {theirs: ours for ours, entry in providers.items() for theirs in entry.get("litellm", [])}
    result = {}
    for key, row in sorted(litellm.items(), key=lambda item: (len(item[0]), item[0])):
        ours = homes.get(row.get("litellm_provider"))
        if ours is None or row.get("mode") not in ("chat", "responses", "completion"):
            continue
        prefix, _, rest = key.partition("/")
        name = rest if rest and prefix == row["litellm_provider"].split("-")[0] else key
        name = name.lower()
        # Region and commitment paths of Bedrock and Azure repeat the bare name.
        if spoken(name) and not (ours in ("aws", "azure", "google") and "/" in name):
            result.setdefault(ours, {}).setdefault(name, row)
    return result


def provider_models(provider, entry, tail):
    """The book's models of one provider of genai-prices."""
    models, names = {}, {}
    for name in known_names(provider, tail):
        model = next((model for model in provider.models if model.is_match(name)), None)
        if model is not None:
            names.setdefault(model.id, []).append(name)
    for model in provider.models:
        periods = genai_periods(model)
        if not periods or model.id.endswith((":free", ":batch")):
            continue
        for period in periods:
            if fast := fast_factor(model, periods):
                period["fast"] = fast
        if "batch" in entry:
            check_batch(model, periods, entry["batch"])
        models[model.id] = {"id": model.id, "names": names.get(model.id, []), "prices": periods}
    covered = {name for found in names.values() for name in found}
    return models, covered


def correct(models, corrections):
    """Applies the hand-kept corrections of one provider; each must still change something."""
    for correction in corrections:
        model = models.get(correction["model"])
        if model is None:
            sys.exit(f"correction for {correction['model']}: the book has no such model")
        before = json.dumps(model)
        if "periods" in correction:
            model["prices"] = [corrected_period(period, model["prices"]) for period in correction["periods"]]
        for period in model["prices"]:
            period |= {key: correction[key] for key in ("fast",) if key in correction}
        if json.dumps(model) == before:
            sys.exit(f"correction for {correction['model']}: the source says the same now, remove it")


def corrected_period(period, existing):
    """A hand-written period: `keep = n` starts from the n-th existing one, prices are dollars per million tokens."""
    result = {key: value for key, value in existing[period["keep"]].items() if key != "from"} if "keep" in period else {}
    if "from" in period:
        result = {"from": since(period["from"])} | result
    if "rates" in period:
        result["rates"] = nanos(period["rates"])
    if "over" in period:
        result["over"] = [[threshold, nanos(rates)] for threshold, rates in period["over"]]
    if "daily" in period:
        daily = period["daily"]
        result["daily"] = result.get("daily", {}) | daily | ({"rates": nanos(daily["rates"])} if "rates" in daily else {})
    for key in period.get("drop", []):
        result.pop(key, None)
    return result


def since(moment):
    """A day as 2026-09-10; an instant, which is UTC, as 2026-08-16T16:00:00Z.

    >>> since(tomllib.loads("at = 2026-08-16T16:00:00Z")["at"])
    '2026-08-16T16:00:00Z'
    """
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(moment, datetime.datetime) else str(moment)


def nanos(dollars):
    """Five prices as text, "" for none, in the order of COLUMNS."""
    return [nano(price) if price else None for price in dollars]


def build(genai, litellm, corrections):
    """The whole book as text."""
    entries = corrections["providers"]
    tails = litellm_names(litellm, entries)
    sources = {provider.id: provider for provider in genai}
    lines = []
    for provider_id in sorted(entries):
        entry, tail = entries[provider_id], tails.get(provider_id, {})
        models, covered = {}, set()
        if provider_id in sources:
            models, covered = provider_models(sources[provider_id], entry, tail)
        for name, row in tail.items():
            if name not in covered and (periods := litellm_periods(row)):
                models.setdefault(name, {"id": name, "names": [name], "tail": True, "prices": periods})
        correct(models, [c for c in corrections["corrections"] if c["provider"] == provider_id])
        lines.append(provider_text(provider_id, entry, models.values()))
    header = {
        "generated_at": PINS["date"],
        "sources": [
            {"name": name, "version": PINS[name][0], "sha256": PINS[name][1], "licence": "MIT"}
            for name in ("genai-prices", "litellm")
        ]
        + [{"name": CORRECTIONS.name, "sha256": hashlib.sha256(CORRECTIONS.read_bytes()).hexdigest()}],
        "unit": "nano-dollars per million tokens; search: nano-dollars each",
        "columns": COLUMNS,
        "local": corrections["local"],
    }
    head = ",\n".join(f"{json.dumps(key)}:{compact(value)}" for key, value in header.items())
    return "{\n" + head + ',\n"providers":[\n' + ",\n".join(lines) + "\n]\n}\n"


def provider_text(provider_id, entry, models):
    head = {"id": provider_id} | {key: entry[key] for key in ("aliases", "owns", "batch", "us") if key in entry}
    taken, texts = set(), []
    for model in sorted(models, key=lambda model: model["id"].lower()):
        names = {model["id"].lower(), *model.pop("names")}
        clash = taken & names
        assert not clash, f"{provider_id}: {clash} twice"
        taken |= names
        others = sorted(names - {model["id"]})
        texts.append(compact({"id": model["id"]} | ({"names": others} if others else {}) | model))
    return compact(head)[:-1] + ',"models":[\n' + ",\n".join(texts) + "\n]}"


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# --- the command -------------------------------------------------------------------------------------------------


def amount(nanos):
    return format((Decimal(nanos) / 10**9).normalize(), "f")


def terms(period):
    """A period as {what: price}, the way `changes` tells it."""

    def rates(prices, suffix=""):
        return {name + suffix: amount(price) for name, price in zip(COLUMNS, prices) if price is not None}

    result = rates(period["rates"])
    for threshold, prices in period.get("over", []):
        result |= rates(prices, f" over {threshold}")
    if daily := period.get("daily"):
        days = " on weekdays" if daily.get("weekdays") else ""
        result |= rates(daily["rates"], f" at UTC minutes {compact(daily['utc_minutes'])}{days}")
    if "fast" in period:
        result["fast"] = f"×{Fraction(*period['fast'])}"
    if "search" in period:
        result["search"] = amount(period["search"])
    return result


def changes(old, new):
    """What differs between two books, as lines; prices in dollars per million tokens.

    >>> row = {"id": "m", "prices": [{"rates": [10**9, 2 * 10**9, None, None, None]}]}
    >>> new_row = {"id": "m", "names": ["m-1"], "prices": row["prices"] + [{"from": "2026-01-01", "rates": [15 * 10**8, 2 * 10**9, None, None, None], "fast": [2, 1]}]}
    >>> cheaper = {"id": "m", "prices": [{"rates": [9 * 10**8, 2 * 10**9, None, None, None]}]}
    >>> book = lambda *models: {"local": [], "providers": [{"id": "p", "models": models}]}
    >>> changes(book(row), book(row))
    []
    >>> changes(book(), book(row))
    ['+ p/m: input 1, output 2']
    >>> changes(book(row), book())
    ['- p/m']
    >>> changes(book(row), book(cheaper))
    ['~ p/m: input 1 → 0.9']
    >>> changes(book(row), book(new_row))
    ['~ p/m from 2026-01-01: input 1 → 1.5, fast none → ×2', '~ p/m: also called m-1']
    >>> changes(book(new_row), book(row))[0]
    '~ p/m from 2026-01-01: no longer: input 1.5, output 2, fast ×2'
    >>> changes(book(row), book(row) | {"local": ["ollama"]})
    ['~ local: [] → ["ollama"]']
    """
    lines = []

    def rows(book):
        return {f"{provider['id']}/{model['id']}": model for provider in book["providers"] for model in provider["models"]}

    def rest(book):
        heads = {provider["id"]: {key: value for key, value in provider.items() if key != "models"} for provider in book["providers"]}
        return heads | {"local": book["local"]}

    def told(part):
        return ", ".join(f"{what} {price}" for what, price in part.items())

    def dated(name, start):
        return f"{name} from {start}" if start else name

    before, after = rest(old), rest(new)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name) and name in before and name in after:
            lines.append(f"~ {name}: {compact(before[name])} → {compact(after[name])}")
    before, after = rows(old), rows(new)
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            lines.append(f"- {name}")
            continue
        then = {period.get("from", ""): terms(period) for period in before.get(name, {"prices": []})["prices"]}
        now = {period.get("from", ""): terms(period) for period in after[name]["prices"]}
        if name not in before:
            lines += [f"+ {dated(name, start)}: {told(part)}" for start, part in now.items()]
            continue
        part = {}
        for start in sorted(then.keys() | now.keys()):
            if start not in now:
                lines.append(f"~ {dated(name, start)}: no longer: {told(then[start])}")
                continue
            # A new period changes what held before it.
            was, part = then.get(start, part), now[start]
            moved = [what for what in {**was, **part} if was.get(what) != part.get(what)]
            if moved:
                pairs = (f"{what} {was.get(what, 'none')} → {part.get(what, 'none')}" for what in moved)
                lines.append(f"~ {dated(name, start)}: {', '.join(pairs)}")
        names, others = set(before[name].get("names", [])), set(after[name].get("names", []))
        if gained := sorted(others - names):
            lines.append(f"~ {name}: also called {', '.join(gained)}")
        if lost := sorted(names - others):
            lines.append(f"~ {name}: no longer called {', '.join(lost)}")
    return lines


def age(generated_at, today):
    """The sentence that stops a release; empty while the book is young enough.

    >>> age("2026-11-21", datetime.date(2027, 1, 20))
    ''
    >>> age("2026-11-21", datetime.date(2027, 1, 21))
    'prices.json: somebody last looked at the prices on 2026-11-21, 61 days ago; move PINS and run make prices'
    """
    days = (today - datetime.date.fromisoformat(generated_at)).days
    if days <= OLD:
        return ""
    return f"{BOOK.name}: somebody last looked at the prices on {generated_at}, {days} days ago; move PINS and run make prices"


def main():
    if "--fresh" in sys.argv[1:]:
        sys.exit(age(json.loads(BOOK.read_text())["generated_at"], datetime.date.today()) or None)
    with tempfile.TemporaryDirectory() as directory:
        genai = load_genai(fetch("genai-prices", directory), directory)
        litellm = load_litellm(fetch("litellm", directory))
        text = build(genai, litellm, tomllib.loads(CORRECTIONS.read_text()))
    old = BOOK.read_text() if BOOK.exists() else ""
    for line in changes(json.loads(old or '{"local":[],"providers":[]}'), json.loads(text)):
        print(line)
    if "--check" in sys.argv[1:]:
        if old != text:
            sys.exit(f"{BOOK.name} is not what its sources give: run python3 scripts/prices.py")
    else:
        BOOK.write_text(text)


if __name__ == "__main__":
    main()
