"""Tests of sd_bench.cluster."""
