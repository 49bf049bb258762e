"""Estimator families installed as plugins are, for as long as a test runs."""

import sys
from contextlib import contextmanager

from studio.automl.estimators import installed_families


@contextmanager
def installed_family(folder, name, target):
    """A distribution in a folder whose entry point is a family, such as ``tests.automl.toy_family:ToyFamily``."""
    info = folder / "site" / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[studio.estimators]\n{name} = {target}\n")
    before = list(sys.path)
    sys.path.append(str(info.parent))
    installed_families.cache_clear()
    yield info.parent
    sys.path[:] = before
    installed_families.cache_clear()
