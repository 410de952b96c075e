"""Names for the arrays that pass between models; shapes stand in the docstrings of those that take or give them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

#: float32, a vector or a matrix
Floats: TypeAlias = NDArray[np.float32]
#: float64, where sums must not lose digits
Doubles: TypeAlias = NDArray[np.float64]
#: int64: counts, times in Unix ms, numbers of users
Ints: TypeAlias = NDArray[np.int64]
#: rows of the catalogue, int32; below 0: not there
Rows: TypeAlias = NDArray[np.int32]
#: rows as any signed integers
AnyRows: TypeAlias = NDArray[np.signedinteger]
#: places in a list
Places: TypeAlias = NDArray[np.intp]
#: true or false for each row or place
Mask: TypeAlias = NDArray[np.bool_]
#: u64 keys of items, queries or categories (``streamrank_client.vocabulary.key``)
Keys: TypeAlias = NDArray[np.uint64]
