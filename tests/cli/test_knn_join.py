"""Approximate k-NN tables through the commands: the recall that is told, what is kept for whom, extend and search."""

import json

import h5py
import numpy as np
import pytest

from test_knn import read_table, rows, similarities


@pytest.fixture(scope="module")
def features(bundled_data):
    """20,000 of the bundled training rows, float32."""
    with h5py.File(bundled_data / "features/train.hdf5") as file:
        return file["all_feats"][:20000].astype(np.float32)


@pytest.fixture(scope="module")
def files(features, tmp_path_factory):
    """x.npy: all rows; old.npy and new.npy: the first 18,000 and the others."""
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "x.npy", features)
    np.save(folder / "old.npy", features[:18000])
    np.save(folder / "new.npy", features[18000:])
    return folder


def origin_of(prefix, k):
    return json.loads(prefix.with_name(f"{prefix.name}_k{k}_I_11.int{k}.meta.json").read_text())


def recall_of(lowshot, features, prefix, *options):
    """By `knn check` over 2,000 rows that the program's own sample does not name."""
    lowshot("knn", "check", features, prefix, "--sample", 2000, "--seed", 7, "--json", prefix.with_suffix(".check.json"), *options)
    return json.loads(prefix.with_suffix(".check.json").read_text())


def bytes_of(prefix, k):
    return [prefix.with_name(f"{prefix.name}_k{k}_{name}").read_bytes() for name in (f"I_11.int{k}", f"D_11.float{k}")]


@pytest.mark.parametrize("recall", [0.8, 0.95])
def test_recall_is_honest(lowshot, files, tmp_path, recall):
    done = lowshot("knn", "build", files / "x.npy", "-k", 16, "-o", tmp_path / "g", "--method", "join", "--recall", recall, "--json",
                   tmp_path / "g.json")
    told = json.loads((tmp_path / "g.json").read_text())
    assert told["method"] == "join" and told["recall_sample"] == 1000 and 1 <= told["probes"] <= told["lists"]
    assert f"method join: recall {told['recall']:.3f} on a sample of 1,000 rows; {told['probes']} of {told['lists']} lists a row" in done.stdout
    check = recall_of(lowshot, files / "x.npy", tmp_path / "g")
    # Two samples, of 1,000 and 2,000 rows of 15 neighbours: their errors are 0.002 and 0.0015 (one standard deviation).
    assert told["recall"] >= recall and check["recall"] == pytest.approx(told["recall"], abs=0.01)
    assert check["recall"] < 0.999   # else the wish was not what decided
    assert (check["unsorted_rows"], check["repeated_ids"], check["empty_places"], check["similarities_wrong"]) == (0, 0, 0, 0)
    assert check["self_first"] + check["self_later"] == 20000
    assert origin_of(tmp_path / "g", 16)["options"] == {"k": "16", "metric": "cosine", "method": "join", "recall": str(recall)}


def test_bytes_do_not_depend_on_threads(lowshot, files, tmp_path):
    common = ["--method", "join", "-k", 16]
    for threads in (1, 2):
        lowshot("knn", "build", files / "old.npy", "-o", tmp_path / f"build{threads}", *common, "--threads", threads)
        lowshot("knn", "extend", files / "old.npy", "--table", tmp_path / f"build{threads}", "--add", files / "new.npy", "-o",
                tmp_path / f"extend{threads}", *common, "--threads", threads)
        lowshot("knn", "search", files / "old.npy", "--queries", files / "new.npy", "-o", tmp_path / f"search{threads}", *common,
                "--threads", threads)
    for name in ("build", "extend", "search"):
        assert bytes_of(tmp_path / f"{name}1", 16) == bytes_of(tmp_path / f"{name}2", 16), name


def test_method_is_chosen_by_size(lowshot, tmp_path):
    np.save(tmp_path / "x.npy", rows())
    for names in ([], ["--method", "auto"], ["--knn", "exact"], ["--recall", "0.5"]):
        done = lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "g", "--json", tmp_path / "g.json", *names)
        told = json.loads((tmp_path / "g.json").read_text())
        assert "method exact\n" in done.stdout and (told["method"], told["recall"]) == ("exact", 1) and "lists" not in told
        assert origin_of(tmp_path / "g", 8)["options"] == {"k": "8", "metric": "cosine", "method": "exact"}
    out = lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "g", "--dry-run").stdout
    assert "their exact 8-nearest-neighbour graph" in out
    out = lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "g", "--dry-run", "--method", "join").stdout
    assert "their 8-nearest-neighbour graph of recall 0.95" in out


def test_effort_of_experts(lowshot, files, tmp_path):
    call = ["knn", "build", files / "x.npy", "-k", 8, "--method", "join", "--json", tmp_path / "g.json", "-o", tmp_path / "g"]
    lowshot(*call, "--probes", 1, "--list-rows", 128, "--sample", 200)
    few = json.loads((tmp_path / "g.json").read_text())
    assert few["probes"] == 1 and few["recall_sample"] == 200 and few["lists"] >= 20000 / 256
    assert few["recall"] < 0.95   # effort is kept to, and the side-car claims no more than was reached
    assert float(origin_of(tmp_path / "g", 8)["options"]["recall"]) == few["recall"]
    lowshot(*call, "--probes", 8, "--list-rows", 128, "--sample", 200)
    assert json.loads((tmp_path / "g.json").read_text())["recall"] > few["recall"]
    assert recall_of(lowshot, files / "x.npy", tmp_path / "g")["recall"] > few["recall"]


def test_help_is_grouped(lowshot):
    for command in ("build", "extend", "search"):
        text = lowshot("knn", command, "--help").stdout
        usual, experts = text.split("Experts:")
        assert all(f"  {name} " in experts.split("Run:")[0] for name in ("--probes", "--list-rows", "--sample"))
        assert "  --method,--knn " in usual and "  --recall " in usual and "Example" in text


@pytest.mark.parametrize("command", [["knn", "build", "x.npy", "-o", "g"], ["diffusion", "--data", "."],
                                     ["label", "x.npy", "--labels", "l.csv", "-o", "o.csv"],
                                     ["knn", "extend", "x.npy", "--table", "g", "--add", "x.npy", "-o", "h"],
                                     ["knn", "search", "x.npy", "--queries", "x.npy", "-o", "h"]], ids=lambda c: " ".join(c[:2]))
def test_bad_wishes(refused, command):
    for recall in ("0", "1", "-0.5", "95", "nan", "much"):
        refused(2, "recall must lie between 0 and 1", *command, "--recall", recall)
    refused(2, r"--(knn|method): best not in \{auto,exact,join\}", *command, "--knn", "best")


@pytest.mark.parametrize("command", [["build", "x.npy"], ["extend", "x.npy", "--table", "g", "--add", "x.npy"],
                                     ["search", "x.npy", "--queries", "x.npy"]], ids=lambda c: c[0])
def test_bad_effort(refused, tmp_path, command):
    np.save(tmp_path / "x.npy", rows())
    arguments = ["knn", *command, "-o", "h"]
    for option, value in (("--probes", "0"), ("--probes", "-1"), ("--probes", "many"), ("--list-rows", "1"), ("--sample", "0")):
        refused(2, f"{option}: ", *arguments, "--method", "join", option, value, cwd=tmp_path)
    for method in ("auto", "exact"):
        refused(2, "say how to join lists; add --method join", *arguments, "--method", method, "--probes", "3", cwd=tmp_path)


# --- extend and search -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_extend_and_search_are_those_of_build(lowshot, tmp_path, metric):
    x = rows(400)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "old.npy", x[:250])
    x[250:300].tofile(tmp_path / "new.raw")
    np.save(tmp_path / "newer.npy", x[300:])
    for k, name in ((8, "old"), (16, "x")):
        lowshot("knn", "build", tmp_path / f"{name}.npy", "-k", k, "-o", tmp_path / name, "--metric", metric)
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "x", "--metric", metric)
    done = lowshot("knn", "extend", tmp_path / "old.npy", "--table", tmp_path / "old", "--add", tmp_path / "new.raw", tmp_path / "newer.npy",
                   "--dim", 20, "-o", tmp_path / "all", "--metric", metric, "--json", tmp_path / "e.json")
    assert bytes_of(tmp_path / "all", 8) == bytes_of(tmp_path / "x", 8)
    told = json.loads((tmp_path / "e.json").read_text())
    assert (told["rows"], told["new_rows"], told["k"], told["method"]) == (400, 150, 8, "exact")
    assert told["table"] == {"method": "exact", "recall": 1} and "150 of them new" in done.stdout
    origin = origin_of(tmp_path / "all", 8)
    assert sorted(origin["inputs"]) == ["new.raw", "newer.npy", "old.npy"]
    assert origin["options"] == {"k": "8", "metric": metric, "method": "exact"}

    lowshot("knn", "search", tmp_path / "old.npy", "--queries", tmp_path / "newer.npy", "-k", 5, "-o", tmp_path / "found", "--metric", metric,
            "--format", "npy", "--json", tmp_path / "s.json")
    ids, sims = read_table(tmp_path / "found", 8, npy=True)
    truth = similarities(x, metric)[300:, :250]
    best = -np.sort(-truth, axis=1)[:, :8]
    scale = np.abs(truth).max()
    assert ids.shape == (100, 8) and ids.dtype == np.int32
    np.testing.assert_allclose(sims, best, atol=1e-5 * scale)
    np.testing.assert_allclose(np.take_along_axis(truth, ids.astype(np.int64), axis=1), best, atol=1e-5 * scale)
    assert (told := json.loads((tmp_path / "s.json").read_text()))["queries"] == 100 and told["rows"] == 250
    meta = json.loads((tmp_path / "found_k8_I_11.npy.meta.json").read_text())
    assert sorted(meta["inputs"]) == ["old.npy", "queries: newer.npy"]


def test_extend_in_place_and_narrower(lowshot, tmp_path):
    x = rows(300)
    np.save(tmp_path / "old.npy", x[:200])
    np.save(tmp_path / "new.npy", x[200:])
    np.save(tmp_path / "x.npy", x)
    lowshot("knn", "build", tmp_path / "old.npy", "-k", 16, "-o", tmp_path / "g")
    call = ["knn", "extend", tmp_path / "old.npy", "--table", tmp_path / "g", "--add", tmp_path / "new.npy"]
    lowshot(*call, "-o", tmp_path / "narrow", "-k", 6)
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "whole")
    assert bytes_of(tmp_path / "narrow", 8) == bytes_of(tmp_path / "whole", 8)
    lowshot(*call, "-o", tmp_path / "g")
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 16, "-o", tmp_path / "whole")
    assert bytes_of(tmp_path / "g", 16) == bytes_of(tmp_path / "whole", 16)


def test_extended_and_searched_by_join(lowshot, files, tmp_path):
    common = ["-k", 16, "--method", "join", "--recall", 0.9]
    lowshot("knn", "build", files / "old.npy", "-o", tmp_path / "g", *common)
    lowshot("knn", "extend", files / "old.npy", "--table", tmp_path / "g", "--add", files / "new.npy", "-o", tmp_path / "all", *common,
            "--json", tmp_path / "e.json")
    told = json.loads((tmp_path / "e.json").read_text())
    assert told["method"] == "join" and told["table"] == {"method": "join", "recall": 0.9}
    check = recall_of(lowshot, files / "x.npy", tmp_path / "all")
    assert told["recall"] >= 0.9 and check["recall"] == pytest.approx(told["recall"], abs=0.01)
    assert check["similarities_wrong"] == 0 and check["self_first"] + check["self_later"] == 20000

    lowshot("knn", "search", files / "old.npy", "--queries", files / "new.npy", "-o", tmp_path / "join", *common, "--json", tmp_path / "s.json")
    lowshot("knn", "search", files / "old.npy", "--queries", files / "new.npy", "-o", tmp_path / "exact", "-k", 16, "--method", "exact")
    told = json.loads((tmp_path / "s.json").read_text())
    ours, truth = read_table(tmp_path / "join", 16)[0], read_table(tmp_path / "exact", 16)[0]
    found = np.mean([len(set(a) & set(b)) / 16 for a, b in zip(ours, truth, strict=True)])
    assert told["recall"] >= 0.9 and found == pytest.approx(told["recall"], abs=0.01)


def test_extend_says_what_the_stored_table_is(lowshot, refused, files, tmp_path):
    """A table of lower recall than is wished for is refused; a published one is used and its recall is unknown."""
    lowshot("knn", "build", files / "old.npy", "-k", 8, "-o", tmp_path / "g", "--method", "join", "--recall", 0.8)
    call = ["knn", "extend", files / "old.npy", "--table", tmp_path / "g", "--add", files / "new.npy", "-o", tmp_path / "all"]
    refused(2, r"stored table \(join for recall 0.8\) cannot become one of recall 0.95; .*--method auto --recall 0.8", *call)
    refused(2, "cannot become an exact one", *call, "--method", "exact")
    done = lowshot(*call, "--recall", 0.8)   # 2,000 rows join exactly, which mends nothing of the old ones
    assert "method exact" in done.stdout and "the stored table is join for recall 0.8" in done.stdout
    assert origin_of(tmp_path / "all", 8)["options"]["method"] == "join"
    assert origin_of(tmp_path / "all", 8)["options"]["recall"] == "0.8"

    (tmp_path / "g_k8_I_11.int8.meta.json").unlink()
    assert "the stored table is of unknown recall" in lowshot(*call).stdout
    origin = origin_of(tmp_path / "all", 8)
    assert origin["options"]["recall"] == "0" and "stored table" in origin["inputs"]


def test_what_does_not_belong_together(lowshot, refused, tmp_path):
    x = rows(300)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "new.npy", x[:40])
    np.save(tmp_path / "fewer.npy", x[:299])
    np.save(tmp_path / "other.npy", rows(300, seed=6))
    np.save(tmp_path / "turned.npy", x[::-1])
    np.save(tmp_path / "wide.npy", rows(50, dim=24))
    np.save(tmp_path / "nan.npy", np.where(np.arange(20) == 3, np.nan, x[:5]).astype(np.float32))
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "g")

    def extend(code, pattern, features="x.npy", added="new.npy", *options):
        refused(code, pattern, "knn", "extend", tmp_path / features, "--table", tmp_path / "g", "--add", tmp_path / added, "-o",
                tmp_path / "all", *options)

    extend(3, "the table has 300 rows and 299 descriptors are named", "fewer.npy")
    for features in ("other.npy", "turned.npy"):
        extend(3, r"\d+ of 2400 similarities of the table are not those of the descriptors \(cosine\)", features)
    extend(3, r"not those of the descriptors \(l2\)", "x.npy", "new.npy", "--metric", "l2")
    extend(3, "rows of 20 and of 24 dimensions cannot be compared", "x.npy", "wide.npy")
    extend(3, "nan.npy", "x.npy", "nan.npy")
    extend(3, "there is no table .* with K at least 9", "x.npy", "new.npy", "-k", 9)
    extend(3, "absent.npy", "x.npy", "absent.npy")
    extend(4, "this job needs", "x.npy", "new.npy", "--memory", "1M")
    refused(2, "--table", "knn", "extend", tmp_path / "x.npy", "--add", tmp_path / "new.npy", "-o", tmp_path / "all")
    refused(3, "rows of 20 and of 24 dimensions cannot be compared", "knn", "search", tmp_path / "x.npy", "--queries", tmp_path / "wide.npy",
            "-o", tmp_path / "f")
    refused(2, "--queries", "knn", "search", tmp_path / "x.npy", "-o", tmp_path / "f")
    (tmp_path / "bad.csv").write_text("row\n3\n")
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "g", "--skip-rows", tmp_path / "bad.csv")
    extend(3, "rows were left out of the table")
    for call in (["extend", tmp_path / "x.npy", "--table", tmp_path / "g", "--add", tmp_path / "new.npy"],
                 ["search", tmp_path / "x.npy", "--queries", tmp_path / "new.npy"]):
        if call[0] == "search":
            assert "fits" in lowshot("knn", *call, "-o", tmp_path / "all", "--dry-run").stdout
    assert not list(tmp_path.glob("all*"))


def test_more_neighbours_than_stored_rows(lowshot, tmp_path):
    np.save(tmp_path / "x.npy", rows(5))
    np.save(tmp_path / "q.npy", rows(3, seed=6))
    lowshot("knn", "search", tmp_path / "x.npy", "--queries", tmp_path / "q.npy", "-k", 8, "-o", tmp_path / "f")
    ids, sims = read_table(tmp_path / "f", 8)
    assert (np.sort(ids[:, :5], axis=1) == np.arange(5)).all() and (ids[:, 5:] == -1).all() and (sims[:, 5:] == -np.inf).all()


# --- what is kept, and for whom --------------------------------------------------------------------------------------

def test_kept_background_graph(lowshot, bundled_data, tmp_path):
    """An exact table serves every wish, one of some recall smaller wishes; one from before the choice is exact."""
    call = ["knn", "build", "--data", bundled_data, "--work", tmp_path, "--nbg", 6000, "-k", 8, "--json", tmp_path / "b.json"]
    side_car = tmp_path / "knngraph/ndis6000_k8_I_11.int8.meta.json"

    def made(*options):
        lowshot(*call, *options)
        told = json.loads((tmp_path / "b.json").read_text())
        return told["made"], told["method"], round(told["recall"], 2)

    assert made("--method", "join", "--recall", 0.9)[:2] == (True, "join")
    assert json.loads(side_car.read_text())["options"] == {"k": "8", "metric": "cosine", "rows": "6000", "method": "join", "recall": "0.9"}
    assert made("--method", "join", "--recall", 0.9) == (False, "join", 0.9)
    assert made("--recall", 0.85) == (False, "join", 0.9)
    assert made("--method", "join", "--recall", 0.95)[:2] == (True, "join")
    run = ["diffusion", "--data", bundled_data, "--work", tmp_path, "--nbg", 6000, "--k", 8, "--niter", 1]
    assert "ndis6000_k8_I_11.int8 (join for recall 0.95)\n" in lowshot(*run).stderr
    log = lowshot(*run, "--knn", "exact").stderr
    assert "(join for recall 0.95) is not good enough; built anew" in log and "exact 8-nearest-neighbour graph of 6000 rows" in log
    assert "method" in side_car.read_text() and "join" not in side_car.read_text()
    for options in (["--method", "exact"], ["--method", "join", "--recall", 0.99], []):
        assert made(*options) == (False, "exact", 1)
    old = json.loads(side_car.read_text())
    del old["options"]["method"]
    side_car.write_text(json.dumps(old))
    for options in (["--method", "exact"], ["--method", "join", "--recall", 0.99], []):
        assert made(*options) == (False, "exact", 1)
    # The runs above kept the graph of background and base rows; without it the background's is read again.
    assert "the graph of 6000 background rows and" in lowshot(*run, "--dry-run").stdout
    for kept in (tmp_path / "knngraph").glob("static_*"):
        kept.unlink()
    assert "their graph is read from" in lowshot(*run, "--dry-run").stdout


def test_kept_graph_of_label(lowshot, files, bundled_data, features, tmp_path):
    with h5py.File(bundled_data / "features/train.hdf5") as file:
        classes = file["all_labels"][:20000]
    labelled = np.concatenate([np.flatnonzero(classes == c)[:5] for c in np.unique(classes)])
    (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},class {classes[r]}\n" for r in labelled))
    call = ["label", files / "old.npy", files / "new.npy", "--labels", tmp_path / "labels.csv", "--k", 16]

    def label(name, *options):
        options = options if "--work" in options else (*options, "--work", tmp_path / "work")
        done = lowshot(*call, "-o", tmp_path / f"{name}.csv", "--json", tmp_path / f"{name}.json", *options)
        result = json.loads((tmp_path / f"{name}.json").read_text())
        answer = [line.split(",")[2] for line in (tmp_path / f"{name}.csv").read_text().splitlines()[1:]]
        right = np.mean(np.array(answer) == np.array([f"class {c}" for c in classes]))
        return result["choices"]["graph"], result["graph"]["method"], right, done.stderr

    state, method, _, log = label("join", "--knn", "join", "--recall", 0.9)
    assert (state, method) == ("built", "join") and "graph: join: recall 0.9" in log and "(built), join for recall 0.9" in log
    assert label("again", "--recall", 0.9)[:2] == ("kept", "join")
    state, method, exact, log = label("exact")   # recall .95 is more than what is kept; the size makes it exact
    assert (state, method) == ("built", "exact") and "(built), exact" in log
    assert label("kept", "--knn", "join")[:2] == ("kept", "exact")
    state, method, join, _ = label("usual", "--knn", "join", "--work", tmp_path / "usual")
    assert (state, method) == ("built", "join")
    assert exact > 0.6 and join == pytest.approx(exact, abs=0.01)

    # A beginning is extended only if it is good enough.
    other = ["--labels", tmp_path / "labels.csv", "--work", tmp_path / "other", "--k", 16, "-o", tmp_path / "o.csv"]
    (tmp_path / "labels.csv").write_text("row,label\n" + "".join(f"{r},class {classes[r]}\n" for r in labelled if r < 18000))
    lowshot("label", files / "old.npy", *other, "--knn", "join", "--recall", 0.8)
    assert "(extended), join for recall 0.8" in lowshot("label", files / "old.npy", "--add", files / "new.npy", *other, "--recall", 0.8).stderr
    assert "(built), exact" in lowshot("label", files / "old.npy", "--add", files / "x.npy", *other, "--recall", 0.9).stderr


def test_accuracy_of_diffusion(lowshot, bundled_data, tmp_path):
    accuracies = {}
    for name, options in {"exact": ["--knn", "exact"], "join": ["--knn", "join"]}.items():
        lowshot("diffusion", "--data", bundled_data, "--work", tmp_path / name, "--nbg", 20000, "--nlabeled", 5, "--niter", 2, "--json",
                tmp_path / "r.json", *options)
        result = json.loads((tmp_path / "r.json").read_text())
        accuracies[name] = result["iterations"][2]["top5_all"]
        assert (result["options"]["knn"], result["options"]["recall"]) == (name, 0.95)
    assert accuracies["exact"] > 0.6 and accuracies["join"] == pytest.approx(accuracies["exact"], abs=0.01)


def test_plans_name_the_search(lowshot, small_data, tmp_path):
    data = small_data()
    (tmp_path / "p.yaml").write_text(f"data: {data.root}\ngroups:\n  a:\n    method: diffusion\n    nbg: 200\n    k: 5\n    niter: 1\n"
                                     "    knn: [exact, join]\n    recall: 0.9\n")
    lowshot("sweep", tmp_path / "p.yaml", "-o", tmp_path / "out", "--work", tmp_path / "work")
    results = [json.loads(path.read_text()) for path in sorted((tmp_path / "out/results/a").iterdir())]
    assert sorted(r["settings"]["knn"] for r in results) == ["exact", "join"] and {r["settings"]["recall"] for r in results} == {"0.9"}
