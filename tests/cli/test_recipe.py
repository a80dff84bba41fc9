"""lowshot diffusion --recipe: the published means, and the small recipe's answer against the formulas in numpy."""

import json

import h5py
import numpy as np
import pytest

SETTINGS = {"none": ["--nbg", "0"], "60k": ["--nbg", "60000"], "in-domain": ["--nbg", "0", "--in-domain"]}

# Means over seeds 1 to 5, top-5 all / novel, nlabeled 1, 2, 5, 10, 20, of the prototype that the recipe was chosen with.
MEANS = {
    "none": [(77.3, 61.8), (81.6, 70.2), (85.8, 78.9), (87.9, 83.7), (89.3, 86.9)],
    "60k": [(77.3, 62.0), (81.2, 69.5), (85.7, 79.0), (87.8, 83.7), (89.2, 86.9)],
    "in-domain": [(78.8, 66.3), (82.3, 72.5), (86.3, 80.4), (88.2, 85.0), (89.5, 87.8)],
}


@pytest.mark.parametrize("background", SETTINGS)
def test_published_means(lowshot, full_data, tmp_path, background):
    result = tmp_path / "result.json"
    lowshot("diffusion", "--data", full_data, "--work", tmp_path / "work", *SETTINGS[background], "--recipe", "small",
            "--nlabeled", "1,2,5,10,20", "--seed", "1-5", "--mode", "val", "--json", result, "-q")
    runs = json.loads(result.read_text())["runs"]
    for labels, (all_, novel) in zip((1, 2, 5, 10, 20), MEANS[background], strict=True):
        ours = [r["iterations"][-1] for r in runs if r["nlabeled"] == labels]
        assert len(ours) == 5 and all(i["recipe"] == "small" for i in ours)
        assert 100 * np.mean([i["top5_all"] for i in ours]) == pytest.approx(all_, abs=0.4), labels
        assert 100 * np.mean([i["top5_novel"] for i in ours]) == pytest.approx(novel, abs=0.4), labels


# The recipe full: with correct and smooth in the in-domain setting.
FULL_MEANS = {
    "none": [(77.8, 60.4), (82.0, 69.4), (86.3, 79.2), (88.1, 83.7), (89.4, 86.8)],
    "60k": [(77.8, 60.1), (81.6, 68.4), (86.1, 78.9), (88.0, 83.9), (89.4, 87.3)],
    "in-domain": [(80.5, 69.0), (84.3, 76.8), (88.0, 84.3), (89.3, 86.7), (90.2, 88.1)],
}


@pytest.mark.parametrize("background", ["none"])
def test_published_means_of_full(lowshot, full_data, tmp_path, background):
    """One label, without background: each experiment trains a regression, which takes seconds."""
    result = tmp_path / "result.json"
    lowshot("diffusion", "--data", full_data, "--work", tmp_path / "work", *SETTINGS[background], "--recipe", "full",
            "--nlabeled", "1", "--seed", "1-5", "--mode", "val", "--json", result, "-q")
    runs = json.loads(result.read_text())["runs"]
    for labels, (all_, novel) in ((1, FULL_MEANS[background][0]),):
        ours = [r["iterations"][-1] for r in runs if r["nlabeled"] == labels]
        assert len(ours) == 5 and all(i["recipe"] == "full" for i in ours)
        assert 100 * np.mean([i["top5_all"] for i in ours]) == pytest.approx(all_, abs=0.4), labels
        assert 100 * np.mean([i["top5_novel"] for i in ours]) == pytest.approx(novel, abs=0.4), labels


def read(path):
    with h5py.File(path) as file:
        rows = int(file["count"][0])
        return file["all_feats"][:rows].astype(np.float64), file["all_labels"][:rows]


def normalised(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def log_softmax(scores):
    scores = scores - scores.max(axis=1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


def lda(base, base_classes, novel, novel_classes, tests, classes, lam, m):
    """The formulas of lowshot/lda.h, symmetric root and all."""
    ids = np.unique(base_classes)
    means = np.array([base[base_classes == c].mean(axis=0) for c in ids])
    mu = means.mean(axis=0)
    deviation = base - means[np.searchsorted(ids, base_classes)]
    within = deviation.T @ deviation / len(base)
    dim = base.shape[1]
    values, vectors = np.linalg.eigh((1 - lam) * within + lam * np.trace(within) / dim * np.eye(dim))
    root = vectors / np.sqrt(values) @ vectors.T
    centres = np.zeros((classes, dim))
    centres[ids] = (means - mu) @ root
    noise = np.mean([1 / np.sum(base_classes == c) for c in ids])
    spread = np.linalg.eigvalsh(np.cov(centres[ids].T, ddof=1))
    between = np.maximum(0, spread - noise).mean()
    for c in np.unique(novel_classes):
        own = novel[novel_classes == c]
        evidence = len(own) * m * between
        centres[c] = evidence / (evidence + 1) * ((own.mean(axis=0) - mu) @ root)

    def scores(rows, which):
        return ((rows - mu) @ root) @ centres[which].T - (centres[which] ** 2).sum(axis=1) / 2

    of_base = scores(base, ids)
    own = np.searchsorted(ids, base_classes)
    temperatures = np.logspace(-2.5, 0.3, 60)
    likelihood = [log_softmax(t * of_base)[np.arange(len(base)), own].sum() for t in temperatures]
    return log_softmax(temperatures[np.argmax(likelihood)] * scores(tests, np.arange(classes)))


@pytest.mark.parametrize("setting", [["--nbg", "0"], ["--nbg", "2000"], ["--nbg", "0", "--in-domain"]], ids=" ".join)
@pytest.mark.parametrize("positive", [False, True], ids=["signed", "rectified"])
def test_answer_is_that_of_the_formulas(lowshot, bundled_data, tmp_path, setting, positive):
    """On the bundled descriptors, which have both signs, and on their magnitudes, which have powers."""
    nlabeled, seed = 2, 3
    data = bundled_data
    if positive:
        data = tmp_path / "data"
        for name in ("features/train.hdf5", "features/val.hdf5", "features/f100m/block0.hdf5"):
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(bundled_data / name) as file, h5py.File(data / name, "w") as copy:
                for key in file:
                    copy[key] = np.abs(file[key][:]) if key == "all_feats" else file[key][:]
        (data / "label_idx.json").write_bytes((bundled_data / "label_idx.json").read_bytes())
    lowshot("diffusion", "--data", data, "--work", tmp_path / "work", *setting, "--recipe", "small", "--nlabeled",
            nlabeled, "--seed", seed, "--storeL", tmp_path / "v.npy", "--predictions", tmp_path / "p.csv", "--json",
            tmp_path / "r.json", "-q")

    lists = json.loads((data / "label_idx.json").read_text())
    base = {c - 1 for c in lists["base_classes_1"]}
    classes = sorted(base | {c - 1 for c in lists["novel_classes_1"]})
    train, train_labels = read(data / "features/train.hdf5")
    val, val_labels = read(data / "features/val.hdf5")
    random = np.random.RandomState(seed)
    rows, numbers, novel_rows, novel_numbers = [], [], [], []
    for number, original in enumerate(classes):
        own = np.flatnonzero(train_labels == original)
        if original not in base:
            random.shuffle(own)
            own = own[:nlabeled]
        (rows if original in base else novel_rows).append(own)
        (numbers if original in base else novel_numbers).append(np.full(len(own), number))
    rows, numbers, novel_rows, novel_numbers = map(np.concatenate, (rows, numbers, novel_rows, novel_numbers))
    tests = np.flatnonzero(np.isin(val_labels, classes))
    exponent = 0.7 if positive else 1
    block, _ = read(data / "features/f100m/block0.hdf5")
    mean = (block**exponent).mean(axis=0)
    base_z, novel_z, tests_z = (normalised(x**exponent - mean) for x in (train[rows], train[novel_rows], val[tests]))
    classifier = lda(base_z, numbers, novel_z, novel_numbers, tests_z, len(classes), lam=0.5, m=2)

    votes = np.load(tmp_path / "v.npy")[4].astype(np.float64)
    sums = votes.sum(axis=1, keepdims=True)
    diffusion = np.log(np.where(sums > 0, votes / np.where(sums > 0, sums, 1) + 1e-4, 1 / len(classes)))
    novel_class = np.array([c not in base for c in classes])
    fused = 0.5 * diffusion + 0.5 * classifier + (1.25 - 0.35 * np.log(nlabeled)) * novel_class

    predictions = np.genfromtxt(tmp_path / "p.csv", delimiter=",", names=True, dtype=int)
    np.testing.assert_array_equal(predictions["row"], tests)
    ours = np.searchsorted(classes, predictions["predicted"])
    best = fused.argmax(axis=1)
    # float32 there, float64 here: nearly equal scores may fall the other way
    differ = np.flatnonzero(ours != best)
    np.testing.assert_allclose(fused[differ, ours[differ]], fused[differ, best[differ]], atol=1e-3)
    assert len(differ) <= 0.001 * len(tests)

    last = json.loads((tmp_path / "r.json").read_text())["iterations"][-1]
    truth = np.searchsorted(classes, val_labels[tests])
    right = (np.argsort(-fused, axis=1, kind="stable")[:, :5] == truth[:, None]).any(axis=1)
    assert last["iteration"] == 4 and last["recipe"] == "small"
    assert last["top5_all"] == pytest.approx(right.mean(), abs=0.001)
    assert last["top5_novel"] == pytest.approx(right[novel_class[truth]].mean(), abs=0.002)


@pytest.mark.parametrize("recipe", ["small", "full"])
def test_does_not_depend_on_threads(lowshot, bundled_data, tmp_path, recipe):
    for threads in ("1", "2", "5"):
        lowshot("diffusion", "--data", bundled_data, "--work", tmp_path / threads, "--in-domain", "--recipe", recipe,
                "--threads", threads, "--predictions", tmp_path / f"{threads}.csv", "-q")
        assert (tmp_path / f"{threads}.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()


def test_printed_lines(lowshot, bundled_data, tmp_path):
    out = lowshot("diffusion", "--data", bundled_data, "--work", tmp_path, "--nbg", "0", "--recipe", "small").stdout
    assert [line.split("  ")[0] for line in out.splitlines()] == [f"iteration  {t}".split("  ")[0] for t in range(5)] + \
        ["recipe small"]


def test_auto_is_the_paper_then_the_recipe(lowshot, bundled_data, tmp_path):
    def iterations(recipe, *options):
        out = tmp_path / "r.json"
        lowshot("diffusion", "--data", bundled_data, "--work", tmp_path / "work", "--in-domain", "--recipe", recipe,
                "--json", out, "-q", *options)
        result = json.loads(out.read_text())
        keys = ("iteration", "recipe", "top5_all", "top5_novel", "top1_all")
        return [[i.get(k) for k in keys] for i in result["iterations"]], result.get("recipe")

    auto, evidence = iterations("auto", "--niter", "2")
    paper, none = iterations("paper", "--niter", "2")
    full, same = iterations("full")
    assert none is None and auto[:-1] == paper and auto[-1] == full[-1] and evidence == same
    assert evidence["name"] == "full" and evidence["base_classes"] == evidence["base_classes_of_50_labels"] == 30
    off, forced = iterations("full", "--correct-and-smooth", "off")
    assert evidence["correct_and_smooth"] == (evidence["in_domain_odds"] >= 1.6)
    assert not forced["correct_and_smooth"] and forced["in_domain_odds"] == evidence["in_domain_odds"]
    on, _ = iterations("full", "--correct-and-smooth", "on")
    assert on != off and full in (on, off)


def test_slices_of_classes_change_nothing(lowshot, bundled_data, tmp_path):
    for slice_ in ("0", "16"):
        lowshot("diffusion", "--data", bundled_data, "--work", tmp_path / "work", "--in-domain", "--recipe", "full",
                "--lslice", slice_, "--predictions", tmp_path / f"{slice_}.csv", "-q")
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "16.csv").read_bytes()


@pytest.mark.parametrize("option", [["--k", "10"], ["--niter", "3"], ["--pca", "none"]], ids=" ".join)
def test_refuses_what_it_would_pass_over(refused, bundled_data, tmp_path, option):
    refused(2, f"the recipe small has its own {option[0]}; {option[0]}; leave the option out", "diffusion", "--data",
            bundled_data, "--work", tmp_path, "--recipe", "small", *option)
