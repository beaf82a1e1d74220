"""Benchmarks: how carillon compares with the figures that it is held against."""
