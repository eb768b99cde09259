"""How a recorded CUDA graph gets its inputs: the part that needs no GPU."""

from __future__ import annotations

import torch

from sd_bench.implementations.cuda_graphs import Kept

CPU = torch.device("cpu")


def test_another_input_and_a_changed_one_are_copied_and_the_same_one_is_not() -> None:
    prompt = torch.ones(2)
    kept = Kept(prompt, CPU)
    memory = kept.tensor.data_ptr()
    assert kept.tensor is not prompt
    kept.tensor.zero_()
    kept.take(prompt)
    assert kept.tensor.tolist() == [0, 0], "not copied: it was held already"
    prompt.add_(1)
    kept.take(prompt)
    assert kept.tensor.tolist() == [2, 2]
    kept.take(torch.full((2,), 5.0))
    assert kept.tensor.tolist() == [5, 5]
    kept.take(prompt)
    assert kept.tensor.tolist() == [2, 2], "the one before the last is another one again"
    assert kept.tensor.data_ptr() == memory
