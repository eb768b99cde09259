"""Tells Hydra where to find the ``implementation`` options that other packages provide.

It only adapts Hydra's interface; sd_bench does the work.
"""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from sd_bench.capabilities.composition import add_options_of_packages


class OptionsOfPackages(SearchPathPlugin):
    """Adds the search paths that entry points name."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        add_options_of_packages(search_path)
