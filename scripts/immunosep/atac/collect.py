"""Tables of the layer from the tables of its libraries."""

from collections.abc import Sequence

import pandas as pd

from immunosep.io import PathLike, read_table, write_table


def collect_tables(tables: Sequence[PathLike], path: PathLike) -> None:
    """Write tables with the same columns as one, in the given order, cell by cell as they are."""
    write_table(pd.concat([read_table(table) for table in tables], ignore_index=True), path)
