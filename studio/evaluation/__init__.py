"""How good a model is, from stored predictions: metrics with intervals, matrices, curves and their drawings."""
