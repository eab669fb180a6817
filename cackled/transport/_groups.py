"""Sets the elliptic curves for TLS key agreement; more than one where the interpreter allows it.

Python has ``SSLContext.set_groups`` from 3.15 on, and before that only ``set_ecdh_curve``, which allows a single curve.
OpenSSL's own default is safe, but offers curves that the profile does not name. So OpenSSL is called directly
(SSL_CTX_set1_groups_list, which is SSL_CTX_ctrl), through the pointer that is the first member of CPython's context
object. If anything is not as expected, the default stays.
"""

from __future__ import annotations

import ctypes
import ssl
import sys

_SET_GROUPS_LIST = 92


def set_groups(context: ssl.SSLContext, groups: str) -> bool:
    """Offer exactly *groups* (``X25519:P-256``) on *context*; False where that can't be done."""
    if hasattr(context, "set_groups"):
        context.set_groups(groups)
        return True
    if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info < (3, 15):
        return False
    try:
        import _ssl

        library = ctypes.PyDLL(_ssl.__file__)
        options, control = library.SSL_CTX_get_options, library.SSL_CTX_ctrl
    except (ImportError, OSError, AttributeError, TypeError):
        return False
    options.restype, options.argtypes = ctypes.c_uint64, [ctypes.c_void_p]
    control.restype = ctypes.c_long
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if not pointer or options(pointer) & 0xFFFFFFFF != int(context.options) & 0xFFFFFFFF:
        return False
    return bool(control(pointer, _SET_GROUPS_LIST, 0, groups.encode("ascii")) == 1)
