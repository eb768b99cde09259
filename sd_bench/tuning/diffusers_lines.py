"""Write a choice as Python code for a diffusers pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from sd_bench.capabilities.optimization_rules import OF_OUR_NETWORKS
from sd_bench.capabilities.processors import PROCESSORS
from sd_bench.capabilities.threads import variables_of
from sd_bench.config.schema import OUR_IMPLEMENTATION, SDPA_BACKENDS, Config

_DTYPES = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "autocast": "float32"}
#: PyTorch's switch of each backend of scaled_dot_product_attention.
_SWITCHES = {
    "math": "enable_math_sdp",
    "mem_efficient": "enable_mem_efficient_sdp",
    "flash": "enable_flash_sdp",
    "cudnn": "enable_cudnn_sdp",
}
#: The implementations whose choices can be written, if the optimizations can.
_WRITABLE = (OUR_IMPLEMENTATION, "diffusers")
#: diffusers' attention processor of each backend that is not scaled_dot_product_attention.
_PROCESSORS = {"original": "AttnProcessor"}


def write_lines(config: Config) -> list[str]:
    """The lines of a function ``tuned(pipe)``, which applies the choices of ``config`` to ``pipe``.

    Environment variables that must be set when the process starts are in a comment at the top.
    """
    return [*_variables(config), *_imports(config), "def tuned(pipe):", *_body(config)]


def say_effects(config: Config) -> str:
    """What the lines change beyond their own names: the dtype, and what the process starts with."""
    dtype = _DTYPES[config.precision.name]
    gain = "" if dtype == "float32" else ": what that changes for one in float32 comes on top"
    starts = any(line.startswith("# start") for line in _variables(config))
    variables = " Start the script with the variables in the comment above it." if starts else ""
    return f"It converts the pipeline to {dtype}{gain}.{variables}"


def _variables(config: Config) -> Iterator[str]:
    variables = {**config.allocator.variables, **variables_of(config)}
    variables.pop(PROCESSORS, None)
    if config.allocator.library is not None:
        library = config.allocator.library
        yield f"# preload the allocator {library}: LD_PRELOAD=lib{library}.so (its full path)"
    if variables:
        words = " ".join(f"{name}={value}" for name, value in variables.items())
        yield f"# start with: {words} python YOUR_SCRIPT.py"


def _imports(config: Config) -> Iterator[str]:
    yield "import torch"
    processor = _PROCESSORS.get(config.attention.backend, "AttnProcessor2_0")
    if config.attention.backend != "xformers":
        yield f"from diffusers.models.attention_processor import {processor}"


def _body(config: Config) -> Iterator[str]:
    attention, chosen = config.attention, config.optimizations
    yield f"    pipe.to(dtype=torch.{_DTYPES[config.precision.name]})"
    if config.gpu.kind != "cpu":
        yield '    pipe.to("cuda")'
    if attention.backend == "xformers":
        yield "    pipe.enable_xformers_memory_efficient_attention()"
    else:
        processor = _PROCESSORS.get(attention.backend, "AttnProcessor2_0")
        yield f"    pipe.unet.set_attn_processor({processor}())"
    for backend in SDPA_BACKENDS:
        allowed = attention.allowed_sdpa_backends
        if attention.uses_multihead_attention and backend not in allowed:
            yield f"    torch.backends.cuda.{_SWITCHES[backend]}(False)  # on a CPU, too"
    if chosen.fused_projections:
        yield "    pipe.fuse_qkv_projections()"
    if chosen.channels_last:
        yield "    pipe.unet.to(memory_format=torch.channels_last)"
        yield "    pipe.vae.to(memory_format=torch.channels_last)"
    if chosen.sliced_decoding:
        yield "    pipe.vae.enable_slicing()"
    if config.precision.name == "autocast":
        kind = "cpu" if config.gpu.kind == "cpu" else "cuda"
        dtype = "bfloat16" if kind == "cpu" else "float16"
        yield (
            f'    pipe.unet.forward = torch.autocast("{kind}", dtype=torch.{dtype})'
            "(pipe.unet.forward)"
        )
    yield from _compiling(config)
    yield "    return pipe"


def _compiling(config: Config) -> Iterator[str]:
    chosen, mode = config.optimizations, config.compile.mode.replace("_", "-")
    if config.compile.mode == "off":
        return
    if chosen.freezing:
        yield "    import torch._inductor.config as inductor"
        yield "    inductor.freezing = True  # weights are constants to the compiler"
    options = f'mode="{mode}", dynamic=False'
    if chosen.regional_compile:
        yield f"    pipe.unet.compile_repeated_blocks({options})"
    else:
        yield f"    pipe.unet.compile({options})"
    if chosen.compiled_decoder:
        yield f"    pipe.vae.decode = torch.compile(pipe.vae.decode, {options})"
    if chosen.compiled_text_encoder:
        yield f"    pipe.text_encoder.compile({options})"


def can_be_written(config: Config) -> bool:
    """Whether lines for diffusers can express all choices of ``config``."""
    own = {*OF_OUR_NETWORKS, "cuda_graph"}
    return config.implementation.name in _WRITABLE and own.isdisjoint(config.optimizations.names)
