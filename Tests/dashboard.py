#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dates what runs of redoubt told, and draws the panels of the dashboard that tell of them. See dashboard.sh."""

import datetime
import json
import pathlib
import re
import sys
import urllib.parse
import urllib.request

STEP = 8 * 3600
SCRAPE = 300


def history(folder):
    """The textfiles of runs, one every eight hours, as OpenMetrics with times: each is scraped until the next one."""
    files = sorted(pathlib.Path(folder).iterdir())
    end = int(files[-1].stat().st_mtime) // SCRAPE * SCRAPE
    families = {}
    for number, file in enumerate(files):
        ran = int(file.stat().st_mtime)
        dated = end - (len(files) - 1 - number) * STEP
        for line in file.read_text().splitlines():
            if line.startswith("#"):
                continue
            series, value = line.rsplit(" ", 1)
            name = series.split("{")[0]
            if name.endswith("_timestamp_seconds"):
                # Of an earlier run, when it is older than this one: so many runs before.
                value = str(moment(files, float(value), end))
            # The picture is of three hours after the last run.
            last = dated + STEP if number + 1 < len(files) else dated + 3 * 3600
            for at in range(dated, last, SCRAPE):
                families.setdefault(name, {}).setdefault(series, []).append((at, value))
    for name in sorted(families):
        print(f"# TYPE {name} gauge")
        for series, samples in families[name].items():
            for at, value in samples:
                print(series, value, at)
    print("# EOF")


def moment(files, seconds, end):
    """When a run would have ended that ended then: at the date of the first textfile that was written after it."""
    for number, file in enumerate(files):
        if seconds <= file.stat().st_mtime + 1:
            return end - (len(files) - 1 - number) * STEP
    return end


def ask(server, path, **query):
    with urllib.request.urlopen(f"{server}/api/v1/{path}?{urllib.parse.urlencode(query)}") as answer:
        return json.load(answer)["data"]["result"]


def legend(text, labels):
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found.group(1), ""), text or "").strip()


def amount(value, unit):
    if unit == "s":
        for size, name in ((86400, "days"), (3600, "hours"), (60, "min"), (1, "s"), (1e-3, "ms")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{value:.3g} s"
    if unit == "bytes":
        for size, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
    if abs(value) >= 1000:
        return f"{value / 1000:.3g} K"
    return f"{value:.3g}"


def draw(dashboard, server, told, picture):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot
    from matplotlib import dates

    end = max(int(line.rsplit(" ", 1)[1]) for line in open(told) if not line.startswith("#"))
    panels = [each for each in json.load(open(dashboard))["panels"] if "redoubt_" in json.dumps(each)]
    top = min(each["gridPos"]["y"] for each in panels)
    rows = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels) - top
    pyplot.style.use("dark_background")
    figure = pyplot.figure(figsize=(15, 0.52 * rows), dpi=90, facecolor="#111217")
    missing = []
    for panel in panels:
        place, unit = panel["gridPos"], panel["fieldConfig"]["defaults"].get("unit")
        axes = figure.add_axes(
            [place["x"] / 24 + 0.042, 1 - (place["y"] - top + place["h"]) / rows + 0.055, place["w"] / 24 - 0.05,
             place["h"] / rows - 0.12], facecolor="#181b1f")
        for spine in axes.spines.values():
            spine.set_color("#2c3235")
        axes.set_title(panel["title"], fontsize=9.5, loc="left", color="#ccccdc")
        count = 0
        for target in panel["targets"]:
            query = target["expr"].replace("$name", ".*")
            if panel["type"] == "stat":
                found = ask(server, "query", query=query, time=end)
                for each in found:
                    text = f"{amount(float(each['value'][1]), unit)}\n{legend(target['legendFormat'], each['metric'])}"
                    x = 0.5 if len(panel["targets"]) == 1 else 0.27 + 0.46 * count
                    axes.text(x, 0.5, text, ha="center", va="center", fontsize=15, color="#73bf69")
                    count += 1
            else:
                found = ask(server, "query_range", query=query, start=end - 14 * 86400, end=end, step=1800)
                for each in found:
                    moments = [datetime.datetime.utcfromtimestamp(float(at)) for at, _ in each["values"]]
                    axes.plot(moments, [float(value) for _, value in each["values"]], linewidth=1.4,
                              label=legend(target["legendFormat"], each["metric"]))
                    count += 1
        if count == 0:
            missing.append(panel["title"])
        if panel["type"] == "stat":
            axes.set_xticks([])
            axes.set_yticks([])
            continue
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _, unit=unit: amount(value, unit) if value else "0")
        axes.xaxis.set_major_locator(dates.DayLocator(interval=3))
        axes.xaxis.set_major_formatter(dates.DateFormatter("%m-%d"))
        axes.tick_params(labelsize=8, colors="#9fa7b3")
        axes.grid(color="#2c3235", linewidth=0.6)
        axes.legend(fontsize=8, loc="best", framealpha=0.4)
    figure.savefig(picture, facecolor=figure.get_facecolor())
    print(f"{picture}: {len(panels)} panels, without data: {', '.join(missing) or 'none'}")
    return 1 if missing else 0


if sys.argv[1] == "history":
    history(sys.argv[2])
else:
    sys.exit(draw(*sys.argv[2:]))
