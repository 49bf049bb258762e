"""From measurements to named figures, and those to one line of JSON."""

import json
import os
import statistics


def median(values):
    """The middle one, None for none."""
    return statistics.median(values) if values else None


def percentile(values, share):
    """The smallest value that at least this share of the values does not exceed; None for none."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else None


def ratio(one, other):
    """The first in units of the second."""
    return one / other if one is not None and other else None


def show(values):
    """Say measurements on their way."""
    print("  ".join(f"{name} {_rounded(value)}" for name, value in values.items()), flush=True)


def emit(benchmark, figures):
    """Print the last line: everything under its name."""
    machine = {"cores": len(os.sched_getaffinity(0)), "load_average": round(os.getloadavg()[0], 2)}
    rounded = {name: _rounded(value) for name, value in figures.items()}
    print(json.dumps({"benchmark": benchmark, **machine, **rounded}), flush=True)


def _rounded(value):
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
