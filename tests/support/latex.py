"""LaTeX compiled for tests, where an engine is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

_PREAMBLE = r"""\documentclass[10pt,twocolumn]{article}
\usepackage[textwidth=7in,textheight=9.25in,columnsep=0.4in]{geometry}
\usepackage{booktabs,tabularx,graphicx}
\begin{document}
"""


def document(body: str) -> str:
    """A document of two columns, like a paper."""
    return f"{_PREAMBLE}{body}\n\\end{{document}}\n"


def compile_latex(file: Path) -> str:
    """Compile a file in its folder and return the log; skips the test if there is no engine.

    Fails on any LaTeX error, and if anything sticks out of its column.
    """
    if shutil.which("pdflatex"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name]
    elif shutil.which("tectonic"):
        command = ["tectonic", "--keep-logs", file.name]
    else:
        pytest.skip("neither pdflatex nor tectonic is installed: LaTeX is not compiled here")
    done = subprocess.run(command, cwd=file.parent, capture_output=True, timeout=100, check=False)
    log = file.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, log[-3000:]
    assert not re.findall(r"Overfull \\hbox.*", log)
    assert file.with_suffix(".pdf").is_file()
    return log
