"""How kernels are compiled."""

from numba import njit

kernel = njit(cache=True, nogil=True, fastmath=False)
inline = njit(cache=False, nogil=True, fastmath=False, forceinline=True)
