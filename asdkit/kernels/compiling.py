"""How kernels are compiled."""

from numba import njit

kernel = njit(cache=True, nogil=True, fastmath=False)
