"""Rows for tests that need more of them than the bundled data has."""

import h5py
import numpy as np


def larger_rows(bundled_data, copies):
    """The bundled training rows again and again, each time moved a little."""
    with h5py.File(bundled_data / "features/train.hdf5") as file:
        rows = file["all_feats"][:].astype(np.float32)
    random = np.random.default_rng(3)
    spread = rows.std(axis=0) * 0.5
    return np.concatenate([rows + spread * random.standard_normal(rows.shape, np.float32) for _ in range(copies)])
