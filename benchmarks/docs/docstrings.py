"""Docstrings of the project's modules, classes and functions, read without importing them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_Documented = (ast.ClassDef, ast.FunctionDef)


def find_file(reference: str) -> Path:
    """The file of ``package.module:Class.method``, relative to the project."""
    module = ROOT / reference.partition(":")[0].replace(".", "/")
    found = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    return found.relative_to(ROOT)


def read_docstring(reference: str) -> str:
    """The docstring of ``package.module`` or ``package.module:Class.method``.

    Raises LookupError if there is none.
    """
    node: ast.Module | ast.ClassDef | ast.FunctionDef
    node = ast.parse((ROOT / find_file(reference)).read_text(encoding="utf-8"))
    names = reference.partition(":")[2]
    for name in names.split(".") if names else ():
        found = [n for n in node.body if isinstance(n, _Documented) and n.name == name]
        if not found:
            raise LookupError(f"{reference}: there is no {name}")
        node = found[0]
    docstring = ast.get_docstring(node)
    if docstring is None:
        raise LookupError(f"{reference}: has no docstring")
    return docstring


def define(word: str, docstring: str) -> str:
    """The definition of a word in a docstring, as one line of Markdown.

    It is the sentence with the word in asterisks (``A *machine* is ...``), else the first
    paragraph, without the word itself if it begins with it (``The plan: every cell ...``).
    """
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z])", " ".join(docstring.split()))
    marked = [sentence for sentence in sentences if re.search(rf"\*{word}\*", sentence, re.I)]
    text = marked[0] if marked else docstring.partition("\n\n")[0]
    name = rf"^(the end of )?(an? |the |one )?{word}(e?s)?: "
    text = re.sub(name, "", " ".join(text.split()), flags=re.I).replace("``", "`")
    return re.sub(r"\*(\w[\w ]*\w)\*", r"\1", text[:1].upper() + text[1:])
