"""Real kinds of machines and faults, simulated.

Names, compute capabilities, memory, limits and clocks come from public outputs of nvidia-smi for
these GPUs; idle readings and uuids are made up.
"""

from __future__ import annotations

from dataclasses import replace

from tests.support.machines import Gpu, Machine

#: NVML's return codes.
NOT_SUPPORTED, FUNCTION_NOT_FOUND, VERSION_MISMATCH = 3, 13, 18


def _gpu(index: int, **fields: str) -> Gpu:
    """A GPU at rest. A field with a "." in its name has "_" here; single-word fields are below."""
    idle = {
        "index": str(index), "persistence_mode": "Disabled", "compute_mode": "Default",
        "ecc.mode.current": "Enabled", "temperature.gpu": "34",
        "pci.bus_id": f"00000000:0{index}:00.0",
    }  # fmt: skip
    named = {name if name in _ONE_WORD else name.replace("_", "."): v for name, v in fields.items()}
    return Gpu(uuid=f"GPU-00000000-0000-0000-0000-00000000000{index}", fields={**idle, **named})


_ONE_WORD = ("name", "compute_cap", "driver_version", "compute_mode", "persistence_mode")

T4 = Machine(
    gpus=(
        _gpu(
            0, name="Tesla T4", compute_cap="7.5", memory_total="15360",
            driver_version="535.183.01", power_limit="70.00", power_draw="9.20",
            clocks_max_sm="1590", clocks_max_mem="5001", clocks_applications_graphics="585",
            clocks_applications_memory="5001", clocks_current_sm="300",
            clocks_current_memory="405",
        ),
    ),
)  # fmt: skip
V100 = Machine(
    gpus=(
        _gpu(
            0, name="Tesla V100-SXM2-16GB", compute_cap="7.0", memory_total="16384",
            driver_version="525.105.17", power_limit="300.00", power_draw="41.00",
            clocks_max_sm="1530", clocks_max_mem="877", clocks_applications_graphics="1290",
            clocks_applications_memory="877", clocks_current_sm="135", clocks_current_memory="877",
        ),
    ),
)  # fmt: skip
_A100 = _gpu(
    0, name="NVIDIA A100-SXM4-40GB", compute_cap="8.0", memory_total="40960",
    driver_version="525.105.17", power_limit="400.00", power_draw="52.00", clocks_max_sm="1410",
    clocks_max_mem="1215", clocks_applications_graphics="1095", clocks_applications_memory="1215",
    clocks_current_sm="210", clocks_current_memory="1215", mig_mode_current="Disabled",
)  # fmt: skip
SLICE = "MIG-4f1c3a52-11b1-5c77-9d2e-1f5f0c3e7a10"
#: Divided in two. The parent reports no utilisation.
A100_DIVIDED = Machine(
    gpus=(
        replace(
            _A100,
            fields={**_A100.fields, "mig.mode.current": "Enabled"},
            slices=(("3g.20gb", SLICE), ("3g.20gb", SLICE.replace("4f1c", "5f1c"))),
        ),
    ),
    nvml_refuses={"nvmlDeviceGetUtilizationRates": NOT_SUPPORTED},
)
#: The same beside an undivided one.
A100_DIVIDED_AND_WHOLE = replace(
    A100_DIVIDED,
    gpus=(
        *A100_DIVIDED.gpus,
        Gpu(uuid=_A100.uuid[:-1] + "1", fields={**_A100.fields, "index": "1"}),
    ),
)
H100_PCIE = Machine(
    gpus=(
        _gpu(
            0, name="NVIDIA H100 PCIe", compute_cap="9.0", memory_total="81559",
            driver_version="535.104.05", power_limit="350.00", power_draw="47.00",
            clocks_max_sm="1755", clocks_max_mem="1593", clocks_applications_graphics="1755",
            clocks_applications_memory="1593", clocks_current_sm="345",
            clocks_current_memory="1593", mig_mode_current="Disabled",
        ),
    ),
)  # fmt: skip
CORRUPT_INFOROM = replace(
    T4, warns="WARNING: infoROM is corrupted at gpu 0000:00:1E.0", exit_code=14
)
#: A driver before 450 (without compute_cap), whose NVML knows only the older names.
OLD_DRIVER = replace(
    V100,
    gpus=(replace(V100.gpus[0], fields={**V100.gpus[0].fields, "driver_version": "418.87.01"}),),
    unknown_fields=("compute_cap", "mig.mode.current"),
    nvml_refuses={
        "nvmlDeviceGetCurrentClocksEventReasons": FUNCTION_NOT_FOUND,
        "nvmlDeviceGetFieldValues": FUNCTION_NOT_FOUND,
    },
)
#: After an update of the driver without a restart.
UPDATED_DRIVER = replace(
    T4,
    says_only="Failed to initialize NVML: Driver/library version mismatch",
    exit_code=18,
    nvml_refuses={"nvmlInit": VERSION_MISMATCH},
)
BUSY = replace(T4, computing=((4242, "python3"), (4311, "/usr/bin/tritonserver")))
EXCLUSIVE = replace(
    V100,
    gpus=(
        replace(V100.gpus[0], fields={**V100.gpus[0].fields, "compute_mode": "Exclusive_Process"}),
    ),
)
