"""lowshot select and lowshot report on result files that were never run."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from browser import check_drawn

SEEDS = (1, 2, 3)


@pytest.fixture
def results(tmp_path):
    """A folder of results: write(method, mode, nl, seed, scores, settings), scores as (all, novel) in percent."""

    class Results:
        folder = tmp_path / "sweep"
        count = 0

        def write(self, method, mode, nl, seed, scores, settings=None, step=1, **changes):
            settings = {"mode": mode, "nlabeled": str(nl), "seed": str(seed), "data": "cifar"} | (settings or {})
            iterations = [{"iteration": i * step, "top5_all": a / 100, "top5_novel": n / 100, "top1_all": a / 200,
                           "top1_novel": n / 200, "seconds": 0.5 * i} for i, (a, n) in enumerate(scores)]
            result = {"format": 1, "group": method, "method": method, "settings": settings, "nlabeled": nl, "seed": seed,
                      "iterations": iterations, "nodes": 1000, "edges": 60000, "classes": 507, "test_rows": 500,
                      "unreached_test_rows": 0, "run_seconds": 1.5, "seconds": {"k-NN graph": 8.0, "diffusion": 2.0},
                      "peak_rss_bytes": 1 << 30, "device": "cpu (avx2, 2 threads)", "version": "0.1.0"} | changes
            self.count += 1
            path = self.folder / f"results/{method}/{method}-{mode}-nl{nl}-s{seed}-{self.count:04}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result))
            return path

    return Results()


def background(nbg, niter=3, in_domain=False):
    return {"nbg": str(nbg), "in-domain": "true" if in_domain else "false", "k": "30", "niter": str(niter), "pca": "default"}


LOGREG = {"lr": "0.001", "wd": "0.1", "batchsize": "128", "mom": "0", "maxiter": "47000"}


def paper_like(results, shift=0.0):
    """1M backgrounds of the paper moved by `shift` points, logreg, none, in-domain and a combination beside them."""
    for nl, all_, novel, logreg in [(1, 61.24, 43.54, (60.32, 42.50)), (20, 79.02, 72.50, (86.00, 82.92))]:
        for seed in SEEDS:
            spread = (seed - 2) * 0.1
            value = (all_ + shift + spread, novel + shift + spread)
            results.write("diffusion", "test", nl, seed, [(30, 20), (50, 30), value], background(1_000_000, 2))
            results.write("diffusion", "test", nl, seed, [(30, 20), (50 + spread, 30)], background(0, 1))
            results.write("diffusion", "test", nl, seed, [(30, 20), (55 + spread, 35)], background(0, 1, True))
            results.write("logreg", "test", nl, seed, [logreg], LOGREG, step=47000)
            results.write("combine", "test", nl, seed, [(88, 85)], background(1_000_000) | LOGREG | {"of": "a+b"}, weight=0.4)


def test_table_in_the_originals_form(lowshot, results, tmp_path):
    paper_like(results)
    out = lowshot("report", results.folder, "--csv", tmp_path / "t.csv", "--json", tmp_path / "t.json").stdout
    assert "1M:\nnl=1: 61.24 +/- 0.082, novel 43.54 +/- 0.082\n" in out  # population std of -.1, 0, .1
    header = next(line for line in out.splitlines() if line.startswith("nl ") and "logreg" in line)
    assert re.split(r"\s{2,}", header) == ["nl", "none", "1M", "in-domain", "logreg", "combined, 1M"]
    with open(tmp_path / "t.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    row = next(r for r in rows if r["column"] == "1M" and r["nlabeled"] == "20")
    assert (float(row["all_mean"]), row["iteration"], row["seeds"]) == (pytest.approx(79.02), "2", "3")
    cells = json.loads((tmp_path / "t.json").read_text())["cells"]
    combined = next(c for c in cells if c["method"] == "combine")
    assert combined["background_rows"] == 1_000_000 and combined["top5_novel"]["mean"] == pytest.approx(85)


def test_missing_cells_and_seeds_are_said(lowshot, results, tmp_path):
    for seed in SEEDS:
        results.write("diffusion", "test", 1, seed, [(60, 40)], background(0))
    results.write("diffusion", "test", 5, 2, [(70, 50)], background(100_000))
    out = lowshot("report", results.folder, "--html", tmp_path / "t.html", "--csv", tmp_path / "t.csv").stdout
    assert "none:\nnl=1: 60.00 +/- 0.000, novel 40.00 +/- 0.000\nnl=5: -\n" in out
    assert "note: nl=5, 100k: 1 of 3 seeds; missing: 1,3" in out
    page = (tmp_path / "t.html").read_text()
    assert "<td>-</td>" in page and "(1 of 3 seeds)" in page
    assert "test,5,none,diffusion,0,0,0,,,,,,,,,\n" in (tmp_path / "t.csv").read_text()


def test_validation_shows_the_best_and_a_named_iteration(lowshot, results):
    for seed in SEEDS:
        results.write("diffusion", "val", 1, seed, [(10, 5), (60, 40), (50, 45)], background(0))
    assert "nl=1: 60.00" in lowshot("report", results.folder, "--mode", "val").stdout
    assert "nl=1: 50.00" in lowshot("report", results.folder, "--mode", "val", "--iteration", "last").stdout
    assert "nl=1: 10.00" in lowshot("report", results.folder, "--mode", "val", "--iteration", "0").stdout
    assert "--mode val" in lowshot("report", results.folder, code=3).stderr


@pytest.mark.parametrize("shift, code", [(0.0, 0), (0.55, 0), (-0.62, 1), (5.0, 1)])
def test_against_paper(lowshot, results, tmp_path, shift, code):
    """Tolerance: 0.5 points and a standard deviation of 0.082."""
    paper_like(results, shift)
    done = lowshot("report", results.folder, "--against", "paper", "--json", tmp_path / "t.json", code=code)
    lines = json.loads((tmp_path / "t.json").read_text())["against_paper"]
    assert len(lines) == 8
    for line in lines:
        assert line["inside"] == (code == 0 or line["column"] == "logreg")
        assert line["difference"] == pytest.approx(shift if line["column"] == "1M" else 0)
    assert f"{8 if code == 0 else 4} of 8 inside" in done.stdout and "0.5 points and one standard deviation" in done.stdout
    if code:
        assert "4 of 8 cells are outside" in done.stderr and re.search(r"1M .* outside", done.stdout)


def test_another_data_set_beside_the_paper_is_said(lowshot, results):
    results.write("logreg", "test", 1, 1, [(60.32, 42.5)], LOGREG, classes=50)
    assert "50 classes and the paper's 507" in lowshot("report", results.folder, "--against", "paper").stdout


def test_nothing_to_compare(refused, results):
    results.write("diffusion", "test", 3, 1, [(60, 40)], background(0))
    refused(2, "no cell of the table", "report", results.folder, "--against", "paper")
    refused(2, "test classes", "report", results.folder, "--against", "paper", "--mode", "val")


@pytest.mark.parametrize("damage, pattern", [
    (lambda text: text[:len(text) // 2], "no result of an experiment"),
    (lambda text: text.replace('"format": 1', '"format": 7'), "format 1 is expected and 7 found"),
    (lambda text: text.replace('"top5_all": 0.6', '"top5_all": 60'), "top5_all is 60"),
    (lambda text: text.replace('"seed": 1,', '"seed": "one",'), "must be number"),
    (lambda text: "[]", "no result of an experiment")], ids=["cut", "format", "range", "kind", "list"])
@pytest.mark.parametrize("command", ["report", "select"])
def test_damaged_results(refused, results, command, damage, pattern):
    path = results.write("diffusion", "test", 1, 1, [(60, 40)], background(0))
    path.write_text(damage(path.read_text()))
    done = refused(3, pattern, command, results.folder)
    assert path.name in done.stderr and "lowshot sweep" in done.stderr


def test_folder_without_results(refused, tmp_path):
    refused(3, "there are no results", "report", tmp_path / "nowhere")
    refused(3, "there are no results", "select", tmp_path)


def grid(results):
    for seed in SEEDS:
        for nl in (1, 5):
            results.write("diffusion", "val", nl, seed, [(10, 5), (60, 40 + nl), (50, 45), (40, 40)], background(1_000_000))
            for wd, best in [("0", 61), ("0.1", 62 if nl == 1 else 60)]:
                results.write("logreg", "val", nl, seed, [(1, 1), (50, 30), (best, 40), (50, 40)], LOGREG | {"wd": wd}, step=500)


def test_select(lowshot, results, tmp_path):
    grid(results)
    out = lowshot("select", results.folder, "-o", tmp_path / "chosen.yaml", "--json", tmp_path / "s.json").stdout
    chosen = {(c["method"], c["nlabeled"]): c for c in json.loads((tmp_path / "s.json").read_text())["choices"]}
    assert {k: (c["chosen"]["settings"].get("wd"), c["chosen"]["iteration"]) for k, c in chosen.items()} == {
        ("diffusion", 1): (None, 1), ("diffusion", 5): (None, 1), ("logreg", 1): ("0.1", 1000), ("logreg", 5): ("0", 1000)}
    assert chosen["logreg", 1]["runner_up"]["settings"]["wd"] == "0"
    assert re.search(r"logreg +- +1 +batchsize 128, lr 0.001, mom 0, wd 0.1, 1000 iterations +62.00 \+/- 0.00 +3 ", out)
    plan = (tmp_path / "chosen.yaml").read_text()
    for line in ["name: chosen", "data: cifar", "    mode: [val, test]", "    seed: [1, 2, 3]", "    nbg: 1000000",
                 "      - {nlabeled: 5, niter: 1}", "      - {nlabeled: 1, wd: 0.1, maxiter: 1000}",
                 "      - {nlabeled: 5, wd: 0, maxiter: 1000}", "    of: [logreg, diffusion-1M]"]:
        assert line in plan.splitlines(), plan


def test_select_by_another_metric_and_missing_seeds(lowshot, results):
    grid(results)
    assert re.search(r"diffusion +1M +1 +2 iterations", lowshot("select", results.folder, "--metric", "top5_novel").stdout)
    results.write("logreg", "val", 1, 1, [(1, 1), (99, 99), (1, 1)], LOGREG | {"wd": "0.01"}, step=500)
    out = lowshot("select", results.folder).stdout
    assert "logreg, nl=1: 1 of 3 settings are left out" in out and "wd=0.01 misses seed 2,3" in out
    assert "wd 0.01," not in out


class Page(HTMLParser):
    """Every tag is closed by its own; attributes that would load something are collected."""

    VOID = {"meta", "img", "br", "circle", "rect", "path", "polyline", "line"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.loads = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [(k, v) for k, v in attributes if k in ("src", "href", "xlink:href", "srcset", "onload", "onclick")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page(lowshot, results, tmp_path):
    paper_like(results)
    grid(results)
    lowshot("report", results.folder, "--html", tmp_path / "t.html", "--against", "paper")
    text = (tmp_path / "t.html").read_text()
    page = Page(text)
    assert page.loads == [] and "script" not in page.tags and "url(" not in text and "@import" not in text
    assert not re.search(r"https?://", text)
    for heading in ["All classes", "Novel classes", "Beside the paper", "Accuracy against the number of labels",
                    "Accuracy against the size of the background", "Accuracy against the iteration, test classes",
                    "Accuracy against the iteration, validation classes", "Time by phase"]:
        assert f"<h2>{heading}</h2>" in text
    assert page.tags.count("svg") >= 14 and "nan" not in text and "inf," not in text
    assert 'class="error s1"' in text and 'class="inside"' in text


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_are_legible(lowshot, results, tmp_path):
    paper_like(results)
    lowshot("report", results.folder, "--html", tmp_path / "t.html")
    text = (tmp_path / "t.html").read_text()
    papers = re.findall(r"--paper: (#\w{6})", text)
    sets = [re.findall(r"--s\d: (#\w{6})", line) for line in text.splitlines() if "--s0: #" in line]
    assert len(papers) == len(sets) == 2
    for paper, colours in zip(papers, sets, strict=True):
        assert len(set(colours)) == 8
        for colour in colours:
            high, low = sorted([luminance(paper), luminance(colour)], reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (paper, colour)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_in_a_browser(lowshot, results, tmp_path, scheme):
    """Drawn by a headless browser: not blank, and dark where the reader prefers dark."""
    paper_like(results)
    grid(results)
    lowshot("report", results.folder, "--html", tmp_path / "t.html", "--against", "paper")
    check_drawn(tmp_path / "t.html", scheme, "1100,3200", 60000)
