"""Dense linear algebra in tiles so small that BLAS does not start threads for them.

Threads of BLAS wait for each other actively; on a machine with other work a hundred
small factorisations then take minutes instead of a fraction of a second.
"""

import numpy as np

TILE = 64


def _ranges(n, start=0):
    return [slice(i, min(i + TILE, n)) for i in range(start, n, TILE)]


def product(a, b):
    """Return ``a @ b``.

    Examples
    --------
    >>> product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])).tolist()
    [[11.0]]
    """
    result = np.zeros((a.shape[0], b.shape[1]))
    for i in _ranges(a.shape[0]):
        for k in _ranges(a.shape[1]):
            for j in _ranges(b.shape[1]):
                result[i, j] += a[i, k] @ b[k, j]
    return result


def cholesky(matrix):
    """Return the lower factor, and the inverses of its diagonal tiles.

    Works in place; only the lower triangle is read and written.  Raises LinAlgError if
    the matrix is not positive definite.
    """
    n, inverses = len(matrix), []
    for k in _ranges(n):
        diagonal = np.linalg.cholesky(matrix[k, k])
        matrix[k, k] = diagonal
        inverses.append(np.linalg.inv(diagonal))
        below = _ranges(n, k.stop)
        for i in below:
            matrix[i, k] = matrix[i, k] @ inverses[-1].T
            for j in below:
                if j.start <= i.start:
                    matrix[i, j] -= matrix[i, k] @ matrix[j, k].T
    return matrix, inverses


def solve(factor, right):
    """Solve with what :func:`cholesky` returned.

    Examples
    --------
    >>> solve(cholesky(np.array([[4.0, 2.0], [2.0, 5.0]])), np.array([8.0, 12.0]))
    array([1., 2.])
    """
    lower, inverses = factor
    x, places = right.copy(), _ranges(len(right))
    for k, inverse in zip(places, inverses):
        x[k] = inverse @ x[k]
        for i in _ranges(len(x), k.stop):
            x[i] -= lower[i, k] @ x[k]
    for k, inverse in zip(reversed(places), reversed(inverses)):
        for i in _ranges(len(x), k.stop):
            x[k] -= lower[i, k].T @ x[i]
        x[k] = inverse.T @ x[k]
    return x
