"""The command line."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from sklearn_grn import _demo, _network_command
from sklearn_grn._command_options import read_options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``sklearn-grn``.

    Parameters
    ----------
    arguments : sequence of str, default=None
        Words of the command line; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, or 1 where the data are not fit for what was asked.
    """
    options = read_options(arguments)
    try:
        _COMMANDS[options.command](options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has seen enough, as in `| head`. Python would complain on its way
        # out: docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return _stop(options, "stopped", 130)
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        return _stop(options, _one_line(error), 1)
    return 0


# ---------------------------------------------------------------------------- commands
def _run_demo(options: Namespace) -> None:
    _demo.run()


def _run_network(options: Namespace) -> None:
    _network_command.run(options, _print, _progress())


def _print(line: str) -> None:
    # Names that the terminal has no letters for must not stop the report.
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding))


_COMMANDS = {"demo": _run_demo, "network": _run_network}


def _stop(options: Namespace, problem: str, code: int) -> int:
    print(f"sklearn-grn {options.command}: error: {problem}", file=sys.stderr)
    return code


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _progress() -> Callable[[str], Any]:
    """Return what tells a person at a terminal, and nobody else, what happens."""
    start = time.perf_counter()

    def tell(text: str) -> None:
        if sys.stderr.isatty():
            seconds = time.perf_counter() - start
            print(f"[{seconds:5.1f} s] {text} ...", file=sys.stderr, flush=True)

    return tell
