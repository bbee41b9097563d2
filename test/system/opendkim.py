# SPDX-License-Identifier: ISC
"""What libopendkim, the library of OpenDKIM, says of a message's signatures; keys come from a dict instead of the DNS."""
import ctypes

LIBRARY = "libopendkim.so.11"
OK, CONTINUE = 0, 0  # DKIM_STAT_OK, DKIM_CBSTAT_CONTINUE
NOT_FOUND = 5  # DKIM_CBSTAT_NOTFOUND
PASSED, BODY_MATCHES = 0x02, 0  # DKIM_SIGFLAG_PASSED, DKIM_SIGBH_MATCH

P = ctypes.c_void_p
LOOKUP = ctypes.CFUNCTYPE(ctypes.c_int, P, P, ctypes.POINTER(ctypes.c_ubyte), ctypes.c_size_t)
SIGNATURES = {
    "dkim_init": (P, [P, P]),
    "dkim_close": (None, [P]),
    "dkim_set_key_lookup": (ctypes.c_int, [P, LOOKUP]),
    "dkim_verify": (P, [P, ctypes.c_char_p, P, ctypes.POINTER(ctypes.c_int)]),
    "dkim_header": (ctypes.c_int, [P, ctypes.c_char_p, ctypes.c_size_t]),
    "dkim_eoh": (ctypes.c_int, [P]),
    "dkim_body": (ctypes.c_int, [P, ctypes.c_char_p, ctypes.c_size_t]),
    "dkim_eom": (ctypes.c_int, [P, P]),
    "dkim_free": (ctypes.c_int, [P]),
    "dkim_getsiglist": (ctypes.c_int, [P, ctypes.POINTER(ctypes.POINTER(P)), ctypes.POINTER(ctypes.c_int)]),
    "dkim_sig_process": (ctypes.c_int, [P, P]),
    "dkim_sig_getflags": (ctypes.c_uint, [P]),
    "dkim_sig_getbh": (ctypes.c_int, [P]),
    "dkim_sig_getdomain": (ctypes.c_char_p, [P]),
    "dkim_sig_getselector": (ctypes.c_char_p, [P]),
}


def library():
    """The library, or OSError where there is none."""
    found = ctypes.CDLL(LIBRARY)
    for name, (returns, takes) in SIGNATURES.items():
        function = getattr(found, name)
        function.restype, function.argtypes = returns, takes
    return found


def fields(header):
    """Whole fields, folded as they are, without the CRLF at the end."""
    lines = header.split(b"\r\n")
    while lines and lines[-1] == b"":
        lines.pop()
    whole = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and whole:
            whole[-1] += b"\r\n" + line
        else:
            whole.append(line)
    return whole


def judge(message, keys):
    """{name of the key's record: is its signature good} for every signature of the message."""
    lib = library()

    @LOOKUP
    def look_up(_, signature, buffer, size):
        name = f"{lib.dkim_sig_getselector(signature).decode()}._domainkey.{lib.dkim_sig_getdomain(signature).decode()}"
        text = keys.get(name)
        if text is None or len(text) >= size:
            return NOT_FOUND
        ctypes.memmove(buffer, text.encode() + b"\0", len(text) + 1)
        return CONTINUE

    handle, status = lib.dkim_init(None, None), ctypes.c_int()
    assert handle and lib.dkim_set_key_lookup(handle, look_up) == OK
    dkim = lib.dkim_verify(handle, b"test", None, ctypes.byref(status))
    assert dkim and status.value == OK
    header, _, body = message.partition(b"\r\n\r\n")
    for field in fields(header):
        assert lib.dkim_header(dkim, field, len(field)) == OK, field
    lib.dkim_eoh(dkim)
    if body:
        lib.dkim_body(dkim, body, len(body))
    lib.dkim_eom(dkim, None)
    found, n = ctypes.POINTER(P)(), ctypes.c_int()
    assert lib.dkim_getsiglist(dkim, ctypes.byref(found), ctypes.byref(n)) == OK
    good = {}
    for i in range(n.value):
        signature = found[i]
        lib.dkim_sig_process(dkim, signature)
        name = f"{lib.dkim_sig_getselector(signature).decode()}._domainkey.{lib.dkim_sig_getdomain(signature).decode()}"
        good[name] = bool(lib.dkim_sig_getflags(signature) & PASSED) and lib.dkim_sig_getbh(signature) == BODY_MATCHES
    lib.dkim_free(dkim)
    lib.dkim_close(handle)
    return good
