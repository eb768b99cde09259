"""sd_bench: a benchmark of Stable Diffusion."""
