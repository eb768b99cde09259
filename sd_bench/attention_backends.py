"""The table of attention backends, with everything known about each. Needs no torch or Hydra.

A new backend is an entry here and a file in ``conf/attention/``, and code if the original
CrossAttention calls it (docs/extending.md). Requirements that the table does not list are found by
the worker, which tries the backend before measuring.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

#: The two modules that compute the UNet's attention: the original code's, or PyTorch's own.
AttentionModule = Literal["CrossAttention", "MultiheadAttention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A requirement of a backend, and the ``reason`` shown for a cell that does not meet it.

    The requirement applies only where all that are given of these hold: the device is ``device``
    ("cpu" or "cuda"), PyTorch has the feature ``since``, it does not yet have the feature
    ``before``, and the GPU's compute capability is below ``below``.

    It is met if all that are given of these hold: the device is of the kind ``runs_on``, PyTorch
    has ``feature``, a CUDA device has at least the compute capability ``capability``, ``package``
    is installed, the precision is among ``precisions``, and no attention head is wider than
    ``head_width``. Features are named as in ``torch_features.SINCE``.
    """

    reason: str
    device: str | None = None
    since: str | None = None
    runs_on: str | None = None
    feature: str | None = None
    capability: tuple[int, int] | None = None
    package: str | None = None
    precisions: tuple[str, ...] | None = None
    head_width: int | None = None
    before: str | None = None
    below: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryKernel:
    """One kernel of a library that chooses among several, or of this project.

    ``name`` is its name in the kernel proof ("32 flash for 32 modules"), ``operator`` the
    profiler's name of the library's operator. In some versions that calls PyTorch's operator
    ``operator_below``, which PyTorch's own attention with ``backend`` calls too.
    """

    name: str
    operator: str
    operator_below: str | None = None
    backend: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionBackend:
    """A way to compute the UNet's attention, as in ``attention=flash``.

    ``colour`` is its colour in charts, ``own_label`` its label there if that is not its name.
    ``sdpa_switch`` is its switch in ``torch.backends.cuda`` (``enable_...``) if it is one of those
    that scaled_dot_product_attention chooses from. ``may_be_unfused``: it computes products and
    softmax one by one, or may choose a backend that does. ``operators`` are the profiler's names of
    the operators that compute attention; a library with several kernels lists ``kernels`` instead.
    ``is_compiled``: torch.compile makes its kernels, whatever the cell's ``compile`` is. The reason
    shown is that of the first of ``needs`` that is not met.
    """

    name: str
    colour: str
    module: AttentionModule
    own_label: str | None = None
    sdpa_switch: str | None = None
    may_be_unfused: bool = False
    is_compiled: bool = False
    operators: tuple[str, ...] = ()
    kernels: tuple[LibraryKernel, ...] = ()
    needs: tuple[Need, ...] = ()

    def __post_init__(self) -> None:
        if not (self.may_be_unfused or self.operators or self.kernels):
            raise ValueError(
                f"attention={self.name}: its entry has neither kernels= nor operators=, so nothing "
                "could prove that it ran (docs/extending.md, An attention backend)"
            )

    @property
    def label(self) -> str:
        """Its label in a chart or table that does not say it is about attention."""
        return self.own_label or self.name

    @property
    def is_unfused(self) -> bool:
        """Whether it always computes products and softmax one by one."""
        return self.may_be_unfused and (self.module == "CrossAttention" or bool(self.operators))


_SDPA = Need(
    reason="PyTorch before 2.0 has no scaled_dot_product_attention",
    feature="scaled_dot_product_attention",
)
_CUDA = Need(reason="this attention backend needs a CUDA device", runs_on="cuda")
_HALF = Need(
    reason="computes in fp16 and bf16 only, not in fp32",
    device="cuda",
    precisions=("autocast", "fp16", "bf16"),
)
_FLASH_ATTENTION_2 = Need(
    reason="needs compute capability 8.0",
    since="flash attention by FlashAttention-2",
    capability=(8, 0),
)

#: In the order in which they are shown.
BACKENDS = (
    AttentionBackend(
        name="original",
        own_label="attention original",  # two presets are called original too
        colour="#c41400",
        module="CrossAttention",
        may_be_unfused=True,
    ),
    AttentionBackend(
        name="xformers",
        colour="#27b1b1",
        module="CrossAttention",
        kernels=(
            LibraryKernel(
                name="flash",
                operator="xformers_flash::flash_fwd",
                operator_below="aten::_flash_attention_forward",
                backend="flash",
            ),
            LibraryKernel(
                name="cutlass",
                operator="xformers::efficient_attention_forward_cutlass",
                operator_below="aten::_efficient_attention_forward",
                backend="mem_efficient",
            ),
            LibraryKernel(name="flash3", operator="xformers_flash3::flash_fwd"),
            LibraryKernel(name="small_k", operator="xformers::efficient_attention"),
        ),
        needs=(
            Need(
                reason="xFormers has no attention operator for the CPU at these head widths",
                runs_on="cuda",
            ),
            Need(
                reason="xFormers for PyTorch 1.12 is only built for conda: conda env create "
                "--file environment-original.yml",
                before="scaled_dot_product_attention",
                package="xformers",
            ),
            Need(
                reason="xFormers is not installed: pip install 'sd_bench[xformers]'",
                package="xformers",
            ),
        ),
    ),
    AttentionBackend(
        name="flex",
        colour="#760027",
        module="CrossAttention",
        is_compiled=True,
        kernels=(LibraryKernel(name="flex", operator="sd_bench::flex_attention"),),
        needs=(
            Need(reason="flex_attention needs PyTorch 2.5", feature="flex attention"),
            Need(
                reason="flex_attention on a CPU needs PyTorch 2.6",
                device="cpu",
                feature="flex attention on a CPU",
            ),
            Need(reason="needs compute capability 7.0, as Triton does", capability=(7, 0)),
        ),
    ),
    AttentionBackend(
        name="math",
        colour="#e69f00",
        module="MultiheadAttention",
        sdpa_switch="math_sdp",
        may_be_unfused=True,
        operators=("aten::_scaled_dot_product_attention_math",),
    ),
    AttentionBackend(
        name="mem_efficient",
        colour="#894e62",
        module="MultiheadAttention",
        sdpa_switch="mem_efficient_sdp",
        operators=("aten::_scaled_dot_product_efficient_attention",),
        needs=(
            _SDPA,
            _CUDA,
            Need(reason="needs compute capability 5.0", capability=(5, 0)),
        ),
    ),
    AttentionBackend(
        name="flash",
        colour="#0072b2",
        module="MultiheadAttention",
        sdpa_switch="flash_sdp",
        operators=(
            "aten::_scaled_dot_product_flash_attention",
            "aten::_scaled_dot_product_flash_attention_for_cpu",
        ),
        needs=(
            _SDPA,
            Need(
                reason="flash attention on a CPU needs PyTorch 2.1",
                device="cpu",
                feature="flash attention on a CPU",
            ),
            _FLASH_ATTENTION_2,
            Need(reason="needs compute capability 7.5", capability=(7, 5)),
            Need(
                reason="FlashAttention-1, in PyTorch before 2.2, supports heads up to 128 wide",
                device="cuda",
                before="flash attention by FlashAttention-2",
                head_width=128,
            ),
            _HALF,
        ),
    ),
    AttentionBackend(
        name="cudnn",
        colour="#149dff",
        module="MultiheadAttention",
        sdpa_switch="cudnn_sdp",
        operators=("aten::_scaled_dot_product_cudnn_attention",),
        needs=(
            _SDPA,
            Need(reason="cuDNN attention needs PyTorch 2.5", feature="cudnn attention"),
            _CUDA,
            _FLASH_ATTENTION_2,
            Need(
                reason="cuDNN attention supports heads up to 128 wide below compute capability 9.0",
                below=(9, 0),
                head_width=128,
            ),
            _HALF,
        ),
    ),
    AttentionBackend(
        name="auto",
        colour="#89b189",
        module="MultiheadAttention",
        may_be_unfused=True,
    ),
)

BACKENDS_BY_NAME = {backend.name: backend for backend in BACKENDS}

#: Fields that only charts and tables read: no measured time depends on them.
_FOR_SHOW = ("colour", "own_label")


def measured_facts() -> str:
    """The part of the table that a measurement depends on, as one text (for fingerprints)."""
    facts = [
        {name: value for name, value in asdict(backend).items() if name not in _FOR_SHOW}
        for backend in BACKENDS
    ]
    return repr(facts)
