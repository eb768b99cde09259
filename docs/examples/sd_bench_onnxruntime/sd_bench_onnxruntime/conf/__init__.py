"""The options that this package brings, where Hydra finds them."""
