#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tern sim: workloads, figures, the same bytes for the same seed, a report that loads nothing."""
import csv
import html.parser
import json
import os
import re
import subprocess
import tempfile
import unittest

TERN = os.environ.get("TERN", "build/tern")


def sim(*arguments, code=0):
    done = subprocess.run([TERN, "sim", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if code is not None and done.returncode != code:
        raise AssertionError(f"tern sim {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def results(*arguments, code=0):
    return json.loads(sim(*arguments, "-q", "--json", "-", code=code).stdout)


class Page(html.parser.HTMLParser):
    """Every tag is closed, and nothing is loaded."""

    EMPTY = {"meta", "path"}

    def __init__(self, text):
        super().__init__()
        self.open, self.figures, self.words = [], 0, []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        assert not {"src", "href", "srcset"} & {name for name, _ in attributes}, (tag, attributes)
        self.figures += tag == "figure"
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)


class Runs(unittest.TestCase):
    def test_bulk_fills_the_link(self):
        run = results("--rate", "10M", "--delay", "25ms", "--bytes", "4M")
        flow, link = run["flows"][0], run["links"][0]
        self.assertIsNone(flow["failure"])
        self.assertEqual(flow["content_bytes"], 4 << 20)
        self.assertGreater(flow["goodput_bits_per_s"], 8.5e6)
        self.assertLessEqual(flow["goodput_bits_per_s"], 1e7)
        self.assertAlmostEqual(flow["rtt_min_ms"], 51, delta=2)
        self.assertGreater(link["utilisation"], 0.9)
        self.assertLessEqual(link["wait_p99_ms"], 51)

    def test_a_seed_names_a_run(self):
        arguments = ("--loss", "2%", "--bytes", "300K", "--rate", "1M..20M")
        first, same = results(*arguments, "--seed", "7"), results(*arguments, "--seed", "7")
        self.assertEqual(first, same)
        self.assertNotEqual(first["hash"], results(*arguments, "--seed", "8")["hash"])

    def test_every_workload(self):
        for workload, count, extra in (("requests", 5, 0), ("page", 20, 1), ("media", 50, 0)):
            with self.subTest(workload):
                flow = results("--workload", workload, "--count", str(count))["flows"][0]
                self.assertEqual(flow["answered"], count + extra)
                self.assertIsNone(flow["failure"])

    def test_media_is_not_sent_again(self):
        flow = results("--workload", "media", "--count", "400", "--loss", "10%")["flows"][0]
        self.assertEqual(flow["requested"], 400)
        self.assertLess(flow["answered"], 390)
        self.assertGreater(flow["answered"], 320)
        self.assertLess(flow["time_median_ms"], 30)

    def test_flows_share(self):
        run = results("--cc", "cubic,newreno", "--flows", "4", "--bytes", "500K", "--access-delay", "5ms")
        self.assertEqual([flow["cc"] for flow in run["flows"]], ["cubic", "newreno"] * 2)
        self.assertTrue(all(flow["failure"] is None for flow in run["flows"]))
        self.assertGreaterEqual(run["flows"][0]["rtt_min_ms"], 60)

    def test_outage_and_rebinding(self):
        run = results("--outage", "500ms:300ms", "--rebind", "1s", "--bytes", "2M")
        self.assertIsNone(run["flows"][0]["failure"])
        self.assertGreater(run["links"][0]["dropped_outage"], 0)
        self.assertGreater(run["flows"][0]["silence_ms"], 290)

    def test_models(self):
        tail = results("--queue", "8bdp", "--bytes", "6M")["links"][0]
        for aqm in ("codel", "fq_codel", "dualpi2"):
            with self.subTest(aqm):
                link = results("--aqm", aqm, "--bytes", "6M")["links"][0]
                self.assertLess(link["wait_median_ms"], 25)
                self.assertLess(link["wait_median_ms"], tail["wait_median_ms"] / 2)
                self.assertGreater(link["utilisation"], 0.7)
        for radio in ("lte", "satellite", "wifi"):
            with self.subTest(radio):
                run = results("--radio", radio, "--bytes", "6M")
                self.assertIsNone(run["flows"][0]["failure"])
                self.assertLess(run["links"][0]["utilisation"], 1.01)
        policed = results("--police", "5M", "--rate", "100M", "--bytes", "2M")
        self.assertGreater(policed["links"][0]["dropped_policer"], 0)
        self.assertLess(policed["flows"][0]["goodput_bits_per_s"], 5.3e6)

    def test_time_is_a_limit(self):
        run = results("--rate", "1M", "--bytes", "10M", "--time", "2s", code=6)
        self.assertAlmostEqual(run["seconds"], 2)
        self.assertIn("time was over", run["flows"][0]["failure"])
        endless = results("--bytes", "0", "--time", "2s")
        self.assertIsNone(endless["flows"][0]["failure"])

    def test_real_tls(self):
        run = results("--tls", "real", "--bytes", "100K")
        self.assertEqual(run["flows"][0]["content_bytes"], 100 << 10)

    def test_usage(self):
        for arguments, word in ((("--rate", "10"), None), (("--rate", "fast"), "rate fast"),
                                (("--loss", "200%"), "choose from 0%..100%"), (("--cc", "none"), "none"),
                                (("--flows", "65"), "65"), (("--outage", "1s"), "AT:FOR"),
                                (("--workload", "x"), "bulk"), (("--back-delay", "1"), "--back-delay")):
            with self.subTest(arguments):
                done = sim(*arguments, "--bytes", "1", "--time", "1s", code=2 if word else 6)
                self.assertIn(word or "", done.stderr)


class Studies(unittest.TestCase):
    ARGUMENTS = ("--rate", "2M..20M", "--delay", "5ms..50ms", "--bytes", "200K", "--loss", "0..2%")

    def test_a_study(self):
        with tempfile.TemporaryDirectory() as at:
            page, table = os.path.join(at, "a.html"), os.path.join(at, "a.csv")
            done = sim(*self.ARGUMENTS, "--runs", "30", "--jobs", "2", "--csv", table, "--html", page)
            self.assertIn("30 runs, 0 failed", done.stdout)
            with open(table, encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            self.assertEqual([row["seed"] for row in rows], [str(seed) for seed in range(1, 31)])
            self.assertTrue(all(2 <= float(row["bottleneck.rate"]) <= 20 for row in rows))
            # A run by its seed alone is the run of the study.
            alone = results(*self.ARGUMENTS, "--seed", "17")
            self.assertAlmostEqual(alone["flows"][0]["seconds"], float(rows[16]["time s"]), places=6)
            with open(page, encoding="utf-8") as file:
                text = file.read()
            self.assertGreaterEqual(Page(text).figures, 8)
            self.assertNotRegex(text, r"https?://|url\(|nan|inf\b")

    def test_relations_are_found(self):
        study = results(*self.ARGUMENTS, "--runs", "40", "--jobs", "1")
        self.assertLess(study["results"]["time s"]["rank_correlation"]["bottleneck.rate"], -0.5)
        self.assertGreater(study["results"]["goodput Mbit/s"]["rank_correlation"]["bottleneck.rate"], 0.5)

    def test_failures_are_named(self):
        done = sim("--rate", "1M..10M", "--bytes", "4M", "--time", "5s", "--runs", "6", code=6)
        self.assertRegex(done.stdout, r"tern sim --rate 1M\.\.10M --bytes 4M --time 5s --seed \d+   # cubic: not complete")


def write(at, text):
    path = os.path.join(at, "scenario.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def has_yaml():
    with tempfile.TemporaryDirectory() as at:
        done = subprocess.run([TERN, "sim", write(at, "")], capture_output=True, text=True, timeout=60, check=False)
    return "without libyaml" not in done.stderr


@unittest.skipUnless(has_yaml(), "built without libyaml")
class Scenarios(unittest.TestCase):
    def test_what_a_file_says(self):
        with tempfile.TemporaryDirectory() as at:
            path = write(at, """
name: three links
time: 20s
seed: 9
links:
  - {name: a, delay: 10ms}
  - {name: b, rate: 8M, delay: 5ms, queue: 1bdp, aqm: codel}
flows:
  - {name: one, cc: newreno, bytes: 600K, path: [a, b]}
  - {name: two, workload: requests, count: 3, gap: 1ms, path: b, start: 100ms}
changes:
  - {at: 200ms, link: b, rate: 4M}
  - {at: 400ms, link: b, down: 100ms}
  - {at: 250ms, rebind: one}
""")
            run = results(path)
            self.assertEqual((run["scenario"], run["seed"]), ("three links", 9))
            self.assertEqual([flow["name"] for flow in run["flows"]], ["one", "two"])
            self.assertEqual([link["name"] for link in run["links"]], ["a", "b", "back"])
            self.assertTrue(all(flow["failure"] is None for flow in run["flows"]), run)
            self.assertGreater(run["flows"][0]["rtt_min_ms"], run["flows"][1]["rtt_min_ms"] + 8)
            self.assertGreater(run["links"][1]["dropped_outage"], 0)
            self.assertEqual(results(path, "--seed", "10")["seed"], 10)

    def test_what_is_wrong_is_named_with_its_line(self):
        for text, why in (("", "empty"), ("links: [", "line"), ("links: 5", "line 1: this should be a list"),
                          ("links:\n - {rate: fast}", "line 2: rate fast"), ("speed: 1", '"speed" is none of'),
                          ("links:\n - {name: a}\nflows:\n - {path: b}", 'line 4: there is no link "b"'),
                          ("links:\n - {name: a}\nflows:\n - {cc: x}", 'controller "x"'),
                          ("links:\n - {name: a}\n", "needs links and flows"),
                          ("links:\n - {name: a}\nflows:\n - {size: 1}", 'no setting "size"'),
                          ("changes:\n - {at: 1s}", "say what changes")):
            with self.subTest(text), tempfile.TemporaryDirectory() as at:
                self.assertIn(why, sim(write(at, text), code=2).stderr)

    def test_the_examples(self):
        for name in sorted(os.listdir("examples/scenarios")):
            run = results(os.path.join("examples/scenarios", name), "--time", "5s", code=None)
            self.assertGreater(run["flows"][0]["content_bytes"], 100000, name)


class Files(unittest.TestCase):
    def test_report_and_table(self):
        with tempfile.TemporaryDirectory() as at:
            page, table = os.path.join(at, "a.html"), os.path.join(at, "a.csv")
            sim("--bytes", "1M", "--loss", "1%", "--mark", "1%", "--html", page, "--csv", table, "-q")
            with open(page, encoding="utf-8") as file:
                text = file.read()
            parsed = Page(text)
            self.assertGreaterEqual(parsed.figures, 7)
            self.assertNotRegex(text, r"https?://|url\(|nan|inf\b")
            self.assertIn("tern sim --bytes 1M --loss 1% --mark 1% --seed 1", "".join(parsed.words))
            with open(table, encoding="utf-8") as file:
                rows = list(csv.reader(line for line in file if not line.startswith("#")))
            self.assertEqual(rows[0][:3], ["what", "name", "time_s"])
            self.assertEqual({row[0] for row in rows[1:]}, {"flow", "link"})
            delivered = [float(row[6]) for row in rows[1:] if row[0] == "flow"]
            self.assertEqual(sorted(delivered), delivered)
            self.assertEqual(len({len(row) for row in rows}), 1)
            self.assertTrue(re.match(r"\d", rows[1][2]))

    def test_a_file_that_cannot_be_written(self):
        done = sim("--bytes", "1K", "-q", "--html", "/nonexistent/a.html", code=1)
        self.assertIn("cannot write", done.stderr)


unittest.main()
