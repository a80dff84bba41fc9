"""lowshot logreg end to end: the published accuracies, what a run writes, and what must not depend on threads."""

import json
import re

import numpy as np
import pytest

# data set's README: nlabeled -> options chosen there, top-5 accuracy over all and over novel classes.
PUBLISHED = {1: ((0.01, 0.1, 500), 73.0, 40.6), 2: ((0.03, 0.1, 16000), 78.5, 54.2), 5: ((0.01, 0.001, 2000), 84.9, 71.7),
             10: ((0.03, 0, 1000), 87.3, 79.3), 20: ((0.01, 0.01, 8000), 89.4, 84.8)}


@pytest.mark.parametrize("nlabeled", PUBLISHED)
def test_published_accuracies(lowshot, full_data, tmp_path, nlabeled):
    """Means over seeds 1 to 5 within 1 point of an independent implementation, whose draws are others."""
    (lr, wd, iterations), all_, novel = PUBLISHED[nlabeled]
    lowshot("logreg", "--data", full_data, "--nlabeled", nlabeled, "--seed", "1-5", "--lr", lr, "--wd", wd, "--maxiter",
            iterations, "--json", tmp_path / "r.json", "-q")
    runs = json.loads((tmp_path / "r.json").read_text())["runs"]
    assert [r["seed"] for r in runs] == [1, 2, 3, 4, 5]
    last = [r["iterations"][-1] for r in runs]
    assert 100 * np.mean([i["top5_all"] for i in last]) == pytest.approx(all_, abs=1)
    assert 100 * np.mean([i["top5_novel"] for i in last]) == pytest.approx(novel, abs=1)


@pytest.fixture(scope="module")
def run(lowshot, bundled_data, tmp_path_factory):
    """run(name, more): the files of one run on the bundled set."""
    folder = tmp_path_factory.mktemp("logreg")

    def make(name, *more):
        place = folder / name
        if not place.exists():
            place.mkdir()
            lowshot("logreg", "--data", bundled_data, "--nlabeled", "2", "--seed", "3", "--maxiter", "700", "--lr", "0.05",
                    "--wd", "0.001", "--mom", "0.5", "--batchsize", "50", "--storeL", place / "scores.npy", "--storemodel",
                    place / "model.npy", "--predictions", place / "predictions.csv", "--json", place / "result.json", *more)
        return place

    return make


@pytest.mark.parametrize("variant", [["--threads", "2"], ["--threads", "3"], ["--isa", "avx2"], ["--threads", "1", "-q"]],
                         ids=" ".join)
def test_files_do_not_depend_on(run, variant):
    """The same bytes from any number of threads, with AVX2 alone, and from a second run (the last variant)."""
    plain, other = run("plain", "--threads", "1"), run("_".join(variant), *variant)
    for name in ("scores.npy", "scores.npy.scores.json", "model.npy", "model.npy.model.json", "predictions.csv"):
        assert (other / name).read_bytes() == (plain / name).read_bytes(), name


def test_result_files_agree(run, bundled_data):
    place = run("plain", "--threads", "1")
    result = json.loads((place / "result.json").read_text())
    assert [i["iteration"] for i in result["iterations"]] == [500, 700]
    for key in ("classes", "test_rows", "unreached_test_rows", "seconds", "peak_rss_bytes", "options", "version", "device"):
        assert key in result
    scores = np.load(place / "scores.npy")
    assert scores.shape == (1, result["test_rows"], result["classes"]) and scores.dtype == np.float32
    np.testing.assert_allclose(np.exp(scores[0].astype(np.float64)).sum(axis=1), 1, rtol=1e-5)

    info = json.loads((place / "scores.npy.scores.json").read_text())
    assert info["kind"] == "log_softmax" and info["iterations"] == [700]
    assert info["options"] == {"mode": "val", "nlabeled": "2", "seed": "3"}
    lists = json.loads((bundled_data / "label_idx.json").read_text())
    novel = {c - 1 for c in lists["novel_classes_1"]}
    assert info["classes"] == sorted(novel | {c - 1 for c in lists["base_classes_1"]})
    assert info["novel"] == [c in novel for c in info["classes"]]

    classes, labels = np.array(info["classes"]), np.array(info["labels"])
    best = classes[np.argsort(-scores[0], axis=1, kind="stable")[:, :5]]
    hit = (best == labels[:, None]).any(axis=1)
    last = result["iterations"][-1]
    assert hit.mean() == pytest.approx(last["top5_all"], abs=1e-12)
    assert hit[np.isin(labels, list(novel))].mean() == pytest.approx(last["top5_novel"], abs=1e-12)
    predictions = np.genfromtxt(place / "predictions.csv", delimiter=",", names=True, dtype=int)
    assert (predictions["class"] == labels).all() and (predictions["row"] == info["rows"]).all()
    assert (np.stack([predictions[f"top{j}"] for j in range(1, 6)], axis=1) == best).all()


def test_stored_model_gives_the_stored_scores(run, bundled_data):
    import h5py
    place = run("plain", "--threads", "1")
    weights = np.load(place / "model.npy").astype(np.float64)
    info = json.loads((place / "scores.npy.scores.json").read_text())
    model = json.loads((place / "model.npy.model.json").read_text())
    assert model["classes"] == info["classes"] and model["dim"] == weights.shape[1] - 1
    assert len(model["names"]) == len(weights)
    with h5py.File(bundled_data / "features/val.hdf5") as file:
        x = file["all_feats"][:][info["rows"]].astype(np.float64)
    z = x @ weights[:, :-1].T + weights[:, -1]
    z -= z.max(axis=1, keepdims=True)
    expected = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(np.load(place / "scores.npy")[0], expected, atol=1e-4)


def test_several_runs_equal_single_ones(lowshot, bundled_data, tmp_path):
    common = ["logreg", "--data", bundled_data, "--maxiter", "300", "-q"]
    lowshot(*common, "--nlabeled", "1,5", "--seed", "1-2", "--json", tmp_path / "all.json")
    runs = json.loads((tmp_path / "all.json").read_text())["runs"]
    assert [(r["nlabeled"], r["seed"]) for r in runs] == [(1, 1), (1, 2), (5, 1), (5, 2)]
    for r in runs:
        lowshot(*common, "--nlabeled", r["nlabeled"], "--seed", r["seed"], "--json", tmp_path / "one.json")
        one = json.loads((tmp_path / "one.json").read_text())
        for a, b in zip(one["iterations"], r["iterations"], strict=True):
            assert all(a[key] == b[key] for key in ("iteration", "top5_all", "top5_novel", "top1_all", "top1_novel"))


def test_test_mode_scores_at_the_end(lowshot, small_data):
    data = small_data(dtype=np.float16)
    out = lowshot("logreg", "--data", data.root, "--mode", "test", "--maxiter", "1100").stdout
    assert len(out.splitlines()) == 1
    assert re.search(r"^iteration 1100 .* s .*iB +top-5 accuracy: [01]\.\d{3} \([01]\.\d{3} on novel\)$", out)
    out = lowshot("logreg", "--data", data.root, "--mode", "val", "--maxiter", "1100").stdout
    assert [int(line.split()[1]) for line in out.splitlines()] == [500, 1000, 1100]


def test_learns_what_is_separable(lowshot, small_data, tmp_path):
    """Classes far apart: every test row is found first."""
    data = small_data()
    for x, labels in ((data.train, data.train_labels), (data.val, data.val_labels)):
        x[:] = 0
        x[np.arange(len(x)), labels] = 5
    data.write()
    lowshot("logreg", "--data", data.root, "--maxiter", "500", "--lr", "0.1", "--json", tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["iterations"][-1]["top1_all"] == 1


def test_dry_run_writes_nothing(lowshot, bundled_data, tmp_path):
    out = lowshot("logreg", "--data", bundled_data, "--dry-run", "--storeL", tmp_path / "s.npy").stdout
    assert "20000 minibatches of 128 rows" in out and "scored every 500 iterations" in out and "fits" in out
    assert not list(tmp_path.iterdir())


def test_bad_input(refused, small_data, tmp_path, bundled_data):
    data = small_data()
    run = ["logreg", "--data", data.root, "--maxiter", "600"]
    refused(2, r"diverged: in iteration \d+ .* smaller learning rate", *run, "--lr", "1e30", "--wd", "1", "--storeL",
            tmp_path / "s.npy")
    refused(2, r"learning rate must be above 0, not 0", *run, "--lr", "0")
    refused(2, r"weight decay must be 0 or above", *run, "--wd", "-1")
    refused(2, r"momentum must be at least 0 and below 1", *run, "--mom", "1")
    refused(2, r"batchsize", *run, "--batchsize", "0")
    refused(2, r"needs labels of every class", *run, "--nlabeled", "0")
    refused(2, r"hold one run and 2 are asked for", *run, "--seed", "1,2", "--storemodel", tmp_path / "m.npy")
    refused(3, r"has 10 training rows, --nlabeled 11 needs at least 11", *run, "--nlabeled", "11")
    refused(4, r"this job needs", *run, "--memory", "1M")
    refused(4, r"folder of the result does not exist", *run, "--storeL", tmp_path / "absent/s.npy")
    data.train[13, 2] = np.nan
    data.write()
    refused(3, r"train\.hdf5.*row 13", *run)
