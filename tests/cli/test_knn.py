"""lowshot knn: tables against numpy, and tables as other programs publish them."""

import json

import numpy as np
import pytest


def rows(n=300, dim=20, seed=5):
    random = np.random.default_rng(seed)
    centres = random.normal(size=(10, dim))
    return (centres[random.integers(10, size=n)] + 0.5 * random.normal(size=(n, dim))).astype(np.float32)


def similarities(x, metric):
    x = x.astype(np.float64)
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return -((x[:, None] - x[None]) ** 2).sum(axis=2) if metric == "l2" else x @ x.T


def read_table(prefix, k, npy=False):
    if npy:
        return np.load(f"{prefix}_k{k}_I_11.npy"), np.load(f"{prefix}_k{k}_D_11.npy")
    ids = np.fromfile(f"{prefix}_k{k}_I_11.int{k}", np.int32).reshape(-1, k)
    return ids, np.fromfile(f"{prefix}_k{k}_D_11.float{k}", np.float32).reshape(-1, k)


def write_table(names, ids, sims):
    np.asarray(ids, np.int32).tofile(names[0])
    np.asarray(sims, np.float32).tofile(names[1])


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_build(lowshot, tmp_path, metric):
    x = rows()
    np.save(tmp_path / "x.npy", x)
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 10, "-o", tmp_path / "g", "--metric", metric)
    ids, sims = read_table(tmp_path / "g", 16)
    truth = similarities(x, metric)
    order = np.argsort(-truth, axis=1, kind="stable")[:, :16]
    best = np.take_along_axis(truth, order, axis=1)
    scale = np.abs(truth).max()
    np.testing.assert_allclose(sims, best, atol=1e-5 * scale)
    # Ids may differ only where similarities are as good as equal.
    differs = ids != order
    assert np.abs(np.take_along_axis(truth, ids.astype(np.int64), axis=1) - best)[differs].max(initial=0) < 2e-6 * scale
    assert (np.diff(sims, axis=1) <= 0).all()
    assert all(len(set(row)) == 16 for row in ids)


def test_formats_sources_and_rows_agree(lowshot, tmp_path):
    x = rows()
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "a.npy", x[:100])
    np.save(tmp_path / "b.npy", x[100:])
    x.tofile(tmp_path / "x.raw")
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "one")
    lowshot("knn", "build", tmp_path / "x.raw", "--dim", 20, "-k", 8, "-o", tmp_path / "two", "--format", "npy", "--threads", 1)
    lowshot("knn", "build", tmp_path / "a.npy", tmp_path / "b.npy", "-k", 8, "-o", tmp_path / "three", "--isa", "avx2")
    one, two, three = (read_table(tmp_path / name, 8, name == "two") for name in ("one", "two", "three"))
    assert two[0].dtype == np.int32 and two[1].dtype == np.float32
    for other in (two, three):
        assert (one[0] == other[0]).all() and (one[1] == other[1]).all()
    lowshot("knn", "build", tmp_path / "x.npy", "--rows", "50:150", "-k", 8, "-o", tmp_path / "part")
    np.save(tmp_path / "part.npy", x[50:150])
    lowshot("knn", "build", tmp_path / "part.npy", "-k", 8, "-o", tmp_path / "whole")
    assert (read_table(tmp_path / "part", 8)[0] == read_table(tmp_path / "whole", 8)[0]).all()


def test_instruction_sets(lowshot, refused, tmp_path):
    """--isa takes the named one where the machine has it, with the same table; one that it has not is refused."""
    np.save(tmp_path / "x.npy", rows(n=300, dim=130))
    lowshot("info", "--json", tmp_path / "info.json")
    best = json.loads((tmp_path / "info.json").read_text())["instruction_set_used"]
    isas = ["avx2", "avx512vnni", "amx"]
    there = isas[:isas.index(best) + 1]
    tables = []
    for isa in ["auto", *there]:
        lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / isa, "--isa", isa, "--json", tmp_path / "r.json")
        device = json.loads((tmp_path / "r.json").read_text())["device"]
        assert device.startswith(f"cpu ({best if isa == 'auto' else isa},")
        tables.append(read_table(tmp_path / isa, 8))
    for ids, sims in tables[1:]:
        assert (ids == tables[0][0]).all() and (sims == tables[0][1]).all()
    for isa in isas[len(there):]:
        refused(4, f"no {isa}, its best is {best}.*--isa auto", "knn", "build", tmp_path / "x.npy", "-k", 8,
                "-o", tmp_path / "g", "--isa", isa)
    assert "avx512vnni" in lowshot("knn", "build", tmp_path / "x.npy", "--isa", "sse", code=2).stderr


def test_more_neighbours_than_rows(lowshot, tmp_path):
    np.save(tmp_path / "x.npy", rows(n=5))
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 6, "-o", tmp_path / "g")
    ids, sims = read_table(tmp_path / "g", 8)
    assert (np.sort(ids[:, :5], axis=1) == np.arange(5)).all() and (ids[:, 5:] == -1).all()
    assert (sims[:, 5:] == -np.inf).all()
    lowshot("knn", "check", tmp_path / "x.npy", tmp_path / "g", "--json", tmp_path / "c.json")
    check = json.loads((tmp_path / "c.json").read_text())
    assert check["empty_places"] == 15 and check["recall"] == 1 and check["unsorted_rows"] == 0


def test_all_rows_equal(lowshot, tmp_path, small_data):
    """Duplicates only: ties go to the lower ids, and the whole job runs on it."""
    np.save(tmp_path / "x.npy", np.tile(rows(n=1), (500, 1)))
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 4, "-o", tmp_path / "g")
    ids, _ = read_table(tmp_path / "g", 4)
    assert (ids == np.arange(4)).all()
    lowshot("knn", "check", tmp_path / "x.npy", tmp_path / "g", "--json", tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["recall"] == 1
    lowshot("knn", "info", tmp_path / "g")

    data = small_data()
    for part in (data.train, data.val, data.background):
        part[:] = 1.5
    data.write()
    for pca in (["--pca", "none"], []):
        lowshot("diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", 200, "--k", 5, "--niter", 3, *pca,
                "--storeL", tmp_path / "scores.npy")
        assert np.isfinite(np.load(tmp_path / "scores.npy")).all()


def test_check_finds_what_is_wrong(lowshot, tmp_path):
    x = rows()
    np.save(tmp_path / "x.npy", x)
    lowshot("knn", "build", tmp_path / "x.npy", "-k", 8, "-o", tmp_path / "g")
    names = tmp_path / "g_k8_I_11.int8", tmp_path / "g_k8_D_11.float8"
    good_ids, good_sims = read_table(tmp_path / "g", 8)

    def check(ids, sims, *options, code=0):
        write_table(names, ids, sims)
        done = lowshot("knn", "check", tmp_path / "x.npy", tmp_path / "g", "--sample", 300, "--json", tmp_path / "c.json", *options,
                       code=code)
        return json.loads((tmp_path / "c.json").read_text()), done

    result, _ = check(good_ids, good_sims)
    assert (result["recall"], result["self_first"], result["usable"], result["largest_difference"]) == (1, 300, True, 0)
    assert result["similarities_compared"] == 300 * 8

    ids, sims = good_ids.copy(), good_sims.copy()
    ids[:, 7] = -1                         # one true neighbour of seven lost in every row
    assert check(ids, sims)[0]["recall"] == pytest.approx(6 / 7)
    assert check(ids, sims)[0]["empty_places"] == 300
    assert check(ids, sims, "-k", 7)[0]["recall"] == 1

    ids[0, 1] = ids[0, 2]                  # a repeated id
    ids[1, 0], ids[1, 1] = ids[1, 1], 1    # itself second
    ids[2, 0] = -1                         # itself absent
    sims[3, 2:4] = sims[3, [3, 2]]         # order
    sims[4, 5] = np.nan
    result, _ = check(ids, sims)
    assert (result["repeated_ids"], result["self_first"], result["self_later"], result["self_absent"]) == (1, 298, 1, 1)
    assert result["unsorted_rows"] == 3    # rows 3 and 4, and row 2 with an id behind an empty place

    sims = good_sims.copy()
    sims[:, 4] += np.float32(1e-3)
    result, _ = check(good_ids, sims)
    assert result["similarities_wrong"] == 300 and result["largest_difference"] == pytest.approx(1e-3, rel=1e-2)

    ids = good_ids.copy()
    ids[17, 3], ids[200, 0] = 300, -2
    result, done = check(ids, good_sims, code=3)
    assert result["ids_out_of_range"] == 2 and result["usable"] is False
    assert "row 17 holds the neighbour id 300, expected -1 to 299" in done.stderr


def test_recall_of_random_neighbours(lowshot, tmp_path):
    """Recall from the definition, in float64."""
    x = rows()
    np.save(tmp_path / "x.npy", x)
    random = np.random.default_rng(1)
    truth = similarities(x, "cosine")
    ids = np.stack([random.permutation(300)[:8] for _ in range(300)])
    order = np.argsort(-truth, axis=1, kind="stable")
    ids[:, :4] = order[:, 2:6]
    expected = []
    for i in range(300):
        others = [j for j in order[i] if j != i][:7]
        found = {j for j in ids[i] if j != i and truth[i, j] >= truth[i, others[-1]] - 1e-6}
        expected.append(min(len(found), 7) / 7)
    write_table((tmp_path / "g_k8_I_11.int8", tmp_path / "g_k8_D_11.float8"), ids, np.take_along_axis(truth, ids, axis=1))
    lowshot("knn", "check", tmp_path / "x.npy", tmp_path / "g", "--sample", 1000, "--json", tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["recall"] == pytest.approx(np.mean(expected), abs=1e-9)
    for seed in (1, 2):
        lowshot("knn", "check", tmp_path / "x.npy", tmp_path / "g", "--sample", 50, "--seed", seed, "--json", tmp_path / f"{seed}.json")
    one, two = (json.loads((tmp_path / f"{seed}.json").read_text()) for seed in (1, 2))
    assert one["sampled_rows"] == 50 and one["recall"] != two["recall"]


def test_info(lowshot, tmp_path):
    # Two components: 0 <-> 1 <- 2 and 3 <-> 4; 2 is named by nobody.
    ids = [[0, 1], [1, 0], [2, 1], [3, 4], [4, 3]]
    sims = [[1, .9], [1, .9], [1, .5], [1, .8], [1, .8]]
    write_table((tmp_path / "g_k2_I_11.int2", tmp_path / "g_k2_D_11.float2"), ids, sims)
    lowshot("knn", "info", tmp_path / "g", "--json", tmp_path / "i.json")
    info = json.loads((tmp_path / "i.json").read_text())
    assert (info["rows"], info["k"], info["components"], info["largest_component"]) == (5, 2, 2, 3)
    assert info["in_degree"] == {"mean": 1.0, "max": 2, "never_named": 0.2}
    assert info["mutual"] == 0.8
    assert info["similarity"]["nearest_other"]["min"] == 0.5 and info["similarity"]["last_column"]["median"] == pytest.approx(.8)
    assert info["similarity"]["first_column"]["min"] == info["similarity"]["first_column"]["max"] == 1


def test_background_graph(lowshot, small_data, tmp_path):
    data = small_data()
    work = tmp_path / "work"
    lowshot("knn", "build", "--data", data.root, "--work", work, "--nbg", 150, "-k", 5, "--json", tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text())["made"] is True
    assert "up to date" in lowshot("knn", "build", "--data", data.root, "--work", work, "--nbg", 150, "-k", 5).stdout
    lowshot("pca", "apply", data.block, "--pca", work / "features/PCAR256.vt", "--rows", ":150", "-o", tmp_path / "y.npy")
    lowshot("knn", "check", tmp_path / "y.npy", work / "knngraph/ndis150", "--json", tmp_path / "c.json")
    check = json.loads((tmp_path / "c.json").read_text())
    assert (check["k"], check["recall"], check["self_first"]) == (8, 1, 150) and check["largest_difference"] < 1e-6
    # diffusion takes it as it is, and would make the same.
    arguments = ["diffusion", "--data", data.root, "--nbg", 150, "--k", 5, "--niter", 2]
    log = lowshot(*arguments, "--work", work, "--storeL", tmp_path / "kept.npy").stderr
    assert "ndis150_k8_I_11.int8" in log and "neighbour graph of" not in log
    assert "exact 8-nearest-neighbour graph of" in lowshot(*arguments, "--work", tmp_path / "other", "--storeL", tmp_path / "made.npy").stderr
    assert (tmp_path / "kept.npy").read_bytes() == (tmp_path / "made.npy").read_bytes()
    for pca in ("none", "4"):
        lowshot("knn", "build", "--data", data.root, "--work", work, "--nbg", 100, "-k", 5, "--pca", pca)
    assert (work / "knngraph/ndis100_none_k8_I_11.int8").exists() and (work / "knngraph/ndis100_PCAR4_k8_I_11.int8").exists()


def test_published_graph_is_not_replaced(refused, small_data):
    data = small_data()
    names = data.graph(100, 8)
    write_table(names, np.zeros((100, 8)), np.ones((100, 8)))
    refused(2, "not made by this program", "knn", "build", "--data", data.root, "--nbg", 100, "-k", 5)


def published(n, k, seed=3):
    """A table as an approximate index over duplicates leaves it, and its clean twin with the same edges of the first
    `k - 1` columns: no self, -1, repeats, unsorted rows, similarities slightly above 1."""
    random = np.random.default_rng(seed)
    ids = np.stack([random.choice([j for j in range(n) if j != i], k, replace=False) for i in range(n)])
    sims = random.random((n, k)) * 0.5 + 0.5
    sims[::3, 1] = 1 + 2e-7
    sims[::4] = sims[::4, ::-1]
    ids[::5, 2] = ids[::5, 0]
    sims[::5, 2] = sims[::5, 0]
    ids[::7, 1] = -1
    ids[1::11] = -1
    ids[2::13, k - 2] = np.arange(n)[2::13]
    clean_ids, clean_sims = np.full((n, k), -1), np.full((n, k), -np.inf)
    for i in range(n):
        best = {}
        for j, s in zip(ids[i, :k - 1], sims[i, :k - 1].astype(np.float32), strict=True):
            if j >= 0:
                best[j] = max(s, best.get(j, s))
        order = sorted(best, key=lambda j: (-best[j], j))
        clean_ids[i, :len(order)] = order
        clean_sims[i, :len(order)] = [best[j] for j in order]
    return (ids, sims), (clean_ids, clean_sims)


@pytest.mark.parametrize("twin", ["raw", "npy"])
def test_published_table_is_read_as_edges(lowshot, small_data, tmp_path, twin):
    """Protocol, section 1: first k columns of the smallest K >= k, a repeated id once, -1 no edge, self not added."""
    n, k = 200, 8
    data = small_data()
    dirty, clean = published(n, k)

    def run(name, table):
        names = data.graph(n, k)
        write_table(names, *table)
        if twin == "npy" and name == "dirty":
            np.save(data.root / f"knngraph/ndis{n}_k{k}_I_11.npy", np.asarray(table[0], np.int32))
            np.save(data.root / f"knngraph/ndis{n}_k{k}_D_11.npy", np.asarray(table[1], np.float32))
            [path.unlink() for path in names]
        # A wider table lies about: it must not be taken.
        write_table(data.graph(n, 2 * k), np.zeros((n, 2 * k)), np.ones((n, 2 * k)))
        log = lowshot("diffusion", "--data", data.root, "--work", tmp_path / "work", "--nbg", n, "--k", k - 1, "--niter", 3,
                      "--storeL", tmp_path / f"{name}.npy", "--storeLiters", tmp_path / f"{name}_%d.npy", "--json",
                      tmp_path / f"{name}.json").stderr
        assert f"_k{k}_I_11" in log
        [path.unlink() for path in (data.root / "knngraph").iterdir()]
        return json.loads((tmp_path / f"{name}.json").read_text())["edges"]

    assert run("dirty", dirty) == run("clean", clean)
    for name in ("{}.npy", "{}_3.npy"):
        assert (tmp_path / name.format("dirty")).read_bytes() == (tmp_path / name.format("clean")).read_bytes()
    other = np.roll(clean[0], 1, axis=0)   # and the table does matter
    run("other", (other, clean[1]))
    assert (tmp_path / "other_3.npy").read_bytes() != (tmp_path / "clean_3.npy").read_bytes()


def test_published_table_of_another_pca_is_not_used(lowshot, small_data, tmp_path):
    data = small_data()
    write_table(data.graph(200, 8), *published(200, 8)[0])
    log = lowshot("diffusion", "--data", data.root, "--work", tmp_path / "work", "--pca", "none", "--nbg", 200, "--k", 8,
                  "--niter", 0).stderr
    assert "exact 8-nearest-neighbour graph of" in log
    assert (tmp_path / "work/knngraph/ndis200_none_k8_I_11.int8").exists()


@pytest.mark.parametrize("arguments, pattern", [
    (["build"], "no descriptors are named"),
    (["build", "x.npy"], "-o"),
    (["build", "x.npy", "-o", "g", "--nbg", "5"], "exclude each other"),
    (["build", "x.npy", "-o", "g", "-k", "0"], "not in range 1 to 1024"),
    (["build", "x.npy", "-o", "g", "-k", "1025"], "not in range 1 to 1024"),
    (["build", "x.npy", "-o", "g", "--metric", "l3"], "--metric"),
    (["build", "--data", ".", "-o", "g"], "belong to FEATURES"),
    (["build", "--data", "."], "at least one background row"),
])
def test_usage(refused, arguments, pattern):
    refused(2, pattern, "knn", *arguments)


def test_dry_run_and_memory(lowshot, refused, tmp_path, small_data):
    np.save(tmp_path / "x.npy", rows())
    data = small_data()
    for arguments, message in ((["build", tmp_path / "x.npy", "-o", tmp_path / "g"], "even piece by piece this search needs .*"),
                               (["build", "--data", data.root, "--work", tmp_path / "work", "--nbg", 100],
                                "this job needs .* 1 MiB is the limit")):
        out = lowshot("knn", *arguments, "--dry-run").stdout
        assert "fits" in out and "Time: about " in out
        refused(4, message, "knn", *arguments, "--memory", "1M")
    assert not (tmp_path / "work/knngraph").exists() and not list(tmp_path.glob("g_*"))


def test_full_background_graph(lowshot, full_data, tmp_path):
    """The stored graph of the full set, made by Faiss: usable, complete, and its similarities are the descriptors'."""
    lowshot("pca", "apply", full_data / "features/f100m/block0.hdf5", "--pca", full_data / "expected/PCAR256.vt", "-o", tmp_path / "y.raw")
    lowshot("knn", "check", tmp_path / "y.raw", full_data / "expected/ndis60000", "--dim", 256, "--sample", 300, "--json",
            tmp_path / "c.json")
    check = json.loads((tmp_path / "c.json").read_text())
    assert (check["rows"], check["self_first"], check["recall"], check["similarities_wrong"]) == (60000, 60000, 1, 0)
    # Built here, every id is Faiss' but where two similarities are within 1e-5 of each other.
    lowshot("knn", "build", tmp_path / "y.raw", "--dim", 256, "-k", 32, "-o", tmp_path / "ours")
    ids, similarities = (np.fromfile(tmp_path / f"ours_k32_{name}", dtype).reshape(60000, 32)
                         for name, dtype in (("I_11.int32", "<i4"), ("D_11.float32", "<f4")))
    theirs, their_similarities = (np.fromfile(full_data / f"expected/ndis60000_k32_{name}", dtype).reshape(60000, 32)
                                  for name, dtype in (("I_11.int32", "<i4"), ("D_11.float32", "<f4")))
    np.testing.assert_allclose(similarities, their_similarities, rtol=0, atol=1e-5)
    assert (ids != theirs).mean() < 1e-3  # ties within rounding; their similarities were compared above
