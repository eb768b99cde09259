"""CLIP's tokenizer from open_clip, without importing the rest of open_clip.

``import open_clip`` imports torchvision, timm, transformers and PyTorch's compiler, more than half
of what an eager round would import. Its tokenizer is a single file and needs none of them.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any


def new_tokenizer() -> Any:
    """A new ``open_clip.tokenizer.SimpleTokenizer``; reading its vocabulary takes 0.2 s."""
    return _tokenizer_module().SimpleTokenizer()


@lru_cache(maxsize=1)
def _tokenizer_module() -> ModuleType:
    package = importlib.util.find_spec("open_clip")
    if package is not None and package.origin is not None:
        file = Path(package.origin).with_name("tokenizer.py")
        spec = importlib.util.spec_from_file_location("_open_clip_tokenizer", file)
        if spec is not None and spec.loader is not None and file.is_file():
            module = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(module)
            except ImportError:  # in this release the tokenizer needs more of the package
                pass
            else:
                return module
    return importlib.import_module("open_clip.tokenizer")
