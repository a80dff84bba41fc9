"""lowshot diffusion end to end: the published table, and what must not depend on threads, slices or pruning."""

import json
import re

import numpy as np
import pytest

SETTINGS = {"none": ["--nbg", "0"], "60k": ["--nbg", "60000"], "in-domain": ["--nbg", "0", "--in-domain"]}


def published_table(readme, background):
    """{iteration: [(top-5 all, top-5 novel) for nlabeled 1, 2, 5, 10, 20]} from the data set's README."""
    text = readme.read_text()
    section = text.split(f"**background {background}**")[1].split("**background")[0]
    rows = re.findall(r"^\| (\d) \|(.*)\|$", section, flags=re.M)
    return {int(t): [tuple(map(float, re.match(r"\s*([\d.]+) / ([\d.]+)", cell).groups())) for cell in cells.split("|")]
            for t, cells in rows}


@pytest.mark.parametrize("background", SETTINGS)
def test_published_table(lowshot, full_data, tmp_path, background):
    """Means over seeds 1 to 5 against an independent implementation: 0.2 points, 0.5 for iteration 1 (ties of zero
    scores fall differently there)."""
    result = tmp_path / "result.json"
    lowshot("diffusion", "--data", full_data, "--work", tmp_path / "work", *SETTINGS[background], "--nlabeled", "1,2,5,10,20",
            "--seed", "1-5", "--niter", "6", "--mode", "val", "--json", result, "-q")
    runs = json.loads(result.read_text())["runs"]
    assert len(runs) == 25
    table = published_table(full_data / "README.md", background)
    assert sorted(table) == list(range(7))
    for t in range(1, 7):
        for (all_, novel), labels in zip(table[t], (1, 2, 5, 10, 20), strict=True):
            ours = [r["iterations"][t] for r in runs if r["nlabeled"] == labels]
            assert len(ours) == 5
            tolerance = 0.5 if t == 1 else 0.2
            assert 100 * np.mean([i["top5_all"] for i in ours]) == pytest.approx(all_, abs=tolerance), (t, labels)
            assert 100 * np.mean([i["top5_novel"] for i in ours]) == pytest.approx(novel, abs=tolerance), (t, labels)


@pytest.fixture(scope="module")
def reference(lowshot, bundled_data, tmp_path_factory):
    """One run on the bundled set with every output, on one thread; other tests compare theirs with it."""
    folder = tmp_path_factory.mktemp("reference")
    arguments = ["diffusion", "--data", bundled_data, "--nbg", "5000", "--nlabeled", "2", "--seed", "3", "--niter", "4"]

    def run(name, *more):
        place = folder / name
        place.mkdir()
        lowshot(*arguments, "--work", place / "work", "--storeL", place / "scores.npy", "--predictions", place / "predictions.csv", "--json",
                place / "result.json", "-q", *more)
        return place

    return run, run("plain", "--threads", "1")


@pytest.mark.parametrize("variant", [["--threads", "2"], ["--lslice", "1"], ["--lslice", "7"], ["--lslice", "50"],
                                     ["--prune", "on"], ["--prune", "off"], ["--isa", "avx2"]], ids=" ".join)
def test_files_do_not_depend_on(reference, variant):
    run, plain = reference
    other = run("_".join(variant), *variant)
    for name in ("scores.npy", "predictions.csv"):
        assert (other / name).read_bytes() == (plain / name).read_bytes(), name


def test_result_file(reference):
    _, plain = reference
    result = json.loads((plain / "result.json").read_text())
    scores = np.load(plain / "scores.npy")
    assert scores.shape == (5, result["test_rows"], result["classes"]) and scores.dtype == np.float32
    assert np.isfinite(scores).all() and (scores >= 0).all()
    for key in ("nodes", "edges", "classes", "test_rows", "unreached_test_rows", "seconds", "peak_rss_bytes", "options",
                "version", "device"):
        assert key in result
    assert [i["iteration"] for i in result["iterations"]] == [0, 1, 2, 3, 4]
    predictions = np.genfromtxt(plain / "predictions.csv", delimiter=",", names=True, dtype=int)
    top5 = np.stack([predictions[f"top{j}"] for j in range(1, 6)], axis=1)
    last = result["iterations"][-1]
    assert (top5 == predictions["class"][:, None]).any(axis=1).mean() == pytest.approx(last["top5_all"], abs=1e-12)
    assert (predictions["predicted"] == predictions["class"]).mean() == pytest.approx(last["top1_all"], abs=1e-12)


def test_half_precision_scores_nearly_the_same(reference):
    run, plain = reference
    half, single = run("half", "--storage", "half"), run("single", "--storage", "float")
    assert (single / "scores.npy").read_bytes() == (plain / "scores.npy").read_bytes()  # a small graph's default
    scores, exact = (np.load(place / "scores.npy") for place in (half, single))
    assert not np.array_equal(scores, exact)
    # 2^-11 of an entry a step, and what falls below 2^-40 is lost
    np.testing.assert_allclose(scores, exact, rtol=5 * 2.0**-11, atol=1e-8)
    accuracies = [json.loads((place / "result.json").read_text())["iterations"][-1]["top5_all"] for place in (half, single)]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.002)


def test_half_precision_does_not_depend_on_how(reference):
    run, _ = reference
    plain = run("half_plain", "--storage", "half", "--threads", "1")
    for variant in (["--threads", "2", "--lslice", "7"], ["--prune", "on"], ["--prune", "off"], ["--isa", "avx2"]):
        other = run("half_" + "_".join(variant), "--storage", "half", *variant)
        assert (other / "scores.npy").read_bytes() == (plain / "scores.npy").read_bytes(), variant


def test_several_runs_equal_single_ones(lowshot, bundled_data, tmp_path):
    common = ["diffusion", "--data", bundled_data, "--work", tmp_path / "work", "--nbg", "3000", "--niter", "2", "-q"]
    lowshot(*common, "--nlabeled", "1,5", "--seed", "1-2", "--json", tmp_path / "all.json")
    runs = json.loads((tmp_path / "all.json").read_text())["runs"]
    assert [(r["nlabeled"], r["seed"]) for r in runs] == [(1, 1), (1, 2), (5, 1), (5, 2)]
    accuracies = ("top5_all", "top5_novel", "top1_all", "top1_novel")
    for r in runs:
        lowshot(*common, "--nlabeled", r["nlabeled"], "--seed", r["seed"], "--json", tmp_path / "one.json")
        one = json.loads((tmp_path / "one.json").read_text())
        assert one["edges"] == r["edges"]
        for a, b in zip(one["iterations"], r["iterations"], strict=True):
            assert all(a[key] == b[key] for key in accuracies)


@pytest.mark.parametrize("setting", [["--nbg", "2000"], ["--nbg", "500", "--in-domain"]], ids=" ".join)
def test_stored_label_matrices(lowshot, bundled_data, tmp_path, setting):
    """Rows in the protocol's order: labelled first, unlabelled rows of the novel classes, then the background."""
    lowshot("diffusion", "--data", bundled_data, "--work", tmp_path / "work", *setting, "--nlabeled", "3", "--niter", "2",
            "--storeLiters", tmp_path / "L_%d.npy", "--json", tmp_path / "r.json", "-q")
    result = json.loads((tmp_path / "r.json").read_text())
    start = np.load(tmp_path / "L_0.npy")
    assert start.shape == (result["nodes"], result["classes"])
    labelled = (start > 0).sum(axis=1)
    count = int(labelled.sum())
    assert (labelled[:count] == 1).all() and (labelled[count:] == 0).all()
    classes = start[:count].argmax(axis=1)
    steps_down = (np.diff(classes) < 0).sum()
    assert steps_down == 1  # base classes rising, then novel classes rising
    for t in range(3):
        np.testing.assert_allclose(np.load(tmp_path / f"L_{t}.npy").sum(axis=0, dtype=np.float64), 1, rtol=1e-5)


def test_printed_lines(lowshot, bundled_data, tmp_path):
    out = lowshot("diffusion", "--data", bundled_data, "--work", tmp_path, "--nbg", "0", "--niter", "1").stdout
    lines = out.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert re.search(r"top-5 accuracy: 0\.\d{3} \(0\.\d{3} on novel\)$", line), line
        assert re.search(r"[\d.]+ s +[\d.]+ [MG]iB", line), line


def test_dry_run_writes_nothing(lowshot, bundled_data, tmp_path):
    work = tmp_path / "work"
    out = lowshot("diffusion", "--data", bundled_data, "--work", work, "--nbg", "60000", "--dry-run").stdout
    assert "exact 32-nearest-neighbour graph" in out and "fits" in out
    assert not work.exists()


def test_memory_limit_refuses_before_work(lowshot, bundled_data, tmp_path):
    done = lowshot("diffusion", "--data", bundled_data, "--work", tmp_path, "--nbg", "60000", "--memory", "50M", code=4)
    assert "this job needs" in done.stderr and "50 MiB is the limit (--memory)" in done.stderr


def test_work_keeps_what_was_made(lowshot, bundled_data, tmp_path):
    arguments = ["diffusion", "--data", bundled_data, "--work", tmp_path, "--nbg", "2000", "--niter", "1"]
    first = lowshot(*arguments)
    assert "exact 32-nearest-neighbour graph of" in first.stderr
    second = lowshot(*arguments)
    assert "neighbour graph of" not in second.stderr and "trained" not in second.stderr
    assert [line.split("accuracy")[1] for line in first.stdout.splitlines()] == \
        [line.split("accuracy")[1] for line in second.stdout.splitlines()]
    other = lowshot("diffusion", "--data", bundled_data, "--work", tmp_path, "--background",
                    bundled_data / "features/f100m/block0.hdf5", "--nbg", "2000", "--niter", "1")
    assert [line.split("accuracy")[1] for line in other.stdout.splitlines()] == \
        [line.split("accuracy")[1] for line in second.stdout.splitlines()]
