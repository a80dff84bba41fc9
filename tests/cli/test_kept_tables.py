"""What `lowshot diffusion` keeps of the part that no seed changes: the same answers without the work, and only of the same rows."""

import json

import numpy as np
import pytest
from test_knn import published, write_table

SETTINGS = {"none": ["--nbg", 0], "background": ["--nbg", 150], "in-domain": ["--nbg", 150, "--in-domain"],
            "test": ["--nbg", 150, "--mode", "test"], "join": ["--nbg", 150, "--knn", "join", "--recall", "0.9"],
            "no PCA": ["--nbg", 150, "--pca", "none"], "small": ["--nbg", 150, "--recipe", "small"],
            "full": ["--nbg", 150, "--recipe", "full"]}
BUILT, READ = "built anew", "static graph: "


class Run:
    """One run's log, and the bytes of its scores."""

    def __init__(self, lowshot, data, work, out, *options):
        k = [] if {"--recipe", "--k"} & set(options) else ["--k", 5]
        self.log = lowshot("diffusion", "--data", data.root, "--work", work, "--threads", 1, *k, "--storeL", out, *options).stderr
        self.scores = out.read_bytes()
        lines = [line for line in self.log.splitlines() if READ in line]
        self.read = any(BUILT not in line and "knngraph/static" in line for line in lines)
        self.passed_over = [line for line in lines if BUILT in line]


@pytest.fixture
def run(lowshot, tmp_path):
    def run(data, work, *options):
        return Run(lowshot, data, tmp_path / work, tmp_path / "scores.npy", *options)

    return run


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_next_seed_equals_a_fresh_one(run, small_data, tmp_path, setting):
    data, options = small_data(), SETTINGS[setting]
    assert not run(data, "work", *options, "--seed", 1).read
    for more in (["--seed", 2], ["--seed", 2, "--nlabeled", 3]):
        kept, fresh = run(data, "work", *options, *more), run(data, f"fresh{len(more)}", *options, *more)
        assert kept.read and not kept.passed_over and not fresh.read
        assert "neighbour graph of" not in kept.log and "background graph" not in kept.log
        assert kept.scores == fresh.scores


def test_settings_do_not_share(run, small_data):
    """All in one --work, one after the other and again: each reads its own, and answers as without the others."""
    data = small_data()
    settings = {name: options for name, options in SETTINGS.items() if name != "join"}  # which an exact one serves
    first = {name: run(data, "work", *options) for name, options in settings.items()}
    for name, options in settings.items():
        again = run(data, "work", *options)
        assert again.read and not first[name].read, name
        assert again.scores == first[name].scores == run(data, f"alone {name}", *options).scores, name


def test_other_data_is_noticed(run, small_data, tmp_path):
    """What the tables come from is changed, one thing after the other: they are made anew, with a sentence."""
    data, options = small_data(), ["--nbg", 150]
    run(data, "work", *options)

    def assert_anew(*more):
        found, fresh = run(data, "work", *options, *more), run(data, f"fresh {len(list(tmp_path.iterdir()))}", *options, *more)
        assert not found.read and found.passed_over and "made from other data" in found.passed_over[0]
        assert found.scores == fresh.scores
        assert run(data, "work", *options, *more).read

    data.background[3] *= -1
    data.write()
    assert_anew()
    data.train[np.flatnonzero(data.train_labels == 0)[0]] *= -1  # a base row
    data.write()
    assert_anew()
    data.val[np.flatnonzero(data.val_labels == 0)[0]] *= -1
    data.write()
    assert_anew()
    data.lists["base_classes_1"] = [2]
    data.write()
    assert_anew()
    write_table(data.graph(150, 8), *published(150, 8)[0])
    assert_anew()

    data.train[np.flatnonzero(data.train_labels == 2)[0]] *= -1  # novel: no part of the tables
    data.write()
    assert run(data, "work", *options).read
    assert not run(data, "work", "--nbg", 140).read and not run(data, "work", *options, "--k", 6).read
    assert run(data, "work", *options).read


def test_a_better_recall_is_made_anew(run, small_data):
    data, options = small_data(), ["--nbg", 150, "--knn", "join"]
    run(data, "work", *options, "--recall", "0.5")
    better = run(data, "work", *options, "--recall", "0.9")
    assert not better.read and "(join for recall 0.5) is not good enough" in better.passed_over[0]
    assert better.scores == run(data, "fresh", *options, "--recall", "0.9").scores
    assert run(data, "work", *options, "--recall", "0.5").read  # a better one serves
    exact = run(data, "work", *options[:2], "--knn", "exact")
    assert not exact.read and exact.scores == run(data, "exact", *options[:2]).scores
    assert run(data, "work", *options, "--recall", "0.9").read


@pytest.mark.parametrize("setting", ["background", "in-domain", "full"])
def test_damage_is_noticed(run, small_data, tmp_path, setting):
    data, options = small_data(), SETTINGS[setting]
    whole = run(data, "work", *options)
    files = [path for path in (tmp_path / "work/knngraph").iterdir()
             if path.name.startswith(("static", "tests", "order")) and path.suffix != ".json"]
    assert len(files) == 5
    for path in files:
        content = path.read_bytes()
        for damaged in (content[:-8] + bytes([content[-8] ^ 1]) + content[-7:], content[:-4]):
            path.write_bytes(damaged)
            again = run(data, "work", *options)
            assert not again.read and "is damaged; built anew" in again.passed_over[0] and again.scores == whole.scores
            assert path.read_bytes() == content


def test_plan(lowshot, small_data, tmp_path):
    data = small_data()
    common = ["diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", 150, "--k", 5]

    def plan():
        text = lowshot(*common, "--dry-run", "--json", tmp_path / "plan.json").stdout
        return text, json.loads((tmp_path / "plan.json").read_text())

    before, facts = plan()
    assert "are built" not in before and "is built" in before and "join them" in before
    assert "graph" in facts["estimated_seconds_by_stage"]
    lowshot(*common)
    after, kept = plan()
    assert "is read from" in after and "static_set1_ndis150_k5_I_11.int5" in after and "is built" not in after
    assert "graph" not in kept["estimated_seconds_by_stage"]
    assert kept["estimated_seconds"] > 0


def test_a_place_that_cannot_be_written(lowshot, small_data, tmp_path):
    data = small_data()
    work = tmp_path / "work"
    work.mkdir()
    (work / "knngraph").write_text("in the way")
    done = lowshot("diffusion", "--data", data.root, "--work", work, "--nbg", 0, "--niter", 1)
    assert "static graph: not kept" in done.stderr and "accuracy" in done.stdout
