"""Names for the types that signatures repeat."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Measure: TypeAlias = Any  # a Distortion, a Supremum, or a callable of probabilities
