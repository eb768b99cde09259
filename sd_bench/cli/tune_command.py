"""``python -m sd_bench tune``: its arguments, help and exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sd_bench.cli.error_lines import is_users_fault, one_line
from sd_bench.cli.tune_screen import TuneScreen
from sd_bench.command_lines import shown
from sd_bench.records import write_atomically
from sd_bench.screens.console import is_reader_gone, make_console, say
from sd_bench.tuning.diffusers_lines import say_effects, write_lines
from sd_bench.tuning.request import read_request
from sd_bench.tuning.tune import Outcome, TuneInterrupted, run_tune

_OK, _FAILED, _USAGE, _INTERRUPTED = 0, 1, 2, 130

_HELP = """\
{program} finds what to set on this machine for a workload, and what you gain.

  {program}                                      the default workload, within 10 minutes
  {program} batch_size=4 model_version=sd1       any override of the workload
  {program} budget=30min precision=fp16          values that you give stay fixed

First candidates race, from a ladder of switches (conf/tune.yaml): each in its own process, their
UNet calls timed in turn, and those that are not faster are dropped. Then the last two, the default
and diffusers as documented get fresh rounds, whose verdicts are the answer.

  budget=10min      total time, compiling included (270s, 10min, 2h)
  images=1000       a compiled candidate must pay off within this many images
  start_from=FILE   begin with the answer of another machine's tune (its answer.json)
  --write FILE      write the lines for a diffusers pipeline into a file

The same command again continues: finished candidates are not timed again, unless versions or
the machine differ. preset=tuned applies the newest answer. Ctrl-C gives the best so far.
Exit codes: 0 answered, 1 answered but a finalist failed, 2 cannot be done, 130 interrupted.
"""


def main(arguments: Sequence[str]) -> int:
    """Run ``tune`` with these arguments and return the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(_HELP.replace("{program}", shown("sd_bench", "tune")), end="")
        return _OK
    wants_traceback = "traceback=true" in arguments
    os.environ["HYDRA_FULL_ERROR"] = "1"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: end processes, clean up
    screen = TuneScreen(make_console())
    again = shown("sd_bench", "tune", *arguments)
    try:
        request = read_request(arguments)
        outcome = run_tune(request, screen)
        screen.stop()
        if request.write_to is not None:
            _write(request.write_to, outcome)
        screen.answered(outcome)
    except TuneInterrupted as interrupt:
        screen.interrupted(interrupt.rows, again)
        return _INTERRUPTED
    except KeyboardInterrupt:
        say("interrupted", sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and is_reader_gone():
            return _OK
        if wants_traceback or not is_users_fault(error):
            raise
        say(f"sd_bench: {one_line(error)}", sys.stderr)
        return _USAGE
    finally:
        screen.stop()
    return _FAILED if outcome.final.failed else _OK


def _write(path: Path, outcome: Outcome) -> None:
    """Write the lines for diffusers to a file, below a docstring that says where they come from."""
    workload = outcome.answer.workload
    about = (
        f'"""What python -m sd_bench tune found for {workload["model_version"]} at '
        f"{workload['width']}x{workload['height']}, batch size {workload['batch_size']}:\n"
        "another size may differ. Use: pipe = tuned(pipe), once it is loaded.\n"
        f'{say_effects(outcome.for_diffusers)}"""'
    )
    write_atomically(path, "\n".join([about, "", *write_lines(outcome.for_diffusers)]) + "\n")
