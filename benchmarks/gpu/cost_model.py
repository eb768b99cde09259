"""How long a call's parts would take on an H100, in seconds.

These are estimates, made before such a machine was available: launcher, imports and installation as
on other machines, UNet calls at 50 per second, compile and driver times as others report them. They
only order the steps of a call; no result depends on them.
"""

from __future__ import annotations

from sd_bench.config.schema import Config

#: The start of Python, and commands other than sweeps, by the kind that run.py gives them.
PYTHON_S = 1.0
COMMANDS_S = {"wheels": 9.0, "dry run": 5.0, "comparison": 25.0, "tests": 200.0, "charts": 20.0}
LAUNCHER_S = 4.0
#: Imports of a worker; the first one reads its libraries from a cold disk.
FIRST_IMPORT_S, IMPORT_S = 30.0, 8.0
#: Start of a worker that is forked from a server with all imports done.
FORK_S = 0.5
NVIDIA_SMI_S, CONTEXT_S, PROBE_S, BUILD_S, PROOF_S, WORK_S = 1.0, 1.5, 1.0, 1.5, 3.0, 1.5
UNET_CALLS_PER_S = 50.0
#: Per image of an iteration, besides its UNet calls.
TEXT_AND_DECODER_S = 0.3
#: The share of a call's time that grows with the batch.
_GROWING = 0.5
#: How many times longer a call takes with two or more images, by attention backend.
_SLOWER = {"original": 1.6, "math": 1.6}
#: Other costs of a cell.
CUDNN_PLANS_S, COMPILING_S, GRAPHS_S, PROFILE_S = 3.0, 90.0, 10.0, 10.0


def round_s(config: Config, is_first: bool) -> float:
    """Seconds of one round of a cell; ``is_first``: no worker ran before."""
    backend, mode, batch = config.attention.backend, config.compile.mode, config.workload.batch_size
    scale = (1 - _GROWING + _GROWING * batch) * (_SLOWER.get(backend, 1.0) if batch > 1 else 1.0)
    calls = config.sampler.steps + (config.sampler.name == "plms")
    iterations = config.protocol.n_iter + config.protocol.warmup
    begin_s = FORK_S if config.protocol.worker == "fork" else IMPORT_S
    return (
        (FIRST_IMPORT_S if is_first else begin_s)
        + NVIDIA_SMI_S
        + CONTEXT_S
        + PROBE_S
        + BUILD_S
        + iterations * scale * (calls / UNET_CALLS_PER_S + TEXT_AND_DECODER_S)
        + PROOF_S
        + WORK_S
        + (CUDNN_PLANS_S if backend == "cudnn" else 0.0)
        + (COMPILING_S if mode != "off" else 0.0)
        + (GRAPHS_S if mode in ("reduce_overhead", "max_autotune") else 0.0)
        + (PROFILE_S if config.profile else 0.0)
    )
