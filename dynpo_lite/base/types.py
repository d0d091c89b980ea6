"""Names for the types that signatures repeat."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike as ArrayLike
from numpy.typing import NDArray as NDArray

Array: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.integer[Any]]
# one field has one type: given as array_like or a sequence, kept as a read-only
# ndarray or a tuple
Kept: TypeAlias = Any
