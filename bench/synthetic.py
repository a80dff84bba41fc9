#!/usr/bin/env python3
"""Large realistic sets of descriptors, made from the real one by interpolation between neighbours.

A generated row is x = a + t (b - a) + 0.8 |a - nn10(a)| g, normalised: a is a real row drawn at random, b one of its
nearest neighbours, t uniform, g normal with the covariance of the differences between neighbours, scaled to a mean
square norm of 1. So the set has the real one's clusters, spectrum and, as the report shows, nearly its local intrinsic
dimension, at any size. The same options give the same bytes, whatever the number of threads.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = 8192  # rows drawn from one random stream; part of what a seed means
NEIGHBOURS = 16  # columns of the real rows' table
PARTNERS = 10  # b is one of so many nearest
SPREAD = 0.8
RANK = 10  # the neighbour whose distance scales the noise
LID_NEIGHBOURS, LID_SAMPLE = 32, 1000
# The original's class sets (section 4): base and novel classes of validation and of test.
CLASS_SETS = {1: (193, 300), 2: (196, 311)}
LABELLED, NOVEL_ROWS, TEST_ROWS, BACKGROUND = 250_000, 100, 25_000, 1_000_000


def arguments():
    parser = argparse.ArgumentParser(prog="bench/data", description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("LOWSHOT_FULL_DATA", str(ROOT / "data/cifar-lowshot")),
                        help="data directory (default: $LOWSHOT_FULL_DATA, else the bundled set, for smoke tests only)")
    parser.add_argument("--out", required=True, help=".npy file; with --shards or --directory a folder")
    parser.add_argument("--rows", type=int,
                        help="rows to make; with --directory, background rows (and the rest in proportion)")
    parser.add_argument("--real", action="store_true",
                        help="the real rows themselves, nothing generated (--rows: so many of them)")
    parser.add_argument("--base", type=int, help="use so many of the real rows only, at random: for smoke tests")
    parser.add_argument("--dim", type=int, help="256 (default): PCA of all real rows with a random rotation;\n"
                        "the descriptors' own dimension (512): raw rows, not centred;\n"
                        "larger (768): those rows lifted by a random isometry plus a constant offset and noise;\n"
                        "no real 768-dimensional set is at hand")
    parser.add_argument("--whiten", action="store_true", help="centre and whiten the finished rows, normalise again")
    parser.add_argument("--shift", type=float, default=0,
                        help="add a constant vector of this length to the second half of the rows before they are\n"
                        "normalised: data that changes on the way")
    parser.add_argument("--half", action="store_true", help="float16")
    parser.add_argument("--shards", type=int,
                        help="this many npy files, and labels.csv (--labels rows, equally many a class)")
    parser.add_argument("--labels", type=int, default=500)
    parser.add_argument("--directory", action="store_true",
                        help="a data directory at the paper's F1M size, raw float16 rows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--program", default=str(ROOT / "build/release/lowshot"),
                        help="what searches the real neighbours")
    parser.add_argument("--no-lid", action="store_true", help="do not measure the local intrinsic dimension")
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()  # --help needs no numpy

import faiss  # noqa: E402
import h5py  # noqa: E402
import numpy as np  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402


def say(text):
    print(text, file=sys.stderr, flush=True)


def stream(*key):
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))


def normalised(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def isometry(rows, columns, seed):
    """rows x columns with orthonormal rows (rows <= columns)."""
    q, r = np.linalg.qr(stream(seed, 1).standard_normal((columns, rows)))
    return np.ascontiguousarray((q * np.sign(np.diag(r))).T, dtype=np.float32)


# --- the real rows ---------------------------------------------------------------------------------------------------


class Real:
    """All rows of a data directory: descriptors, classes (-1: background), where each part begins."""

    def __init__(self, folder):
        features = Path(folder) / "features"
        parts, labels = [], []
        blocks = sorted(features.glob("f100m/block*.hdf5"), key=lambda p: int(p.stem[5:]))
        for path in [features / "train.hdf5", features / "val.hdf5", *blocks]:
            with h5py.File(path) as file:
                rows = int(file["count"][0]) if "count" in file else len(file["all_feats"])
                parts.append(file["all_feats"][:rows].astype(np.float32))
                labels.append(file["all_labels"][:rows] if path not in blocks else np.full(rows, -1, np.int32))
        self.x, self.labels = np.concatenate(parts), np.concatenate(labels)
        self.names = json.loads((Path(folder) / "label_idx.json").read_text())

    def reduce(self, rows, seed, classes_whole):
        """To so many rows at random; `classes_whole`: of the background alone."""
        order = stream(seed, 15).permutation(len(self.x))
        if classes_whole:
            chosen = np.concatenate([np.flatnonzero(self.labels >= 0), order[self.labels[order] < 0][:rows]])
        else:
            chosen = np.sort(order[:rows])
        self.x, self.labels = self.x[chosen], self.labels[chosen]


def pca_map(x, dim, seed):
    """Mean, and the map to at most dim dimensions, randomly rotated as the original's PCA."""
    mean = x.mean(axis=0)
    vectors = np.linalg.eigh(((x - mean).T @ (x - mean)).astype(np.float64))[1]
    kept = vectors[:, ::-1][:, : min(dim, x.shape[1])].astype(np.float32)
    return mean, kept @ isometry(kept.shape[1], kept.shape[1], seed)


def pca(x, dim, seed):
    mean, rotation = pca_map(x, dim, seed)
    return normalised((x - mean) @ rotation)


def pca_of_file(x, dim, seed):
    """The same of more rows than one would like to hold; trained on the first 100,000."""
    mean, rotation = pca_map(x[:100_000].astype(np.float32), dim, seed)
    out = np.empty((len(x), rotation.shape[1]), np.float32)
    for b in range(0, len(x), BLOCK):
        out[b : b + BLOCK] = normalised((x[b : b + BLOCK].astype(np.float32) - mean) @ rotation)
    return out


def neighbours(x, program):
    """Ids of the NEIGHBOURS most similar rows (cosine) of each row, itself first."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/tmp")) as folder:
        np.save(f"{folder}/x.npy", x)
        subprocess.run([program, "knn", "build", f"{folder}/x.npy", "-k", str(NEIGHBOURS), "-o", f"{folder}/t",
                        "--format", "npy", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        return np.load(f"{folder}/t_k{NEIGHBOURS}_I_11.npy")


# --- the generator ---------------------------------------------------------------------------------------------------


class Generator:
    """Rows between neighbours among `x`. `ids`: neighbours of each row, itself first."""

    def __init__(self, x, ids, seed):
        self.x, self.partners, self.seed = x, ids[:, 1 : PARTNERS + 1], seed
        self.radius = SPREAD * np.concatenate(
            [np.linalg.norm(x[b] - x[ids[b, RANK]], axis=1) for b in np.array_split(np.arange(len(x)), 64)])
        sample = stream(seed, 2).permutation(len(x))[:50_000]
        differences = x[self.partners[sample, sample % PARTNERS]] - x[sample]
        covariance = (differences.T @ differences).astype(np.float64)
        values, vectors = np.linalg.eigh(covariance / np.trace(covariance))
        self.noise = np.ascontiguousarray((vectors * np.sqrt(np.maximum(values, 0))).T, dtype=np.float32)

    def rows(self, random, a):
        """One row near each of the real rows `a`."""
        g = random.standard_normal((len(a), self.x.shape[1]), dtype=np.float32) @ self.noise
        g *= self.radius[a, None]
        b = self.partners[a, random.integers(self.partners.shape[1], size=len(a))]
        t = random.random((len(a), 1), dtype=np.float32)
        start = self.x[a]
        g += start
        g += t * (self.x[b] - start)
        return g

    def block(self, number, rows):
        """Block `number` of an endless sequence, and the real row each of its rows is near."""
        random = stream(self.seed, 3, number)
        a = random.integers(len(self.x), size=rows)
        return self.rows(random, a), a


class Lift:
    """To more dimensions: an isometry, a constant offset half as long as a row, noise of a twentieth."""

    def __init__(self, dim, to, seed):
        self.isometry, self.seed = isometry(dim, to, seed), seed
        self.offset = 0.5 * normalised(stream(seed, 4).standard_normal((1, to), dtype=np.float32))

    def __call__(self, x, number):
        noise = stream(self.seed, 5, number).standard_normal((len(x), self.isometry.shape[1]), dtype=np.float32)
        return x @ self.isometry + self.offset + noise * (0.05 / np.sqrt(self.isometry.shape[1]))


def in_blocks(count, threads, work):
    """work(block number, begin, end) over all rows."""
    with ThreadPoolExecutor(threads) as pool:
        jobs = [pool.submit(work, i, b, min(count, b + BLOCK)) for i, b in enumerate(range(0, count, BLOCK))]
        for job in jobs:
            job.result()


def whiten(x, threads):
    """In place, in blocks: (x - mean) C^-1/2, normalised. Directions without variance stay without."""
    sums = np.zeros(x.shape[1])
    for b in range(0, len(x), BLOCK):
        sums += x[b : b + BLOCK].sum(axis=0, dtype=np.float64)
    mean = (sums / len(x)).astype(np.float32)
    scatter = np.zeros((x.shape[1], x.shape[1]))
    for b in range(0, len(x), BLOCK):
        block = x[b : b + BLOCK].astype(np.float32) - mean
        scatter += block.T @ block
    values, vectors = np.linalg.eigh(scatter / len(x))
    scale = np.where(values > 1e-9 * values[-1], 1 / np.sqrt(np.maximum(values, 1e-30)), 0)
    map_ = ((vectors * scale) @ vectors.T).astype(np.float32)

    def work(_, b, e):
        x[b:e] = normalised((x[b:e].astype(np.float32) - mean) @ map_)

    in_blocks(len(x), threads, work)


# --- what the result is like -----------------------------------------------------------------------------------------


def local_intrinsic_dimension(x, seed=0, sample=LID_SAMPLE, k=LID_NEIGHBOURS):
    """Median over a sample of rows of the maximum-likelihood estimate over the k nearest other rows, searched exactly
    (Levina and Bickel 2004; Amsaleg et al. 2015): -1 / mean_i log(r_i / r_k)."""
    k = min(k, len(x) // 4)
    chosen = np.sort(stream(seed, 6).permutation(len(x))[:sample])
    queries = normalised(x[chosen].astype(np.float32))
    best = np.full((len(queries), k + 1), -np.inf, np.float32)
    for b in range(0, len(x), 1 << 17):
        block = normalised(x[b : b + (1 << 17)].astype(np.float32))
        found, _ = faiss.knn(queries, block, min(k + 1, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        best = -np.sort(-np.concatenate([best, found], axis=1), axis=1)[:, : k + 1]
    r = np.sqrt(np.maximum(2 - 2 * best[:, 1:].astype(np.float64), 1e-12))  # without the row itself
    return float(np.median(-1 / np.log(r[:, :-1] / r[:, -1:]).mean(axis=1)))


# --- outputs ---------------------------------------------------------------------------------------------------------


def one_file(o, real):
    raw = real.x.shape[1]
    dim = o.dim or min(256, raw)
    say(f"{len(real.x)} real rows x {raw}; to {dim} dimensions")
    base = normalised(real.x) if dim >= raw and o.dim else pca(real.x, dim, o.seed)
    lift = Lift(base.shape[1], dim, o.seed) if dim > base.shape[1] else None
    rows = len(base) if o.real else o.rows
    kind = np.float16 if o.half else np.float32
    out = Path(o.out)
    if o.shards:
        out.mkdir(parents=True, exist_ok=True)
        cuts = [rows * s // o.shards for s in range(o.shards + 1)]
        maps = [np.lib.format.open_memmap(out / f"rows-{s}.npy", "w+", kind, (e - b, dim))
                for s, (b, e) in enumerate(zip(cuts, cuts[1:]))]
    else:
        x = np.lib.format.open_memmap(out, "w+", kind, (rows, dim))
    offset = o.shift * normalised(stream(o.seed, 7).standard_normal((1, dim), dtype=np.float32))
    origin = np.arange(rows)
    generator = None if o.real else Generator(base, neighbours(base, o.program), o.seed)

    def work(number, b, e):
        if o.real:
            block = base[b:e]
        else:
            block, origin[b:e] = generator.block(number, e - b)
        if lift:
            block = lift(normalised(block), number)
        if o.shift:
            block = normalised(block)
            block[max(0, rows // 2 - b) :] += offset
        block = normalised(block)
        if not o.shards:
            x[b:e] = block
            return
        for s in range(np.searchsorted(cuts, b, "right") - 1, np.searchsorted(cuts, e, "left")):
            first, last = max(b, cuts[s]), min(e, cuts[s + 1])
            maps[s][first - cuts[s] : last - cuts[s]] = block[first - b : last - b]

    start = time.perf_counter()
    in_blocks(rows, o.threads, work)
    report = {"rows": rows, "dim": dim, "seconds": time.perf_counter() - start}
    if o.shards:
        x = maps[0]
        write_labels(out / "labels.csv", real.labels[origin], real.names["label_names"], o)
    if o.whiten:
        whiten(x, o.threads)
    if not o.no_lid:
        report["local_intrinsic_dimension"] = local_intrinsic_dimension(x)
        compared = lift(base, 0) if lift else base.copy()
        if o.whiten:
            whiten(compared, o.threads)
        report["of_the_real_rows"] = local_intrinsic_dimension(compared)
        report["lid_neighbours"] = LID_NEIGHBOURS
    return report


def write_labels(path, labels, names, o):
    """Equally many random rows of every class that there is, o.labels in all. Background rows have no class."""
    random = stream(o.seed, 8)
    classes = np.unique(labels[labels >= 0])
    chosen = [random.choice(np.flatnonzero(labels == c), min(max(1, o.labels // len(classes)), int((labels == c).sum())),
                            replace=False) for c in classes]
    lines = sorted((int(row), names[c]) for c, rows in zip(classes, chosen) for row in rows)
    path.write_text("row,label\n" + "".join(f'{row},"{name}"\n' for row, name in lines))


def halves(x, rows, parts):
    """Rows of one class in `parts` equal groups of like rows: cut across the direction of largest spread, again and
    again."""
    if parts == 1:
        return [rows]
    centred = x[rows] - x[rows].mean(axis=0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    order = rows[np.argsort(centred @ direction, kind="stable")]
    cut = len(order) * (parts // 2) // parts
    return halves(x, order[:cut], parts // 2) + halves(x, order[cut:], parts - parts // 2)


def nearest_within(x, rows):
    """ids[i]: rows of the group by falling similarity to rows[i], itself first; a small group's again and again."""
    own = normalised(x[rows])
    similar = own @ own.T
    np.fill_diagonal(similar, 2)
    order = rows[np.argsort(-similar, axis=1, kind="stable")]
    return order[:, np.arange(NEIGHBOURS) % len(rows)]


def write_descriptors(path, generator, group_of_row, members, o, key):
    """An HDF5 file of the original's layout. group_of_row: class of each row to make, or None (background: label 0)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = len(group_of_row)
    with h5py.File(path, "w") as file:
        feats = file.create_dataset("all_feats", (rows, generator.x.shape[1]), np.float16)
        labels = np.maximum(group_of_row, 0).astype(np.int32)
        file["all_labels"], file["count"] = labels, np.array([rows], np.int32)

        def make(number, b, e):
            random = stream(o.seed, key, number)
            groups = group_of_row[b:e]
            sizes = np.array([len(m) for m in members])[groups]
            picks = (random.random(e - b) * sizes).astype(np.int64)
            a = np.array([members[g][p] for g, p in zip(groups, picks)])
            return generator.rows(random, a).astype(np.float16)

        with ThreadPoolExecutor(o.threads) as pool:  # the file is written by this thread alone
            starts = range(0, rows, BLOCK)
            wave = 4 * o.threads
            for w in range(0, len(starts), wave):
                spans = [(i, starts[i], min(rows, starts[i] + BLOCK)) for i in range(w, min(len(starts), w + wave))]
                for (_, b, e), block in zip(spans, pool.map(lambda s: make(*s), spans)):
                    feats[b:e] = block


def directory(o, real):
    """The paper's F1M experiment: 250,000 rows of 196 base classes, 311 novel classes of 100 rows, 25,000 test rows, a
    million background rows. The 507 classes are parts of the real ones: base classes of base ones, novel of novel. Class
    set 1 (validation) is the first 193 and 300 of the same classes; in the original the two sets share none."""
    out, raw = Path(o.out), real.x.shape[1]
    scale = (o.rows or BACKGROUND) / BACKGROUND
    say(f"{len(real.x)} real rows x {raw}")
    base_count, novel_count = CLASS_SETS[2]
    lists = {kind: sorted({c for key, ids in real.names.items() if key.startswith(kind) for c in ids})
             for kind in ("base_classes", "novel_classes")}
    members, names, kinds = [], [], []
    ids = neighbours(real.x, o.program)
    within = ids.copy()
    for kind, wanted in (("base_classes", base_count), ("novel_classes", novel_count)):
        originals = lists[kind]
        for i, original in enumerate(originals):
            parts = wanted * (i + 1) // len(originals) - wanted * i // len(originals)
            groups = halves(real.x, np.flatnonzero(real.labels == original - 1), parts)
            for p, rows in enumerate(groups):
                within[rows] = nearest_within(real.x, rows)
                members.append(rows)
                names.append(f"{real.names['label_names'][original - 1]} {p + 1}")
                kinds.append(kind)
    # As in the original, base and novel classes alternate in no order: a seeded one.
    order = stream(o.seed, 9).permutation(len(members))
    members, names, kinds = [members[i] for i in order], [names[i] for i in order], [kinds[i] for i in order]
    base = [c for c, kind in enumerate(kinds) if kind == "base_classes"]
    novel = [c for c, kind in enumerate(kinds) if kind == "novel_classes"]
    labelled, novel_rows = int(LABELLED * scale), max(20, int(NOVEL_ROWS * min(1, scale * 10)))
    start = time.perf_counter()
    labels = np.concatenate([np.resize(base, labelled), np.repeat(novel, novel_rows)])
    generator = Generator(real.x, within, o.seed)
    generator.radius = Generator(real.x, ids, o.seed).radius  # of all rows, as in the rest of the set
    write_descriptors(out / "features/train.hdf5", generator, stream(o.seed, 10).permutation(labels), members, o, 11)
    tests = np.resize(np.arange(len(members)), int(TEST_ROWS * scale))
    write_descriptors(out / "features/val.hdf5", generator, stream(o.seed, 12).permutation(tests), members, o, 13)
    background = int(BACKGROUND * scale)
    free = Generator(real.x, ids, o.seed)
    write_descriptors(out / "features/f100m/block0.hdf5", free, np.zeros(background, np.int64),
                      [np.flatnonzero(real.labels < 0)], o, 14)
    sets = {}
    for number, (b, n) in CLASS_SETS.items():
        sets[f"base_classes_{number}"] = [c + 1 for c in base[:b]]
        sets[f"novel_classes_{number}"] = [c + 1 for c in novel[:n]]
    (out / "label_idx.json").write_text(json.dumps({"label_names": names, **sets}))
    report = {"rows": {"train": len(labels), "val": len(tests), "background": background}, "dim": raw,
              "seconds": time.perf_counter() - start}
    if not o.no_lid:
        with h5py.File(out / "features/f100m/block0.hdf5") as file:
            rows = pca_of_file(file["all_feats"], min(256, raw), o.seed)
        report["local_intrinsic_dimension"] = local_intrinsic_dimension(rows)
        report["of_the_real_rows"] = local_intrinsic_dimension(pca(real.x[real.labels < 0], 256, o.seed))
        report["lid_neighbours"] = LID_NEIGHBOURS
    return report


def main(o):
    if not (o.rows or o.real or o.directory):
        sys.exit("bench/data: --rows, --real or --directory says what to make")
    final = Path(o.out)
    if final.is_dir():
        sys.exit(f"bench/data: {final} is there already")
    o.out = final.with_name(f"new-{final.name}")  # whole or not at all
    real = Real(o.data)
    if o.base or (o.real and o.rows):
        real.reduce(o.base or o.rows, o.seed, o.directory)
    # BLAS sums in another order on two threads than on one; rows are made in blocks side by side instead.
    with threadpool_limits(1, user_api="blas"):
        report = (directory if o.directory else one_file)(o, real)
    Path(o.out).rename(final)
    report |= {"out": str(final), "real_rows": len(real.x), "seed": o.seed}
    print(json.dumps(report))


if __name__ == "__main__":
    main(options)
