"""Synthetic trials with known truth: a small one from reads, a full-size one of layer matrices."""

from immunosep.simulate.matrices import simulate_matrices
from immunosep.simulate.reads import simulate_reads, write_design

__all__ = ["simulate_matrices", "simulate_reads", "write_design"]
