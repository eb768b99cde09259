"""What a configuration may hold: its classes, its checks and its own arithmetic.

``conf/`` holds the options. May import ``errors`` and ``paths``; no torch.
"""

from sd_bench.config.schema import (
    ATTENTION_BACKENDS,
    COMPILE_MODES,
    DEFAULT_PROMPT,
    LATENT_CHANNELS,
    PRECISIONS,
    RANDOM_WEIGHTS,
    SDPA_BACKENDS,
    AttentionConfig,
    AutoencoderConfig,
    Config,
    ConfigError,
    GpuConfig,
    ModelConfig,
    SamplerConfig,
    ScheduleConfig,
    TextEncoderConfig,
    TorchEnvConfig,
    UNetConfig,
    from_dict,
    from_hydra,
    known_models,
    to_dict,
)

__all__ = [
    "ATTENTION_BACKENDS",
    "COMPILE_MODES",
    "DEFAULT_PROMPT",
    "LATENT_CHANNELS",
    "PRECISIONS",
    "RANDOM_WEIGHTS",
    "SDPA_BACKENDS",
    "AttentionConfig",
    "AutoencoderConfig",
    "Config",
    "ConfigError",
    "GpuConfig",
    "ModelConfig",
    "SamplerConfig",
    "ScheduleConfig",
    "TextEncoderConfig",
    "TorchEnvConfig",
    "UNetConfig",
    "from_dict",
    "from_hydra",
    "known_models",
    "to_dict",
]
