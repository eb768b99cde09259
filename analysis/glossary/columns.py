"""The meanings of the columns of the CSV files, by column name."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.glossary.meaning import Meaning

_PLACE = {
    "machine": Meaning("the device, as one name for all environments that may share a table"),
    "env": Meaning("the environment: rounds of two environments are never averaged together"),
    "env_number": Meaning("the environment's place in the order in which they were measured"),
    "device": Meaning("the device's full name, as the driver or the system gives it"),
    "device_name": Meaning("the device's short name"),
    "torch": Meaning("the version of PyTorch"),
    "python": Meaning("the version of Python"),
    "fingerprint": Meaning("a hash of all of the environment that can change a time"),
    "peer_versions": Meaning("the versions of the packages behind other implementations"),
    "series": Meaning("what the cell is called in charts and tables: its preset, or what varies"),
    "sweeps": Meaning("the sweeps that the rounds come from, as date/time"),
    "started_at": Meaning("when each round began", "UTC"),
    "scales": Meaning("the scales that were chosen, where the workload is scaled down"),
    "scaled": Meaning("in sentences, how the workload is smaller than the published one"),
    "cell_hash": Meaning("a hash of every choice that can change the cell's result"),
}

_CHOICES = {
    "gpu": Meaning("the option of `gpu` that was chosen or found"),
    "model_version": Meaning("the model: sd1, sd2, sd2_768, or a tiny twin for tests"),
    "preset": Meaning("the named bundle of choices, and where the cell departs from it"),
    "implementation": Meaning("what computes the images: this project's networks, or a peer's"),
    "attention": Meaning("the attention backend of the UNet's attention modules"),
    "compile": Meaning("the mode of torch.compile, or off"),
    "optimizations": Meaning("the optimizations that are on, joined by +"),
    "precision": Meaning("the precision of the networks: autocast, fp16, bf16 or fp32"),
    "torch_env": Meaning("the interpreter that ran the rounds: current, original or optimized"),
    "allocator": Meaning("who hands out host memory"),
    "threads": Meaning("how many threads compute on the CPU, and whether each is pinned"),
    "sampler": Meaning("the sampler: plms, ddim or dpm_solver"),
    "steps": Meaning("sampler steps per iteration"),
    "height": Meaning("the image's height", "pixels"),
    "width": Meaning("the image's width", "pixels"),
    "n_iter": Meaning("timed iterations per round"),
    "batch_size": Meaning("images per iteration"),
    "weights": Meaning("random, or the checkpoint's name with the beginning of its digest"),
    "upcast": Meaning("whether unfused attention computes half-precision inputs in fp32"),
    "seed": Meaning("the seed of the first image"),
    "prompt": Meaning("the prompt, or several joined by |"),
    "negative_prompt": Meaning("the negative prompt"),
    "guidance_scale": Meaning("the weight of classifier-free guidance"),
    "eta": Meaning("how stochastic DDIM is: 0 is deterministic"),
    "weights_seed": Meaning("the seed of random weights"),
}

_OUTCOME = {
    "status": Meaning("ok, or why there is no result: unsupported, oom, timeout, crashed, ..."),
    "reason": Meaning("why rounds have no times"),
    "rounds": Meaning("rounds with times"),
    "rounds_without_times": Meaning("rounds that failed"),
    "iterations": Meaning("timed iterations of all rounds together"),
    "num_warmup": Meaning("untimed iterations and UNet calls before them, the fewest of a round"),
    "kernel_proof": Meaning("proven, missed, unproven (the kernels cannot be seen) or none"),
    "proof_detail": Meaning("what the profiler counted"),
    "latents_reason": Meaning("why there are no final latents to compare"),
    "attention_dtype": Meaning("what math attention computed in, for cells in half precision"),
    "flags": Meaning("the signs beside the cell's numbers, such as † (kernels not proven)"),
    "best": Meaning("whether it is the fastest of its batch size that can be trusted"),
}

_TIMES = {
    "value": Meaning("what a round counts as: its runtime or its median iteration"),
    "mean_s": Meaning("the cell's runtime", "s", "mean of `value` over the rounds"),
    "sd_s": Meaning("its standard deviation between rounds", "s", "with n - 1"),
    "ci_low_s": Meaning("lower end of its 95 % interval", "s", "mean_s - t * sd_s / sqrt(rounds)"),
    "ci_high_s": Meaning("upper end of it", "s", "mean_s + t * sd_s / sqrt(rounds)"),
    "typical_s": Meaning(
        "runtime that a disturbed round does not change",
        "s",
        "geometric mean without those set aside",
    ),
    "median_iteration_s": Meaning("a round's median iteration, mean over rounds", "s"),
    "text_encode_s": Meaning("the text encoder's stage per iteration, mean", "s"),
    "denoise_s": Meaning("the denoising stage per iteration, mean", "s"),
    "vae_decode_s": Meaning("the decoder's stage per iteration, mean", "s"),
    "step_s": Meaning("one sampler step: a round's median, mean over rounds", "s"),
    "first_call_s": Meaning("the first UNet call, which includes the compilation", "s"),
    "ready_cold_s": Meaning("compiling or converting, where nothing was cached", "s"),
    "ready_warm_s": Meaning("the same where all of it was cached", "s"),
    "worker_s": Meaning("the life of a round's process, mean", "s"),
    "images_per_s": Meaning(
        "throughput", "images/s", "images of all timed iterations / their seconds"
    ),
    "unet_calls_per_s": Meaning(
        "UNet calls in the denoising stage", "1/s", "UNet calls of an iteration / denoise_s"
    ),
    "compile_cache": Meaning("whether torch.compile's kernels were cached: warm or cold"),
}

_RESOURCES = {
    "peak_bytes": Meaning("peak memory, mean over rounds", "bytes"),
    "memory_kind": Meaning("which peak that is: allocated on the device, or of the process"),
    "joules_per_image": Meaning("energy of the timed iterations", "J", "joules / images"),
    "gpu_idle_percent": Meaning(
        "share of a profiled step in which the GPU ran nothing", "%", "100 * idle / step_s"
    ),
    "peak_flop_per_s": Meaning("the datasheet's peak for the precision", "FLOP/s"),
    "bandwidth_byte_per_s": Meaning("the datasheet's memory bandwidth", "byte/s"),
    "matmul_flop_per_s": Meaning("large matrix products on this machine, measured", "FLOP/s"),
    "unet_call_flop": Meaning("operations of one guided UNet call", "FLOP"),
    "iteration_flop": Meaning("operations of an iteration", "FLOP"),
    "text_encode_flop": Meaning("operations of the text encoder", "FLOP"),
    "vae_decode_flop": Meaning("operations of the decoder", "FLOP"),
    "denoise_flop": Meaning(
        "operations of denoising", "FLOP", "iteration_flop - text_encode_flop - vae_decode_flop"
    ),
    "tflop_per_s": Meaning(
        "rate of an iteration", "TFLOP/s", "iteration_flop / median_iteration_s / 1e12"
    ),
    "text_encode_tflop_per_s": Meaning("rate of the text encoder", "TFLOP/s", "the same for it"),
    "denoise_tflop_per_s": Meaning("rate of denoising", "TFLOP/s", "the same for it"),
    "vae_decode_tflop_per_s": Meaning("rate of the decoder", "TFLOP/s", "the same for it"),
    "matmul_tflop_per_s": Meaning(
        "rate of large matrix products", "TFLOP/s", "matmul_flop_per_s / 1e12"
    ),
    "matmul_percent": Meaning(
        "share of that rate", "%", "100 * tflop_per_s / matmul_tflop_per_s"
    ),
    "peak_percent": Meaning(
        "share of the datasheet's peak", "%", "100 * tflop_per_s * 1e12 / peak_flop_per_s"
    ),
}  # fmt: skip

_DISTURBANCES = {
    "drift_rounds": Meaning(
        "trend along the rounds, where chance does not explain it", "", "last / first - 1"
    ),
    "drift_iterations": Meaning("the same along a round's iterations", "", "last / first - 1"),
    "throttled": Meaning("timed iterations that were throttled"),
    "iteration_flags": Meaning("what disturbed timed iterations, each with its count"),
    "warned": Meaning("warnings of the records, each with its count"),
    "disturbed_by": Meaning("what disturbed timed iterations, each once"),
    "warnings": Meaning("warnings of the records, each once"),
}

_COMPARISON = {
    "axis": Meaning("the axis that the row is compared along; all other choices are equal"),
    "baseline": Meaning("what the cell is compared against, as after `--baseline`"),
    "is_baseline": Meaning("whether the cell is the baseline itself"),
    "baseline_proof": Meaning("the baseline's kernel proof"),
    "baseline_flags": Meaning("the signs about the comparison: ¶ and ?"),
    "no_delta_reason": Meaning("why there is nothing to compare with"),
    "baseline_s": Meaning("the baseline's runtime in the comparison", "s", "geometric mean"),
    "cell_s": Meaning("the cell's runtime in the comparison", "s", "geometric mean"),
    "speedup": Meaning("how many times as fast", "", "baseline_s / cell_s"),
    "speedup_low": Meaning("lower end of its 95 % interval"),
    "speedup_high": Meaning("upper end of it"),
    "improvement_percent": Meaning(
        "as published; positive is faster", "%", "(baseline_s - cell_s) / baseline_s * 100"
    ),
    "improvement_low": Meaning("lower end of its 95 % interval", "%"),
    "improvement_high": Meaning("upper end of it", "%"),
    "verdict": Meaning("faster, slower, same, unclear or too few rounds"),
    "margin": Meaning("what counts as equal: 0.01 is 1 %"),
    "further_rounds": Meaning("further rounds that would decide it with a chance of 80 %"),
    "new_sweep_rounds": Meaning("rounds of a new sweep that would decide it"),
    "method": Meaning("paired (round by round) or unpaired"),
    "pairs": Meaning("pairs of rounds, or the rounds of the side with fewer"),
    "pairing": Meaning("how many rounds have a partner, where some have none"),
    "unplanned": Meaning("why it is not judged by the planned looks"),
    "p": Meaning("two-sided p-value of no difference"),
    "level": Meaning("what p is compared with", "", "error of the table, spent on this look"),
    "adjusted_low": Meaning("lower end of the interval that decides", "", "confidence 1 - level"),
    "adjusted_high": Meaning("upper end of it", "", "confidence 1 - level"),
    "widening": Meaning("factor on the standard error for rounds that resemble their neighbours"),
    "disturbed": Meaning("rounds that were set aside"),
    "doubtful": Meaning("whether the difference depends on rounds that were set aside"),
    "parity": Meaning(
        "relative L2 distance of the final latents from the baseline's", "", "|x - base| / |base|"
    ),
    "parity_allowed": Meaning("the largest distance that counts as the same picture"),
    "parity_ok": Meaning("whether the output is the same; empty where that is not known"),
    "parity_reason": Meaning("why the distance is not known, or `reference`"),
    "parity_stage": Meaning("the first stage whose output differs"),
    "parity_stage_distance": Meaning("how far it differs there, estimated from sketches"),
}  # fmt: skip

_MACHINES = {
    "machines_row": Meaning("the row of the table across machines, counted from 1"),
    "fastest": Meaning("whether the machine is the fastest of its row; of none at a ratio of 1.00"),
    "times_slowest": Meaning(
        "speed as a multiple of the slowest machine's in the row, without interval and verdict",
        "",
        "typical_s of the slowest / typical_s",
    ),
    "typical_images_per_s": Meaning(
        "throughput at the typical runtime", "images/s", "images of a round / typical_s"
    ),
    "differs": Meaning("what differs between the machines of the row beside the machines"),
}

_HISTORY = {
    "cell": Meaning("the cell's name among all histories"),
    "sweep": Meaning("the sweep, as date/time"),
    "date": Meaning("when the sweep began", "UTC"),
    "commit": Meaning("the commit of this project that was measured"),
    "tree_changed": Meaning("whether its files differed from that commit"),
    "environment_changes": Meaning("what differs from the sweep before"),
    "rounds_disturbed": Meaning("rounds that were set aside"),
    "runtime_s": Meaning("the cell's runtime in this sweep", "s", "as typical_s"),
    "runtime_low_s": Meaning("lower end of its 95 % interval", "s"),
    "runtime_high_s": Meaning("upper end of it", "s"),
    "change_ratio": Meaning("at the first sweep of a new level", "", "seconds after / before"),
    "change_low": Meaning("lower end of its 95 % interval"),
    "change_high": Meaning("upper end of it"),
    "change_p": Meaning("p-value of the change, adjusted for all cells"),
}

_STAGES = ("text_encode_s", "denoise_s", "vae_decode_s")
_OF_A_STAGE = {
    "speedup": Meaning("the stage's speed-up", "", "baseline's seconds / the cell's"),
    "low": Meaning("lower end of its 95 % interval"),
    "high": Meaning("upper end of it"),
    "verdict": Meaning("the stage's verdict"),
}


def _of_stages() -> Iterator[tuple[str, Meaning]]:
    for stage in _STAGES:
        for what, meaning in _OF_A_STAGE.items():
            yield f"{stage}_{what}", meaning


#: Groups of columns by subject, in the order of the glossary.
GROUPS: dict[str, dict[str, Meaning]] = {
    "Place": _PLACE,
    "Choices": _CHOICES,
    "Outcome": _OUTCOME,
    "Times": _TIMES,
    "Rates and resources": _RESOURCES,
    "Disturbances": _DISTURBANCES,
    "Comparison": _COMPARISON,
    "Stages of implementations": dict(_of_stages()),
    "Across machines": _MACHINES,
    "History": _HISTORY,
}

COLUMNS: dict[str, Meaning] = {
    name: meaning for group in GROUPS.values() for name, meaning in group.items()
}
