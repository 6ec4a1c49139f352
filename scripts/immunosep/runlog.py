"""What every rule script does around its one library call: log to the rule's file, and end clearly."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from immunosep.errors import InputError

logger = logging.getLogger(__name__)


@contextmanager
def rule_logging(log_path: str) -> Iterator[None]:
    """Send logging, stdout and stderr of a rule script to its log file.

    Numerical libraries are held to one thread, because sums in another order differ in the last digits and tables must
    not depend on the number of cores.

    Parameters
    ----------
    log_path
        The rule's `log:` file.

    Raises
    ------
    SystemExit
        With code 1 when the block raises `InputError`; its message stands in the log and on the console, without a
        traceback. Any other error is logged with its traceback and raised again.
    """
    with Path(log_path).open("w", encoding="utf-8", buffering=1) as handle:
        logging.basicConfig(
            stream=handle, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
        )
        console = sys.stderr
        try:
            with redirect_stdout(handle), redirect_stderr(handle), _one_thread():
                yield
        except InputError as error:
            logger.error("%s", error)
            console.write(f"\n{error}\n\n")
            console.flush()
            sys.exit(1)
        except Exception:
            logger.exception("unexpected error")
            raise


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP pools to one thread, where a pool is loaded now or later."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
