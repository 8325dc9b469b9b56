# SPDX-License-Identifier: MIT
"""docs/performance.md and its plot, from the results of bench/run.py.

The run writes what lies between the two marks in the page; the rest of the page is written by people.
"""

import os
import statistics
import time

import plot

BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"
TITLES = {
    "download": "Bulk download, one connection, one stream",
    "upload": "Bulk upload, one connection, one stream",
    "streams": "Bulk download, 100 streams at once",
    "plain": "Bulk download without GSO and GRO",
    "requests": "Answers of 1 KiB, 1 connection x 100 streams",
    "requests-many": "Answers of 1 KiB, 100 connections x 10 streams",
    "latency": "Latency of a request on an idle server, one at a time",
}
# row, figure, what it is beside, must, aim; a figure above the limit's is better for goodput only
TARGETS = (
    ("download", "goodput", "limit", 0.55, 0.75),
    ("download", "server", "limit", 1.8, 1.35),
    ("download", "client", "limit", 1.8, 1.35),
    ("upload", "goodput", "limit", 0.50, 0.70),
    ("streams", "goodput", "limit", 0.50, 0.70),
    ("plain", "goodput", "limit", 0.80, 0.90),
    ("requests", "server_us", None, 4.0, 3.0),
    ("requests", "server_us", "best", 0.7, 0.7),
    ("requests-many", "server_us", None, 5.0, 4.0),
    ("requests-many", "server_us", "best", 0.7, 0.7),
    ("latency", "p50", "echo", 60, 40),
    ("latency", "p99", "echo", 120, 80),
)
FIGURES = {"goodput": "goodput", "server": "server's CPU per GiB", "client": "client's CPU per GiB",
           "server_us": "server's CPU each", "p50": "p50", "p99": "p99"}
HEADS = {"goodput": "Gbit/s", "server": "server s/GiB", "client": "client s/GiB", "server_us": "server us",
         "client_us": "client us", "rate": "answers a second", "p50": "p50 us", "p99": "p99 us"}
ORDER = ("limit", "tern", "tern serve")


def values(runs, key):
    """The figures of all rounds; empty for who failed."""
    return [run[key] for run in runs] if isinstance(runs, list) else []


def median(runs, key):
    """Their median, None without any."""
    found = values(runs, key)
    return statistics.median(found) if found else None


def is_more_better(key):
    """Goodput and rates; all others are costs."""
    return key in ("goodput", "rate")


def best_foreign(row, key):
    """(name, median) of the best server that is not ours."""
    found = [(name, median(runs, key)) for name, runs in row.items()
             if not name.startswith("tern") and name not in ("limit", "nginx, TCP")]
    found = [(name, value) for name, value in found if value]
    if not found:
        return None
    return (max if is_more_better(key) else min)(found, key=lambda item: item[1])


def target_line(results, target):
    """A line of the first table, None if its row was not run."""
    name, key, beside, must, aim = target
    row = results.get(name, {})
    mine = median(row.get("tern"), key)
    if mine is None:
        return None
    what, unit, shown, worst = f"{TITLES[name]}: {FIGURES[key]}", "", mine, None
    mines = values(row["tern"], key)
    if beside == "limit":
        base = median(row["limit"], key)
        shown, what = mine / base, what + " / limit"
        worst = [value / base for value in mines]
    elif beside == "best":
        best = best_foreign(row, key)
        if not best:
            return None
        shown, what = mine / best[1], what + f" / best foreign ({best[0]})"
        worst = [value / best[1] for value in mines]
    elif beside == "echo":
        base = median(row["limit"], key)
        shown, what, unit = mine - base, what + " above a UDP echo's", " us"
        worst = [value - base for value in mines]
    else:
        worst, unit = mines, " us"
    more = is_more_better(key)
    meets = lambda bound: shown >= bound if more else shown <= bound  # noqa: E731
    verdict = "aim" if meets(aim) else "must" if meets(must) else "**not yet**"
    sign = "+" if beside == "echo" else ""
    return (f"| {what} | {sign}{must:g}{unit} | {sign}{aim:g}{unit} | {sign}{shown:.2f}{unit} "
            f"({min(worst):.2f} to {max(worst):.2f}) | {verdict} |")


def row_table(name, row):
    """All stacks of a row."""
    first = next(runs for runs in row.values() if isinstance(runs, list))
    names = [known for known in ORDER if known in row]
    names += sorted((other for other in row if other not in ORDER),
                    key=lambda other: median(row[other], next(iter(first[0]))) or 0, reverse=True)
    keys = list((row.get("tern") or first)[0])
    lead = {"goodput": "goodput", "server_us": "server_us", "p50": "p50"}
    main = next(key for key in keys if key in lead)
    lines = [f"### {TITLES[name]}", "",
             "| | " + " | ".join(HEADS[key] for key in keys) + " | rounds, least to most | tern beside it |",
             "|---|" + "---|" * (len(keys) + 2)]
    mine = median(row.get("tern"), main)
    failed = []
    for other in names:
        runs = row[other]
        if isinstance(runs, dict):
            failed.append(f"{other}: {runs['failed'][:160]}")
            continue
        cells = [figure(median(runs, key)) if key in runs[0] else "" for key in keys]
        spread = values(runs, main)
        ratio = f"{mine / median(runs, main):.2f}" if mine and other != "tern" else ""
        lines.append(f"| {label(other, name)} | " + " | ".join(cells)
                     + f" | {figure(min(spread))} to {figure(max(spread))} | {ratio} |")
    lines += [""] + [f"Failed: {line}" for line in failed] + ([""] if failed else [])
    return lines


def label(name, row):
    """How a line is called."""
    if name == "limit":
        return "UDP echo" if row == "latency" else "the limit"
    return f"**{name}**" if name == "tern" else name


def figure(value):
    """Three digits that matter."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" \
        if value >= 1 else f"{value:.3f}"


def ahead(results):
    """Whether tern is ahead of every foreign stack, row by row."""
    lines = ["| row | best foreign server | tern beside it |", "|---|---|---|"]
    for name in TITLES:
        row = results.get(name, {})
        key = "goodput" if "goodput" in first_figures(row) else "server_us" if name != "latency" else "p50"
        best, mine = best_foreign(row, key), median(row.get("tern"), key)
        if best and mine:
            lines.append(f"| {TITLES[name]}: {FIGURES[key]} | {best[0]}: {figure(best[1])} | "
                         f"{mine / best[1]:.2f} |")
    return lines


def first_figures(row):
    """The keys of a row's figures."""
    for runs in row.values():
        if isinstance(runs, list):
            return runs[0]
    return {}


def body(results):
    """Everything between the marks."""
    versions = ", ".join(f"{name} {version}".strip() for name, version in
                         results.get("versions", {}).items() if not name.startswith("tern"))
    skipped = "; ".join(f"{name}: {why}" for name, why in results.get("skipped", {}).items())
    lines = [f"{time.strftime('%Y-%m-%d')}, {results['machine']}; medians of {results['rounds']} rounds. "
             f"Beside tern: {versions}." + (f" Not measured: {skipped}." if skipped else ""), "",
             "![Goodput, CPU per GiB and CPU per answer](performance.svg)", "",
             "### Against the targets", "",
             "| measure | must | aim | measured (rounds) | meets |", "|---|---|---|---|---|"]
    lines += [line for line in (target_line(results, target) for target in TARGETS) if line]
    lines.append(f"| heap allocations per packet in steady state | 0 | 0 | {results['allocations']:.4f} | "
                 f"{'aim' if results['allocations'] < 0.001 else '**not yet**'} |")
    lines += ["", "### Beside the best of the others", "",
              "Goodput: more is better; CPU and latency: less is.", "", *ahead(results), ""]
    for name in TITLES:
        if name in results and first_figures(results[name]):
            lines += row_table(name, results[name])
            share = results.get("share", {}).get(name, 1)
            if share < 0.9:
                lines += [f"The machine was not quiet: the limit's sender got {share:.0%} of its core. CPU per "
                          "GiB counts, goodput says little.", ""]
    return "\n".join(lines)


def write(results, root):
    """Puts the figures into the page and draws the plot."""
    path = os.path.join(root, "docs", "performance.md")
    with open(path, encoding="utf-8") as file:
        page = file.read()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n\n{body(results)}\n{END}{after}")
    panels = []
    for row, key, title in (("download", "goodput", "bulk download, Gbit/s"),
                            ("download", "server", "server CPU, s/GiB"),
                            ("requests", "server_us", "server CPU per 1 KiB answer, us")):
        bars = [(name, median(runs, key)) for name, runs in results.get(row, {}).items()]
        panels.append((title, sorted((bar for bar in bars if bar[1]), key=lambda bar: bar[1],
                                     reverse=is_more_better(key))))
    plot.bars(os.path.join(root, "docs", "performance.svg"), panels)
