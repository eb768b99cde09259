"""The attention backends: all that is known of each, in one table. Needs neither torch nor Hydra.

A new backend is an entry here and a file in ``conf/attention/``, and code if the original
CrossAttention calls it (docs/extending.md). What its needs do not say is found by the worker, which
tries it before measuring.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

#: The two modules that compute the UNet's attention: the original code's, or PyTorch's own.
AttentionModule = Literal["CrossAttention", "MultiheadAttention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a backend cannot run without, and how a cell that lacks it says so.

    It concerns ``device`` ("cpu" or "cuda") only, if that is named, and PyTorch from the version on
    that has the feature ``since``, if that is. Of the rest each is needed where it is not None: a
    kind of device, a ``feature`` of PyTorch (both features by their name in the table of what its
    versions can do), a compute ``capability`` on CUDA, an installed ``package``, a precision among
    ``precisions``, or heads no wider than ``head_width``. It concerns PyTorch ``before`` a feature
    only, if that is named, and GPUs below the capability ``below`` only, if that is.
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
    """A kernel of a library that chooses among several by itself, or of this project's own.

    ``name`` is the word that the proof counts it by ("32 flash for 32 modules"), ``operator`` the
    profiler's name of the library's operator. In some versions PyTorch's ``operator_below`` does
    its work, which PyTorch's own attention by ``backend`` calls too.
    """

    name: str
    operator: str
    operator_below: str | None = None
    backend: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionBackend:
    """A way to compute the UNet's attention, by its name on the command line.

    ``colour`` is its own in charts, ``own_label`` what it is called there if not by its name.
    ``sdpa_switch`` is its switch in ``torch.backends.cuda`` (``enable_...``) if it is one of those
    that scaled_dot_product_attention chooses from. ``may_be_unfused``: it computes products and
    softmax one by one, or may choose a backend that does. ``operators`` are the profiler's names of
    the operators that compute attention by this backend; of a library with several kernels,
    ``kernels`` has them. ``is_compiled``: torch.compile makes its kernels, whatever ``compile``
    says of the network. ``needs`` are read in their order.
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
                f"attention={self.name}: its entry says neither kernels= nor operators=, so that "
                "nothing could prove it (docs/extending.md, An attention backend)"
            )

    @property
    def label(self) -> str:
        """How a chart or table names it where it stands alone."""
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

#: What only charts and tables read of a backend: no measured time depends on it.
_FOR_SHOW = ("colour", "own_label")


def measured_facts() -> str:
    """All of the table that a measurement depends on, as one text."""
    facts = [
        {name: value for name, value in asdict(backend).items() if name not in _FOR_SHOW}
        for backend in BACKENDS
    ]
    return repr(facts)
