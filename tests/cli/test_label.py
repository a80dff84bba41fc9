"""lowshot label, as a practitioner meets it: shards of mixed types, file names as ids, a CSV made by a spreadsheet."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from browser import check_drawn

ROOT = Path(__file__).resolve().parents[2]
CLASSES = 20          # of the bundled training rows, 200 rows each: small enough to run in a second
ROWS_A_CLASS = 200


@pytest.fixture(scope="module")
def collection(bundled_data):
    """(features float16, class of each row, class names): a part of the bundled training set in shuffled order."""
    with h5py.File(bundled_data / "features/train.hdf5") as file:
        labels = file["all_labels"][:]
        rows = np.concatenate([np.flatnonzero(labels == c)[:ROWS_A_CLASS] for c in range(CLASSES)])
        rows = np.random.RandomState(5).permutation(rows)
        features = file["all_feats"][:][rows]
    names = json.loads((bundled_data / "label_idx.json").read_text())["label_names"]
    return features, labels[rows], names


@pytest.fixture(scope="module")
def story(collection, tmp_path_factory):
    """The files of the story, one NaN row among them, and the names of the rows."""
    folder = tmp_path_factory.mktemp("story")
    features, classes, _ = collection
    shards = folder / "shards"
    shards.mkdir()
    pieces = np.array_split(features, 7)
    bad_row = len(pieces[0]) + 3
    for i, piece in enumerate(pieces):
        piece = piece.copy()
        if i == 1:
            piece[3, 7] = np.nan
        # _9 .. _15: natural order is not the alphabet's; float16, float32 and HDF5 mix
        if i % 3 == 2:
            with h5py.File(shards / f"part_{i + 9}.hdf5", "w") as file:
                file["all_feats"] = piece
                file["all_labels"] = np.zeros(len(piece), np.int32)
                file["count"] = np.array([len(piece)], np.int32)
        else:
            np.save(shards / f"part_{i + 9}.npy", piece if i % 3 == 0 else piece.astype(np.float32))
    ids = [f"photos/{i:05d}, a \"{c}\".jpg" for i, c in enumerate(classes)]
    with open(folder / "ids.csv", "w", newline="") as file:
        csv.writer(file).writerows([["id"], *[[name] for name in ids]])
    return folder, ids, bad_row


def write_labels(path, rows, encoding="utf-8-sig", named_by="id"):
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file, lineterminator="\r\n").writerows([["label", named_by], *rows])


def labels_of(collection, ids, rows):
    _, classes, names = collection
    return [[names[classes[r]], ids[r]] for r in rows]


def draw(classes, count, seed, without=()):
    random = np.random.RandomState(seed)
    rows = [random.permutation(np.setdiff1d(np.flatnonzero(classes == c), without))[:count] for c in range(CLASSES)]
    return np.concatenate(rows)


def read_answer(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_story(lowshot, collection, story, tmp_path):
    folder, ids, bad_row = story
    _, classes, names = collection
    drawn = draw(classes, 3, seed=1, without=[bad_row])
    good = labels_of(collection, ids, drawn)
    call = ["label", folder / "shards", "--ids", folder / "ids.csv", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv"]

    # Two unknown names and one contradiction, in a CSV with quotes, a BOM and CRLF.
    write_labels(tmp_path / "labels.csv", [*good, ["cat", "photos/lost-1.jpg"], ["cat", "photos/lost-2.jpg"], ["zebra", good[0][1]]])
    done = lowshot(*call, code=3)
    assert "2" in done.stderr and "photos/lost-1.jpg" in done.stderr and "photos/lost-2.jpg" in done.stderr
    assert ids[drawn[0]] in done.stderr and "zebra" in done.stderr and good[0][0] in done.stderr
    assert not (tmp_path / "out.csv").exists()

    # The labels mended, the NaN row is named with file, row and id, and so is the option.
    write_labels(tmp_path / "labels.csv", good)
    done = lowshot(*call, code=3)
    assert f"1 of {len(ids)} rows" in done.stderr and f"row {bad_row}" in done.stderr and "part_10.npy row 3" in done.stderr
    assert ids[bad_row] in done.stderr and "--on-bad skip" in done.stderr
    assert not (tmp_path / "out.csv").exists()

    done = lowshot(*call, "--on-bad", "skip", "--json", tmp_path / "out.json", "--report", tmp_path / "out.html")
    assert re.search(r"^held-out accuracy: [\d.]+ % \([\d.]+ % to [\d.]+ %", done.stdout, re.MULTILINE)
    assert "drawn at random" in done.stdout and "optimistic" in done.stdout
    answer = read_answer(tmp_path / "out.csv")
    assert list(answer[0]) == ["row", "id", "label", "confidence", "label2", "confidence2", "label3", "confidence3", "status", "typicality"]
    assert [int(a["row"]) for a in answer] == list(range(len(ids))) and [a["id"] for a in answer] == ids
    status = np.array([a["status"] for a in answer])
    assert status[bad_row] == "bad" and answer[bad_row]["label"] == ""
    assert set(np.flatnonzero(status == "given")) == set(drawn)
    assert all(answer[r]["label"] == names[classes[r]] for r in drawn)
    predicted = np.flatnonzero(status == "predicted")
    right = np.mean([answer[r]["label"] == names[classes[r]] for r in predicted])
    assert right > 0.6, right   # 20 classes, 3 labels each; chance is 0.05
    for r in predicted[:50]:
        confidences = [float(answer[r][key] or 0) for key in ("confidence", "confidence2", "confidence3")]
        assert confidences == sorted(confidences, reverse=True) and 0 < sum(confidences) <= 1.0002
    assert [a["row"] for a in read_answer(tmp_path / "out.bad.csv")] == [str(bad_row)]
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["rows"] == {"given": 60, "predicted": len(ids) - 61, "classified": 0, "unknown": 0, "unreached": 0, "bad": 1}
    assert result["choices"]["recipe"] == "own" and "recipe: own" in done.stdout
    assert sum(result["classes"].values()) == len(ids) - 1
    assert result["hold_out"]["checked_rows"] == 60 and result["choices"]["iterations"] >= 1
    page = (tmp_path / "out.html").read_text()
    assert "Recipe <strong>own</strong>" in page and "Held-out accuracy" in page and "http" not in page and "<script" not in page


def test_second_run_keeps_the_graph(lowshot, collection, story, tmp_path):
    folder, ids, bad_row = story
    _, classes, _ = collection
    call = ["label", folder / "shards", "--ids", folder / "ids.csv", "--labels", tmp_path / "labels.csv", "--on-bad", "skip", "-v"]
    write_labels(tmp_path / "labels.csv", labels_of(collection, ids, draw(classes, 3, 1, [bad_row])))
    assert "(built)" in lowshot(*call, "-o", tmp_path / "out.csv").stderr
    rows = list(draw(classes, 3, 2, [bad_row]))
    for row in range(100, 106):  # labels added one by one: equal to runs from scratch, bit for bit
        rows.append(row)
        write_labels(tmp_path / "labels.csv", labels_of(collection, ids, rows))
        done = lowshot(*call, "-o", tmp_path / "out.csv")
        assert "(kept)" in done.stderr and "k-NN graph" not in done.stderr
        fresh = lowshot(*call, "-o", tmp_path / "fresh.csv", "--work", tmp_path / f"fresh-{row}")
        assert "(built)" in fresh.stderr
        assert (tmp_path / "fresh.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
        assert (tmp_path / "fresh.suspects.csv").read_bytes() == (tmp_path / "out.suspects.csv").read_bytes()


def test_a_large_graph_is_kept_in_cluster_order(lowshot, tmp_path):
    """From 2^17 rows on nodes lie in an order of their own, kept beside the table; no result speaks of it."""
    random = np.random.default_rng(5)
    rows = 2**17 + 40
    centres, group = random.normal(size=(300, 8)), random.integers(300, size=rows)
    descriptors = (centres[group] + 0.2 * random.normal(size=(rows, 8))).astype(np.float32)
    descriptors[77] = np.nan
    np.save(tmp_path / "x.npy", descriptors)
    labelled = 100 + random.choice(rows - 100, 1200, replace=False)
    (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},{group[r] % 7}\n" for r in labelled))

    def run(name, code=0):
        done = lowshot("label", tmp_path / "x.npy", "--labels", tmp_path / "labels.csv", "-o", tmp_path / f"{name}.csv",
                       "--scores", tmp_path / f"{name}.npy", "--work", tmp_path / "work", "--on-bad", "skip", "-q", code=code)
        return done.stderr

    run("built")
    order_file, = (tmp_path / "work").glob("graph-*/order.npy")
    order = np.load(order_file)
    assert np.array_equal(np.sort(order.ravel()), np.arange(rows - 1)) and (np.diff(order.ravel()) < 0).any()
    shares = np.load(tmp_path / "built.npy")
    good = np.arange(rows) != 77
    assert (shares.argmax(axis=1)[good] == (group % 7)[good]).mean() > 0.95  # a wrong order would give 1 in 7
    run("kept")
    for suffix in (".csv", ".npy"):
        assert (tmp_path / f"built{suffix}").read_bytes() == (tmp_path / f"kept{suffix}").read_bytes()
    order[5] = order[6]
    np.save(order_file, order)
    assert "does not hold each of the 131111 nodes once" in run("broken", code=3)


def test_added_rows_equal_a_full_build(lowshot, collection, tmp_path):
    features, classes, names = collection
    np.save(tmp_path / "old.npy", features[:3000])
    np.save(tmp_path / "new.npy", features[3000:])
    rows = draw(classes[:3000], 4, 7)
    (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},{names[classes[r]]}\n" for r in rows))
    common = ["--labels", tmp_path / "labels.csv", "-v"]
    lowshot("label", tmp_path / "old.npy", *common, "-o", tmp_path / "out.csv")
    done = lowshot("label", tmp_path / "old.npy", "--add", tmp_path / "new.npy", *common, "-o", tmp_path / "out.csv")
    assert "(extended)" in done.stderr
    lowshot("label", tmp_path / "old.npy", tmp_path / "new.npy", *common, "-o", tmp_path / "full.csv", "--work", tmp_path / "fresh")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "full.csv").read_bytes()


def test_hold_out_is_honest(lowshot, collection, tmp_path):
    """Labels drawn at random, ten draws: the held-out accuracy against the truth over all other rows, and the threshold."""
    features, classes, names = collection
    np.save(tmp_path / "x.npy", features)
    differences, covered, precisions = [], 0, []
    for seed in range(10):
        rows = draw(classes, 10, 100 + seed)
        (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},{names[classes[r]]}\n" for r in rows))
        lowshot("label", tmp_path / "x.npy", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv", "--json", tmp_path / "out.json",
                "--precision", "0.95", "-q")
        held = json.loads((tmp_path / "out.json").read_text())["hold_out"]
        answer = read_answer(tmp_path / "out.csv")
        predicted = [a for a in answer if a["status"] == "predicted"]
        right = np.array([a["label"] == names[classes[int(a["row"])]] for a in predicted])
        confidence = np.array([float(a["confidence"]) for a in predicted])
        differences.append(held["accuracy"] - right.mean())
        covered += held["low"] <= right.mean() <= held["high"]
        assert held["picked"] is not None
        precisions.append(right[confidence >= held["picked"]["threshold"]].mean())
    assert abs(np.mean(differences)) < 0.03, differences
    assert covered >= 8, covered
    assert np.mean(precisions) >= 0.93, precisions


@pytest.mark.parametrize("format", ["npy", "jsonl"])
def test_other_formats_say_the_same(lowshot, collection, tmp_path, format):
    features, classes, names = collection
    np.save(tmp_path / "x.npy", features)
    labels = np.full(len(features), -1, np.int32)
    labels[draw(classes, 5, 3)] = classes[draw(classes, 5, 3)]
    np.save(tmp_path / "labels.npy", labels)
    call = ["label", tmp_path / "x.npy", "--labels", tmp_path / "labels.npy", "--work", tmp_path / "work"]
    lowshot(*call, "-o", tmp_path / "out.csv")
    lowshot(*call, "-o", tmp_path / f"out.{format}", "--format", format)
    answer = read_answer(tmp_path / "out.csv")
    if format == "npy":
        numbers = np.load(tmp_path / "out.npy")
        classes_ = json.loads((tmp_path / "out.classes.json").read_text())
        status = np.load(tmp_path / "out.status.npy").ravel()
        assert [classes_[n] for n in numbers[:, 0]] == [a["label"] for a in answer]
        assert [["given", "predicted", "unreached", "bad"][s] for s in status] == [a["status"] for a in answer]
        np.testing.assert_allclose(np.load(tmp_path / "out.typicality.npy")[:, 0], [float(a["typicality"]) for a in answer], atol=6e-5)
        np.testing.assert_allclose(np.load(tmp_path / "out.confidence.npy")[:, 0], [float(a["confidence"]) for a in answer], atol=6e-5)
    else:
        lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert [line["labels"][0]["label"] for line in lines] == [a["label"] for a in answer]
        assert [line["status"] for line in lines] == [a["status"] for a in answer]
        np.testing.assert_allclose([line["typicality"] for line in lines], [float(a["typicality"]) for a in answer], atol=6e-5)


def test_strangers_are_less_typical(lowshot, refused, collection, tmp_path):
    """Half of the classes have no label: their rows rank low, and --unknown says so."""
    features, classes, names = collection
    np.save(tmp_path / "x.npy", features)
    known = classes < 10
    rows = [r for r in draw(classes, 8, 3) if known[r]]
    write_labels(tmp_path / "labels.csv", [[names[classes[r]], r] for r in rows], named_by="row")
    call = ["label", tmp_path / "x.npy", "--labels", tmp_path / "labels.csv", "--work", tmp_path / "work"]
    for recipe in ("own", "graph"):
        lowshot(*call, "-o", tmp_path / "out.csv", "--recipe", recipe)
        lowshot(*call, "-o", tmp_path / "unknown.csv", "--recipe", recipe, "--unknown", 0.3, "--json", tmp_path / "unknown.json")
        answer, marked = read_answer(tmp_path / "out.csv"), read_answer(tmp_path / "unknown.csv")
        typicality = np.array([float(a["typicality"]) for a in answer])
        others = np.array([a["status"] != "given" for a in answer])
        pairs = typicality[known & others][:, None] - typicality[~known & others]
        auroc = np.mean((pairs > 0) + (pairs == 0) / 2)
        assert auroc > 0.75, auroc
        assert abs(np.mean(typicality[known & others] < 0.3) - 0.3) < 0.12  # a rank: uniform among known rows
        for before, now, low in zip(answer, marked, others & (typicality < 0.3)):
            if low:
                assert now["status"] == now["label"] == "unknown" and now["confidence"] == ""
                assert (now["label2"], now["confidence2"]) == (before["label"], before["confidence"])
            else:
                assert now == before
        assert json.loads((tmp_path / "unknown.json").read_text())["rows"]["unknown"] == np.sum(others & (typicality < 0.3))
    write_labels(tmp_path / "labels.csv", [["unknown" if i % 2 else "b", r] for i, r in enumerate(rows)], named_by="row")
    refused(2, "a class is called unknown", *call, "-o", tmp_path / "no.csv", "--unknown", 0.1)
    write_labels(tmp_path / "labels.csv", [["a", rows[0]], ["b", rows[-1]]], named_by="row")
    refused(3, "every class has a single label", *call, "-o", tmp_path / "no.csv", "--unknown", 0.1)


def test_relabel_shows_the_opinion(lowshot, collection, tmp_path):
    features, classes, names = collection
    np.save(tmp_path / "x.npy", features)
    rows = draw(classes, 6, 4)
    wrong = rows[0]
    given = {r: names[classes[r]] for r in rows} | {wrong: names[(classes[wrong] + 1) % CLASSES]}
    (tmp_path / "labels.csv").write_text("row;label\n" + "".join(f"{r};{c}\n" for r, c in given.items()))
    call = ["label", tmp_path / "x.npy", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv"]
    lowshot(*call)
    assert read_answer(tmp_path / "out.csv")[wrong]["label"] == given[wrong]
    suspects = [int(s["row"]) for s in read_answer(tmp_path / "out.suspects.csv")]
    lowshot(*call, "--relabel")
    answer = read_answer(tmp_path / "out.csv")
    disagreeing = {r for r in rows if answer[r]["label"] != given[r]}
    assert disagreeing == set(suspects) and wrong in disagreeing


def test_labelled_rows_of_another_file(lowshot, collection, tmp_path):
    features, classes, names = collection
    rows = draw(classes, 5, 9)
    np.save(tmp_path / "labelled.npy", features[rows])
    rest = np.setdiff1d(np.arange(len(features)), rows)
    np.save(tmp_path / "x.npy", features[rest])
    (tmp_path / "labels.txt").write_text("".join(f"{names[classes[r]]}\n" for r in rows))
    lowshot("label", tmp_path / "x.npy", "--labelled", tmp_path / "labelled.npy", "--labels", tmp_path / "labels.txt", "-o", tmp_path / "out.csv")
    answer = read_answer(tmp_path / "out.csv")
    assert len(answer) == len(rest) and {a["status"] for a in answer} == {"predicted"}
    assert np.mean([a["label"] == names[classes[r]] for a, r in zip(answer, rest, strict=True)]) > 0.6


def test_recipes(lowshot, collection, tmp_path):
    """Graph and classifier together are right more often than the graph alone, say so, and mean what their confidence says."""
    features, classes, names = collection
    np.save(tmp_path / "x.npy", features)
    call = ["label", tmp_path / "x.npy", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv", "--json", tmp_path / "out.json"]
    right = {recipe: [] for recipe in ("graph", "own", "auto")}
    confidence = []
    for draw_seed in (12, 13, 14):
        rows = draw(classes, 5, draw_seed)
        (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},{names[classes[r]]}\n" for r in rows))
        told = {}
        for recipe in right:
            done = lowshot(*call, "--recipe", recipe, "--work", tmp_path / "work")
            told[recipe] = json.loads((tmp_path / "out.json").read_text())
            predicted = [a for a in read_answer(tmp_path / "out.csv") if a["status"] == "predicted"]
            right[recipe].append(np.mean([a["label"] == names[classes[int(a["row"])]] for a in predicted]))
            assert f"recipe: {told[recipe]['choices']['recipe']} (" in done.stdout
        confidence.append(np.mean([float(a["confidence"]) for a in predicted]))
        assert told["graph"]["hold_out"]["own_accuracy_by_iteration"] == [] and told["graph"]["choices"]["recipe"] == "graph"
        assert told["auto"]["choices"] == told["own"]["choices"] | {"recipe_reason": told["auto"]["choices"]["recipe_reason"]}
        tried = [a for a in told["auto"]["hold_out"]["own_accuracy_by_iteration"] if a is not None]
        assert told["auto"]["hold_out"]["accuracy"] in tried and len(tried) >= 4
    assert right["auto"] == right["own"]
    assert np.mean(right["own"]) > np.mean(right["graph"]) + 0.005, right
    assert abs(np.mean(confidence) - np.mean(right["own"])) < 0.05, (confidence, right)


def test_priors(lowshot, collection, tmp_path):
    """Rows and labels of classes 1 to 20 in frequency: the labels' shares are found to hold, and win; on balanced rows not."""
    features, classes, names = collection
    random = np.random.RandomState(8)
    number = random.permutation(np.round(20 ** np.linspace(0, 1, CLASSES)).astype(int))
    for rows_a_label, rule in ((9, "labels"), (None, "uniform")):
        kept = np.concatenate([random.permutation(np.flatnonzero(classes == c))[: number[c] * rows_a_label if rows_a_label else None]
                               for c in range(CLASSES)])
        truth = np.array([names[c] for c in classes[kept]])
        np.save(tmp_path / "x.npy", features[kept])
        labelled = np.concatenate([np.flatnonzero(classes[kept] == c)[: number[c]] for c in range(CLASSES)])
        (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},{truth[r]}\n" for r in labelled))
        call = ["label", tmp_path / "x.npy", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv", "--json",
                tmp_path / "out.json", "--recipe", "own", "--work", tmp_path / f"work-{rule}"]

        def right():
            answer = [a["label"] for a in read_answer(tmp_path / "out.csv")]
            return np.delete(np.array(answer) == truth, labelled).mean()

        done = lowshot(*call)
        chosen, prior = right(), json.loads((tmp_path / "out.json").read_text())["choices"]["prior"]
        assert prior["rule"] == rule and f"class priors: {rule} (" in done.stdout, prior
        assert (prior["labels_log_likelihood_gain"] > 0) == (rule == "labels")
        assert sum(prior["shares"].values()) == pytest.approx(1)
        lowshot(*call, "--prior", "labels" if rule == "uniform" else "uniform")
        assert chosen > right()
        lowshot(*call, "--prior", "estimate")
        told = json.loads((tmp_path / "out.json").read_text())["choices"]["prior"]
        assert told["rule"] == "estimate" and told["log_likelihood_gain"] > max(0, told["labels_log_likelihood_gain"])
        # Shares in a file: those of the labels and one more each are what `labels` takes.
        (tmp_path / "shares.csv").write_text("share,label\n" + "".join(f"{number[c] + 1}e3,{names[c]}\n" for c in range(CLASSES)))
        lowshot(*call, "--prior", tmp_path / "shares.csv")
        from_file = (tmp_path / "out.csv").read_bytes()
        assert json.loads((tmp_path / "out.json").read_text())["choices"]["prior"]["rule"] == "given"
        lowshot(*call, "--prior", "labels")
        assert (tmp_path / "out.csv").read_bytes() == from_file


def test_bad_priors(refused, lowshot, collection, tmp_path):
    features, classes, names = collection
    np.save(tmp_path / "x.npy", features[:400])
    labelled = [int(np.flatnonzero(classes[:400] == c)[i]) for c in range(3) for i in range(2)]
    (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},{names[classes[r]]}\n" for r in labelled))
    call = ["label", tmp_path / "x.npy", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv"]
    first, second, third = names[:3]
    for lines, pattern in (
        ((f"{first},1", f"{second},1"), f"1 class has no share: '{third}'"),
        ((f"{first},1", f"{second},1", f"{third},1", "zebra,1"), "no class of the labels: 'zebra' .line 5"),
        ((f"{first},1", f"{second},1", f"{third},1", f"{first},2"), f"stands there twice: '{first}' .line 5"),
        ((f"{first},-1", f"{second},nan", f"{third},inf"), "3 shares are not numbers of 0 or more: '-1' .line 2., 'nan' .line 3., 'inf'"),
        ((f"{first},1", f"{second},much", f"{third},1"), "1 share is not a number of 0 or more: 'much'"),
        ((f"{first},0", f"{second},0", f"{third},0"), "every share is 0"),
        ((f"{first},1e308", f"{second},1e308", f"{third},1e308"), "more than a number holds"),
    ):
        (tmp_path / "shares.csv").write_text("label,share\n" + "".join(f"{line}\n" for line in lines))
        refused(3, pattern, *call, "--prior", tmp_path / "shares.csv")
    (tmp_path / "shares.csv").write_text("class,weight\na,1\n")
    refused(3, "columns label and share", *call, "--prior", tmp_path / "shares.csv")
    refused(3, "guess", *call, "--prior", tmp_path / "guess")  # neither a word nor a file
    for more in (["--recipe", "graph"], ["--propagation", "restart"]):
        refused(2, "no priors apply", *call, "--prior", "labels", *more)
    # A class of share 0 is never chosen, and nothing else is the matter with it.
    (tmp_path / "shares.csv").write_text(f"label,share\n{first},0\n{second},3\n{third},1\n")
    lowshot(*call, "--prior", tmp_path / "shares.csv", "--recipe", "own")
    assert {a["label"] for a in read_answer(tmp_path / "out.csv") if a["status"] != "given"} == {second, third}


def test_scores(lowshot, collection, tmp_path):
    features, classes, names = collection
    np.save(tmp_path / "x.npy", features)
    rows = draw(classes, 5, 3)
    (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},{names[classes[r]]}\n" for r in rows))
    lowshot("label", tmp_path / "x.npy", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv", "--scores", tmp_path / "scores.npy")
    scores = np.load(tmp_path / "scores.npy")
    assert scores.dtype == np.float16 and scores.shape == (len(features), CLASSES)
    answer = read_answer(tmp_path / "out.csv")
    used = sorted({names[classes[r]] for r in rows})
    predicted = [i for i, a in enumerate(answer) if a["status"] == "predicted"]
    agree = np.mean([used[int(scores[i].argmax())] == answer[i]["label"] for i in predicted])
    assert agree > 0.999  # float16 may tie
    shares = scores[predicted].astype(np.float64)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=2e-2)


def test_parquet_is_refused_with_the_line_that_converts_it(lowshot, collection, tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    (tmp_path / "labels.csv").write_text("row,label\n0,a\n")
    done = lowshot("label", tmp_path / "x.parquet", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv", code=3)
    assert "pandas" in done.stderr


def test_documentation_is_run(lowshot, tmp_path):
    text = (ROOT / "docs/label.md").read_text()
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for line in block.splitlines()]
    assert len(lines) >= 2
    for i, line in enumerate(lines):
        words = [word.replace("build/demo", str(tmp_path)) for word in shlex.split(line)]
        assert words[0] == "build/release/lowshot"
        words[0] = os.environ["LOWSHOT_PROGRAM"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert ("(built)" if i == 0 else "(kept)") in done.stderr


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_in_a_browser(lowshot, full_data, tmp_path, scheme):
    """The page of the real images, drawn by a headless browser: not blank, and dark where the reader prefers dark."""
    images = full_data / "images/train"
    names = sorted(str(p.relative_to(images)) for p in images.rglob("*.png"))
    np.save(tmp_path / "x.npy", np.load(full_data / "images/expected_train_features_f16.npy"))
    (tmp_path / "ids.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "labels.csv").write_text("id,label\n" + "".join(f"{n},{n.split('/')[0]}\n" for n in names[::2]))
    lowshot("label", tmp_path / "x.npy", "--ids", tmp_path / "ids.txt", "--labels", tmp_path / "labels.csv", "-o", tmp_path / "out.csv",
            "--report", tmp_path / "out.html", "--images", images)
    assert (tmp_path / "out.html").read_text().count("data:image/png") > 100
    check_drawn(tmp_path / "out.html", scheme, "1100,1600", 20000)
