"""Edge weights and label propagation in float64, dense, as the formulas stand: nothing of this is shared with the program."""

import numpy as np


def normalised(rows):
    rows = np.asarray(rows, np.float32).astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def neighbours(queries, rows, k, negative=False):
    """(ids, cosines) by falling cosine, queries x k. An experiment's negative ones are no neighbours: id -1."""
    cosines = queries @ rows.T
    ids = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    cosines = np.take_along_axis(cosines, ids, axis=1)
    return np.where((cosines < 0) & (not negative), -1, ids), cosines


def squared_scales(ids, cosines):
    last = (ids >= 0).sum(axis=1) - 1
    return np.maximum(1e-6, 2 - 2 * cosines[np.arange(len(ids)), last])


def scaled(weights, ids, cosines, own, others):
    """Weight of each neighbour. `weights`: unit, cosine:G, selftuning; own, others: s^2 of rows and of the ids."""
    if weights == "unit":
        return np.ones_like(cosines)
    if weights == "selftuning":
        return np.exp(-2 * np.maximum(0, 2 - 2 * cosines) / np.sqrt(own[:, None] * others[ids]))
    return np.maximum(0, cosines) ** float(weights.removeprefix("cosine:"))


def dense(ids, values, columns):
    a = np.zeros((len(ids), columns))
    for row, (i, v) in enumerate(zip(ids, values, strict=True)):
        np.add.at(a[row], i[i >= 0], v[i >= 0])
    return a


def weighted_graph(rows, k, weights, negative=False):
    """B of the rows' k-NN graph, and a function that makes the weights of test rows' neighbours."""
    ids, cosines = neighbours(rows, rows, k, negative)
    scales = squared_scales(ids, cosines)
    a = dense(ids, scaled(weights, ids, cosines, scales, scales), len(rows))

    def of_tests(tests):
        ids, cosines = neighbours(tests, rows, k)
        return dense(ids, scaled(weights, ids, cosines, squared_scales(ids, cosines), scales), len(rows))

    return a + a.T, of_tests


def inverse(degrees):
    return np.divide(1, degrees, out=np.zeros_like(degrees), where=degrees > 0)


def with_class_mass(f, labels):
    """Zhu's section 4: the unlabelled rows of class c get q_c, the class's share of the labels."""
    f = f.copy()
    known = labels >= 0
    shares = np.bincount(labels[known], minlength=f.shape[1]) / known.sum()
    f[~known] *= shares * inverse(f[~known].sum(axis=0))
    return f


def propagate(b, labels, classes, method, iterations, alpha=0.99, class_mass=False):
    """F after 0 .. iterations steps; `solve` as the method: the limit of restart."""
    known = labels >= 0
    y = np.zeros((len(labels), classes))
    y[known, labels[known]] = 1
    degrees = b.sum(axis=1)
    if method == "solve":
        root = np.sqrt(inverse(degrees))
        f = np.linalg.solve(np.eye(len(b)) - alpha * root[:, None] * b * root, (1 - alpha) * y)
        return [with_class_mass(f, labels) if class_mass else f]
    w = inverse(degrees)[:, None] * b
    root = np.sqrt(inverse(degrees))
    s = root[:, None] * b * root
    f, found = y, []
    for step in range(iterations + 1):
        if step:
            f = alpha * s @ f + (1 - alpha) * y if method == "restart" else w @ f
            if method == "clamping":
                f = np.where(known[:, None], y, f)
        if method == "diffusion":
            f = f * inverse(f.sum(axis=0))
        found.append(with_class_mass(f, labels) if class_mass else f)
    return found
