# SPDX-License-Identifier: Apache-2.0
"""Reads what Swift Testing tells of a run: `events.py failed|rest|underway FILE...`.

Each line is a record of the event stream of Swift Testing (ABI version 0): first all tests, then what happened.
"""

import collections
import json
import sys


def records(paths):
    for path in paths:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    pass  # The last line of a process that was killed.


class Run:
    def __init__(self, paths):
        self.functions, self.ended, self.failed = set(), set(), set()
        self.underway = collections.Counter()
        for record in records(paths):
            payload = record["payload"]
            if record["kind"] == "test":
                if payload["kind"] == "function":
                    self.functions.add(payload["id"])
                continue
            kind, test = payload["kind"], payload.get("testID")
            if kind in ("testEnded", "testSkipped"):
                self.ended.add(test)
            elif kind in ("testCaseStarted", "testCaseEnded"):
                # A test counts as started long before its turn, a case of it does not.
                self.underway[test] += 1 if kind == "testCaseStarted" else -1
            elif kind == "issueRecorded":
                issue = payload.get("issue", {})
                if not issue.get("isKnown", False) and issue.get("isFailure", True):
                    self.failed.add(test)


def name(test):
    """`Module.Suite/function` of `Module.Suite/function(_:)/File.swift:1:2`."""
    return test.split("(")[0]


def suite(test):
    return "/".join(name(test).split("/")[:-1])


def main(question, *paths):
    run = Run(paths)
    if question == "failed":
        # An issue of no test is not excused: its name is found by no filter.
        for test in sorted(name(test) if test else "outside-of-a-test" for test in run.failed):
            print(test)
    elif question == "underway":
        for test, count in sorted(run.underway.items()):
            if count > 0:
                print(f"under way: {name(test)}")
    elif question == "rest":
        left = sorted({suite(test) for test in run.functions - run.ended})
        print("^(" + "|".join(each.replace(".", "\\.") for each in left) + ")/" if left else "")


main(*sys.argv[1:])
