"""The meanings of the headings of the tables for readers, by heading."""

from __future__ import annotations

from analysis.glossary.meaning import Heading

_PLACE = {
    "cell": Heading("Which cell it is: what varies among those of the table.", ("series",)),
    "device": Heading("The device's short name.", ("machine",)),
    "environment": Heading("Device and versions; never averaged together.", ("env",)),
    "pixels": Heading("Width and height of an image.", ("width", "height")),
    "model_version": Heading("The model.", ("model_version",)),
    "steps": Heading("Sampler steps per iteration.", ("steps",)),
    "n_iter": Heading("Timed iterations per round.", ("n_iter",)),
    "batch size": Heading("Images per iteration.", ("batch_size",)),
    "preset": Heading("The named bundle of choices.", ("preset",)),
    "GPU": Heading("The device of the published study.", ("gpu",)),
}

_MEASURED = {
    "rounds": Heading("Rounds with times.", ("rounds",)),
    "runtime [s]": Heading(
        "Of a round: its timed iterations. In a table of differences the geometric mean over the "
        "rounds that were compared, without disturbed ones; in 'Every cell' the mean over all "
        "rounds.",
        ("cell_s", "mean_s", "runtime_s"),
    ),
    "95 % interval [s]": Heading(
        "The t interval of the mean runtime over all rounds.", ("ci_low_s", "ci_high_s")
    ),
    "iteration [s]": Heading("Runtime per timed iteration: typical_s / n_iter.", ("typical_s",)),
    "images/s": Heading(
        "Images of the timed iterations divided by their time. On the screen: images of a round "
        "divided by the runtime in the same row.",
        ("images_per_s",),
    ),
    "UNet calls/s": Heading(
        "One call per step on the whole guided batch (PLMS makes one more), over the denoising "
        "stage.",
        ("unet_calls_per_s",),
    ),
    "sampler step [s]": Heading(
        "The median step of a round, mean over the rounds.", ("step_s",)
    ),
    "text encoder [s]": Heading(
        "Mean over the timed iterations, as are denoising and autoencoder.", ("text_encode_s",)
    ),
    "denoising [s]": Heading("Mean over the timed iterations.", ("denoise_s",)),
    "autoencoder [s]": Heading("Mean over the timed iterations.", ("vae_decode_s",)),
    "first UNet call [s]": Heading(
        "Before any warm-up; with torch.compile it includes the compilation.", ("first_call_s",)
    ),
    "compile or convert, cold [s]": Heading(
        "What compiling or converting took, with nothing cached.", ("ready_cold_s",)
    ),
    "warm [s]": Heading("The same with all of it cached.", ("ready_warm_s",)),
    "peak memory [GiB]": Heading(
        "The mean over the rounds; 1 GiB is 1024^3 bytes.", ("peak_bytes",)
    ),
    "energy per image [J]": Heading("Of the timed iterations.", ("joules_per_image",)),
}  # fmt: skip

_EFFICIENCY = {
    "TFLOP/s": Heading("Rate of an iteration.", ("tflop_per_s",)),
    "text encoder [TFLOP/s]": Heading("Rate of that stage.", ("text_encode_tflop_per_s",)),
    "denoising [TFLOP/s]": Heading("Rate of that stage.", ("denoise_tflop_per_s",)),
    "autoencoder [TFLOP/s]": Heading("Rate of that stage.", ("vae_decode_tflop_per_s",)),
    "matrix product [TFLOP/s]": Heading(
        "Rate of large matrix products on the same machine.", ("matmul_tflop_per_s",)
    ),
    "share of it": Heading("Of the rate of matrix products.", ("matmul_percent",)),
    "share of the peak": Heading("Of the datasheet's peak.", ("peak_percent",)),
    "GPU idle in a step": Heading(
        "Share of a profiled step in which no kernel ran.", ("gpu_idle_percent",)
    ),
}

_COMPARISON = {
    "verdict": Heading("faster, slower, same, unclear, or why there is none.", ("verdict",)),
    "speed-up": Heading("baseline / x: above 1 is faster.", ("speedup",)),
    "95 % interval": Heading(
        "Of the speed-up. The interval that decides a verdict is wider.",
        ("speedup_low", "speedup_high"),
    ),
    "improvement": Heading(
        "(baseline - x) / baseline * 100: positive is faster.", ("improvement_percent",)
    ),
    "baseline [s]": Heading("The runtime of the baseline over the same rounds.", ("baseline_s",)),
    "baseline": Heading("What the cell is compared against.", ("baseline",)),
    "against": Heading("The cell that this one is compared with."),
    "OLD [s]": Heading("OLD's runtime in the comparison.", ("baseline_s",)),
    "NEW [s]": Heading("NEW's runtime in the comparison.", ("cell_s",)),
    "printed change": Heading("The change that the published study prints."),
    "parity": Heading(
        "Relative L2 distance of the final latents of round 0 from the baseline's: 0 is the same "
        "picture to the last bit.",
        ("parity",),
    ),
    "kernel proof": Heading(
        "Whether the profiler saw the attention kernels that the cell names.", ("kernel_proof",)
    ),
    "note": Heading(
        "What was special about the row, such as why it has no times.",
        ("reason", "no_delta_reason", "pairing"),
    ),
    "what would decide": Heading(
        "The number of rounds that would decide it with a chance of 80 %.",
        ("further_rounds", "new_sweep_rounds"),
    ),
}

_MACHINES = {
    "MACHINE [images/s]": Heading(
        "Of that machine, at the typical runtime: the geometric mean over its rounds without "
        "disturbed ones.",
        ("typical_images_per_s",),
    ),
    "fastest": Heading(
        "The machine with the shortest typical runtime; none where the ratio rounds to 1.00.",
        ("fastest",),
    ),
    "times the slowest": Heading(
        "The slowest machine's typical runtime / the fastest one's. It has no interval and no "
        "verdict, since rounds of two machines are not interleaved.",
        ("times_slowest",),
    ),
}

_ENVIRONMENTS = {
    "torch_env": Heading("The interpreter that ran the rounds.", ("torch_env",)),
    "PyTorch": Heading("Its version.", ("torch",)),
    "Python": Heading("Its version.", ("python",)),
    "commit": Heading("The commit of this project that was measured.", ("commit",)),
    "sweeps": Heading("The sweeps that the rounds come from.", ("sweeps",)),
    "fingerprint": Heading("The beginning of the environment's hash.", ("fingerprint",)),
}

_HISTORY = {
    "sweep (UTC)": Heading("When the sweep began.", ("date",)),
    "disturbed": Heading("Rounds that were set aside.", ("rounds_disturbed",)),
    "change": Heading("At the first sweep of a new level: by how much.", ("change_ratio",)),
    "what changed": Heading("What differs from the sweep before.", ("environment_changes",)),
}

HEADINGS: dict[str, Heading] = {
    **_PLACE,
    **_MEASURED,
    **_EFFICIENCY,
    **_COMPARISON,
    **_MACHINES,
    **_ENVIRONMENTS,
    **_HISTORY,
}
