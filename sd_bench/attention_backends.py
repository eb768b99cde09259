"""The attention backends: all that is known of each, in one table. Needs neither torch nor Hydra.

A new backend is an entry here and a file in ``conf/attention/``. What a backend cannot run on is
said by the support rules; what they miss is found by the worker, which tries it before measuring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: The two modules that compute the UNet's attention: the original code's, or PyTorch's own.
AttentionModule = Literal["CrossAttention", "MultiheadAttention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionBackend:
    """One backend.

    ``colour`` is its own in charts, ``own_label`` what it is called there if not by its name.
    ``sdpa_switch`` is its switch in ``torch.backends.cuda`` (``enable_...``) if it is one of those
    that scaled_dot_product_attention chooses from. ``may_be_unfused``: it computes products and
    softmax one by one, or may choose a backend that does. ``operators`` are the profiler's names,
    or how they begin, of the operators that compute attention in one piece by this backend;
    ``kernel_marks`` are parts of the names of the GPU kernels that these launch, which are all
    that is seen of a replayed CUDA graph. A name is held against them in the table's order.
    """

    name: str
    colour: str
    module: AttentionModule
    own_label: str | None = None
    sdpa_switch: str | None = None
    may_be_unfused: bool = False
    operators: tuple[str, ...] = ()
    kernel_marks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How a chart or table names it where it stands alone."""
        return self.own_label or self.name


#: In the order in which they are shown.
BACKENDS = (
    AttentionBackend(
        name="original",
        own_label="attention original",  # two presets are called original too
        colour="#8c564b",
        module="CrossAttention",
        may_be_unfused=True,
    ),
    AttentionBackend(
        name="xformers",
        colour="#17becf",
        module="CrossAttention",
        operators=(
            "xformers",
            "aten::_efficient_attention_forward",
            "aten::_flash_attention_forward",
        ),
    ),
    AttentionBackend(
        name="math",
        colour="#e377c2",
        module="MultiheadAttention",
        sdpa_switch="math_sdp",
        may_be_unfused=True,
        operators=("aten::_scaled_dot_product_attention_math",),
    ),
    AttentionBackend(
        name="mem_efficient",
        colour="#bcbd22",
        module="MultiheadAttention",
        sdpa_switch="mem_efficient_sdp",
        operators=("aten::_scaled_dot_product_efficient_attention",),
        kernel_marks=("fmha_cutlassF",),
    ),
    AttentionBackend(
        name="flash",
        colour="#7f7f7f",
        module="MultiheadAttention",
        sdpa_switch="flash_sdp",
        operators=(
            "aten::_scaled_dot_product_flash_attention",
            "aten::_scaled_dot_product_flash_attention_for_cpu",
        ),
        kernel_marks=("flash_fwd",),
    ),
    AttentionBackend(
        name="cudnn",
        colour="#aec7e8",
        module="MultiheadAttention",
        sdpa_switch="cudnn_sdp",
        operators=("aten::_scaled_dot_product_cudnn_attention",),
        kernel_marks=("sdpa",),
    ),
    AttentionBackend(
        name="auto",
        colour="#ffbb78",
        module="MultiheadAttention",
        may_be_unfused=True,
    ),
)

BACKENDS_BY_NAME = {backend.name: backend for backend in BACKENDS}
