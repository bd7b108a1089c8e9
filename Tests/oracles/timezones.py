# SPDX-License-Identifier: Apache-2.0
"""The zoneinfo of Python, a second opinion about the time zone database: what the clock of a place shows, at moments of
the last and the next hundred years.

    timezones.py FOLDER SEED     {zone: [[moment, offset, day, first day of the ISO week, month], …]}
"""
import datetime
import json
import pathlib
import random
import sys
import zoneinfo

# Half hours, a day that was left out, summer in the south, summer that is below zero, rules that reach into the year
# before, and one that changes every year with the moon.
ALWAYS = ["Europe/Zurich", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/Santiago", "Europe/Dublin",
          "America/Nuuk", "Africa/Casablanca", "America/New_York", "Asia/Gaza", "UTC"]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def moments(zone, random):
    result = []
    for _ in range(100):
        moment = random.randint(-1_700_000_000, 5_000_000_000)
        local = (EPOCH + datetime.timedelta(seconds=moment)).astimezone(zone)
        day = (local.date() - EPOCH.date()).days
        year, week, _ = local.isocalendar()
        monday = (datetime.date.fromisocalendar(year, week, 1) - EPOCH.date()).days
        result.append([moment, int(local.utcoffset().total_seconds()), day, monday, local.year * 12 + local.month])
    return result


def main(folder, seed):
    generator = random.Random(seed)
    names = [str(file.relative_to(folder)) for file in sorted(folder.glob("[A-Z]*/*")) if file.is_file()]
    names = [name for name in names if (folder / name).read_bytes()[:4] == b"TZif"]
    result = {}
    for name in ALWAYS + generator.sample(names, 60):
        with open(folder / name, "rb") as file:
            result[name] = moments(zoneinfo.ZoneInfo.from_file(file), generator)
    print(json.dumps(result))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
