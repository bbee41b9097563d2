#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Generates the C of one channel from its declarative list (src/ipc/msgs/NAME.def).

    gen-msgs.py NAME.def OUT.h OUT.c
    gen-msgs.py --seeds NAME.def STAMP      one well-formed frame a message and sender into STAMP.d, for its fuzzer

The list:
    PEERS(mx submission store)                  the kinds of process at either end
    SUB(name, FIELDS)                           a record that lists hold
    MSG(name, FROM(peer...), FIELDS)            a message and who may send it
Fields: BOOL(x) U8(x) U16(x) U32(x) U64(x) I64(x) ENUM(x, values) STR(x, max_bytes) BYTES(x, max_bytes)
        SECRET(x, max_bytes) LIST(x, sub, max_items) FD(x)
STR is text for the log form, BYTES is logged by length only, SECRET never. ENUM(x, n) holds 0..n-1.
"""
import hashlib
import pathlib
import re
import struct
import sys

SCALARS = {"BOOL": "bool", "U8": "uint8_t", "U16": "uint16_t", "U32": "uint32_t", "U64": "uint64_t",
           "I64": "int64_t", "ENUM": "uint8_t"}
VIEWS = ("STR", "BYTES", "SECRET")
TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|\d+|[(),])")


def fail(text):
    sys.exit(f"gen-msgs: {text}")


def tokens(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"#[^\n]*", " ", text)
    out, at = [], 0
    text = text.rstrip()
    while at < len(text):
        m = TOKEN.match(text, at)
        if not m:
            fail(f"cannot read: {text[at:at + 40]!r}")
        out.append(m.group(1))
        at = m.end()
    return out


class Reader:
    def __init__(self, toks):
        self.toks, self.at = toks, 0

    def take(self, want=None):
        if self.at >= len(self.toks):
            fail("unexpected end")
        t = self.toks[self.at]
        if want and t != want:
            fail(f"expected {want!r}, found {t!r} after {' '.join(self.toks[max(0, self.at - 6):self.at])}")
        self.at += 1
        return t

    def peek(self):
        return self.toks[self.at] if self.at < len(self.toks) else None

    def words(self):
        out = []
        self.take("(")
        while self.peek() != ")":
            out.append(self.take())
            if self.peek() == ",":
                self.take()
        self.take(")")
        return out


def read_fields(r):
    fields = []
    while r.peek() != ")":
        kind = r.take()
        args = r.words()
        if kind in ("BOOL", "U8", "U16", "U32", "U64", "I64", "FD"):
            if len(args) != 1:
                fail(f"{kind} takes a name")
        elif kind in VIEWS or kind == "ENUM":
            if len(args) != 2:
                fail(f"{kind} takes a name and a maximum")
        elif kind == "LIST":
            if len(args) != 3:
                fail("LIST takes a name, a record and a maximum")
        else:
            fail(f"unknown field kind {kind}")
        fields.append((kind, *args))
    return fields


def read_def(path):
    with open(path, encoding="ascii") as f:
        text = f.read()
    r = Reader(tokens(text))
    peers, subs, msgs = [], [], []
    while r.peek():
        what = r.take()
        if what == "PEERS":
            peers = r.words()
            continue
        r.take("(")
        name = r.take()
        if r.peek() == ",":
            r.take(",")
        if what == "SUB":
            fields = read_fields(r)
            if any(f[0] == "FD" for f in fields):
                fail(f"SUB {name}: no FD in a record")
            for f in fields:
                if f[0] == "LIST" and f[2] not in [s[0] for s in subs]:
                    fail(f"SUB {name}: unknown record {f[2]}")
            subs.append((name, fields))
        elif what == "MSG":
            r.take("FROM")
            senders = r.words()
            if r.peek() == ",":
                r.take(",")
            for s in senders:
                if s not in peers:
                    fail(f"MSG {name}: unknown peer {s}")
            fields = read_fields(r)
            for f in fields:
                if f[0] == "LIST" and f[2] not in [s[0] for s in subs]:
                    fail(f"MSG {name}: unknown record {f[2]}")
            msgs.append((name, senders, fields))
        else:
            fail(f"unknown {what}")
        r.take(")")
    version = hashlib.sha256(" ".join(tokens(text)).encode()).hexdigest()[:16]
    return peers, subs, msgs, version


def member(ch, f):
    kind, name = f[0], f[1]
    if kind in SCALARS:
        return f"\t{SCALARS[kind]} {name};\n"
    if kind in VIEWS:
        return f"\tstruct view {name}; /* at most {f[2]} bytes */\n"
    if kind == "FD":
        return f"\tint {name}; /* owned by the holder of the struct */\n"
    return f"\tstruct {ch}_{f[2]} *{name}; /* at most {f[3]} */\n\tuint32_t n_{name};\n"


def put(ch, f):
    kind, name = f[0], f[1]
    if kind in SCALARS:
        k = {"ENUM": "u8", "BOOL": "u8"}.get(kind, kind.lower())
        check = f"\tif (m->{name} >= {f[2]})\n\t\treturn false;\n" if kind == "ENUM" else ""
        return check + f"\tcodec_put_{k}(b, m->{name});\n"
    if kind in VIEWS:
        return f"\tif (!codec_put_view(b, m->{name}, {f[2]}))\n\t\treturn false;\n"
    if kind == "FD":
        return ""
    return (f"\tif (m->n_{name} > {f[3]})\n\t\treturn false;\n\tcodec_put_u32(b, m->n_{name});\n"
            f"\tfor (uint32_t i = 0; i < m->n_{name}; i++)\n"
            f"\t\tif (!{ch}_put_sub_{f[2]}(b, &m->{name}[i]))\n\t\t\treturn false;\n")


def get(ch, f):
    kind, name = f[0], f[1]
    if kind == "BOOL":
        return f"\tm->{name} = codec_get_bool(r);\n"
    if kind == "ENUM":
        return f"\tm->{name} = codec_get_enum(r, {f[2]});\n"
    if kind in SCALARS:
        return f"\tm->{name} = codec_get_{kind.lower()}(r);\n"
    if kind in VIEWS:
        return f"\tm->{name} = codec_get_view(r, {f[2]});\n"
    if kind == "FD":
        return f"\tm->{name} = codec_get_fd(r);\n"
    return (f"\tm->n_{name} = codec_get_count(r, {f[3]});\n"
            f"\tm->{name} = codec_get_array(r, m->n_{name}, sizeof *m->{name});\n"
            f"\tfor (uint32_t i = 0; i < m->n_{name} && m->{name} && !r->bad; i++)\n"
            f"\t\tget_{f[2]}(r, &m->{name}[i]);\n")


WIDTHS = {"BOOL": 1, "U8": 1, "ENUM": 1, "U16": 2, "U32": 4, "U64": 8, "I64": 8}


def runs(fields):
    """Neighbours of fixed size together, everything else alone."""
    out = []
    for f in fields:
        if f[0] in WIDTHS and out and out[-1][0][0] in WIDTHS:
            out[-1].append(f)
        else:
            out.append([f])
    return out


def width(kind):
    return {"ENUM": "u8", "BOOL": "u8"}.get(kind, kind.lower())


def put_all(ch, fields):
    out = ""
    for run in runs(fields):
        if len(run) == 1:
            out += put(ch, run[0])
            continue
        out += "".join(f"\tif (m->{f[1]} >= {f[2]})\n\t\treturn false;\n" for f in run if f[0] == "ENUM")
        out += f"\tp = codec_put_room(b, {sum(WIDTHS[f[0]] for f in run)});\n\tif (!p)\n\t\treturn false;\n"
        at = 0
        for f in run:
            out += f"\tcodec_store_{width(f[0])}(p + {at}, m->{f[1]});\n"
            at += WIDTHS[f[0]]
    return ("\tchar *p;\n\n" if "\tp = " in out else "") + out


def get_all(ch, fields):
    out = ""
    for run in runs(fields):
        if len(run) == 1:
            out += get(ch, run[0])
            continue
        out += f"\tp = codec_get_room(r, {sum(WIDTHS[f[0]] for f in run)});\n\tif (!p)\n\t\treturn;\n"
        at = 0
        for f in run:
            load = f"codec_load_{width(f[0])}(p + {at})"
            if f[0] in ("BOOL", "ENUM"):
                out += f"\tif ({load} >= {2 if f[0] == 'BOOL' else f[2]})\n\t\tr->bad = true;\n"
            out += f"\tm->{f[1]} = {load}{' == 1' if f[0] == 'BOOL' else ''};\n"
            at += WIDTHS[f[0]]
    return ("\tconst char *p;\n\n" if "\tp = " in out else "") + out


def log(f):
    kind, name = f[0], f[1]
    if kind == "I64":
        return f'\tlog_i64(l, "{name}", m->{name});\n'
    if kind in SCALARS:
        return f'\tlog_u64(l, "{name}", m->{name});\n'
    if kind == "STR":
        return f'\tlog_str(l, "{name}", m->{name});\n'
    if kind == "BYTES":
        return f'\tlog_u64(l, "{name}_bytes", m->{name}.n);\n'
    if kind == "LIST":
        return f'\tlog_u64(l, "{name}_count", m->n_{name});\n'
    return ""


def sample(fields, subs):
    """A payload: the largest word of an ENUM, short views, two items a list."""
    widths = {"BOOL": "<B", "U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q", "I64": "<q"}
    out = b""
    for f in fields:
        if f[0] in widths:
            out += struct.pack(widths[f[0]], 1)
        elif f[0] == "ENUM":
            out += struct.pack("<B", int(f[2]) - 1)
        elif f[0] in VIEWS:
            text = b"a@b"[:int(f[2])]
            out += struct.pack("<I", len(text)) + text
        elif f[0] == "LIST":
            out += struct.pack("<I", 2) + 2 * sample(dict(subs)[f[2]], subs)
    return out


def write_seeds(src, stamp):
    peers, subs, msgs, _ = read_def(src)
    folder = pathlib.Path(stamp + ".d")
    folder.mkdir(exist_ok=True)
    for number, (name, senders, fields) in enumerate(msgs, 1):
        n_fds = sum(f[0] == "FD" for f in fields)
        for sender in senders:
            head = struct.pack("<HBB", number, peers.index(sender), n_fds)
            (folder / f"{name}-{sender}").write_bytes(head + sample(fields, subs))
    pathlib.Path(stamp).write_bytes(b"")


def main():
    if sys.argv[1] == "--seeds":
        write_seeds(sys.argv[2], sys.argv[3])
        return
    src, out_h, out_c = sys.argv[1:4]
    ch = re.sub(r".*/|\.def$", "", src)
    peers, subs, msgs, version = read_def(src)
    if not peers or not msgs:
        fail("PEERS and MSG are needed")
    CH = ch.upper()
    guard = f"POMBO_IPC_{CH}_MSGS_H"
    h = [f"/* Generated from {ch}.def: do not edit. */\n#ifndef {guard}\n#define {guard}\n\n",
         '#include "ipc/channel.h"\n\n',
         f"#define {CH}_VERSION 0x{version}ULL\n\n",
         f"enum {ch}_peer {{\n" + "".join(f"\t{CH}_PEER_{p.upper()},\n" for p in peers) + "};\n\n",
         f"enum {ch}_type {{\n" + "".join(f"\t{CH}_{m[0].upper()} = {i + 1},\n" for i, m in enumerate(msgs)) + "};\n\n"]
    for name, fields in subs:
        h.append(f"struct {ch}_{name} {{\n" + ("".join(member(ch, f) for f in fields) or "\tchar nothing;\n") + "};\n\n")
    for name, _, fields in msgs:
        h.append(f"struct {ch}_{name} {{\n" + ("".join(member(ch, f) for f in fields) or "\tchar nothing;\n") + "};\n\n")
    h.append(f"/* Any message of the channel, decoded. Views point into the frame, lists into the arena. */\n"
             f"struct {ch}_msg {{\n\tenum {ch}_type type;\n\tunion {{\n" +
             "".join(f"\t\tstruct {ch}_{m[0]} {m[0]};\n" for m in msgs) + "\t};\n};\n\n")
    h.append(f"extern const struct channel_proto {ch}_proto;\n\n")
    h.append("/* Decodes one frame that `from` sent; false (all fds closed) when it is not exactly one permitted message. */\n"
             f"must_check bool {ch}_decode(uint16_t type, struct view payload, int *fds, size_t n_fds, unsigned from,\n"
             f"\t\t\t    struct arena *arena, struct {ch}_msg *ret);\n"
             f"/* The message's fields, for a log line begun by the caller. */\n"
             f"void {ch}_log(struct log_line *l, const struct {ch}_msg *m);\n"
             f"/* Closes what a message that nobody wants brought along. */\n"
             f"void {ch}_close_fds(struct {ch}_msg *m);\n"
             f"/* Encodes any message: what decode read gives the same bytes again. */\n"
             f"must_check bool {ch}_put(struct buf *b, const struct {ch}_msg *m);\n\n")
    h.append(f"/* The answer to a call: NULL when none came (deadline, or the channel went). Valid during the call only. */\n"
             f"typedef void {ch}_answer_fn(void *ctx, const struct {ch}_msg *answer);\n\n"
             "/* send: a message nobody answers (id 0), or the answer to request `id`. call: a request; `fn` hears the answer once.\n"
             " * Both return false, and send nothing, when a field passes its maximum or the channel is closed. An fd is\n"
             " * taken over (closed after sending) in either case. Encoding only: put. */\n")
    h.append("/* One item of a list, for who encodes a long one piece by piece. */\n" if subs else "")
    for name, _ in subs:
        h.append(f"must_check bool {ch}_put_sub_{name}(struct buf *b, const struct {ch}_{name} *m);\n")
    for name, _, fields in msgs:
        h.append(f"must_check bool {ch}_put_{name}(struct buf *b, const struct {ch}_{name} *m);\n"
                 f"bool {ch}_send_{name}(struct channel *c, uint32_t id, const struct {ch}_{name} *m);\n"
                 f"bool {ch}_call_{name}(struct channel *c, const struct {ch}_{name} *m, uint32_t deadline_ms,\n"
                 f"\t\t\t{ch}_answer_fn *fn, void *ctx);\n")
    h.append("\n#endif\n")

    c = [f"/* Generated from {ch}.def: do not edit. */\n", f'#include "ipc/msgs/{ch}_msgs.h"\n\n#include "ipc/codec.h"\n\n#include <unistd.h>\n\n']
    used = set()

    def mark(fields):
        for f in fields:
            if f[0] == "LIST":
                used.add(f[2])
                mark(dict(subs)[f[2]])
    for m in msgs:
        mark(m[2])
    for name, fields in subs:
        if name not in used:
            fail(f"SUB {name} is not used")
        c.append(f"bool {ch}_put_sub_{name}(struct buf *b, const struct {ch}_{name} *m)\n{{\n" +
                 put_all(ch, fields) + "\treturn true;\n}\n\n")
        c.append(f"static void get_{name}(struct codec_reader *r, struct {ch}_{name} *m)\n{{\n" +
                 get_all(ch, fields) + "}\n\n")
    for name, _, fields in msgs:
        unused = "" if [f for f in fields if f[0] != "FD"] else "\t(void)b;\n\t(void)m;\n"
        c.append(f"bool {ch}_put_{name}(struct buf *b, const struct {ch}_{name} *m)\n{{\n{unused}" +
                 put_all(ch, fields) + "\treturn !b->overflow;\n}\n\n")
        if fields:
            c.append(f"static void get_{name}(struct codec_reader *r, struct {ch}_{name} *m)\n{{\n" +
                     get_all(ch, fields) + "}\n\n")
        logs = "".join(log(f) for f in fields)
        if logs:
            c.append(f"static void fields_{name}(struct log_line *l, const struct {ch}_{name} *m)\n{{\n{logs}}}\n\n")
        fds = [f for f in fields if f[0] == "FD"]
        fdarr = f"\tint fds[] = {{{', '.join('m->' + f[1] for f in fds)}}};\n" if fds else ""
        fdargs = f"fds, {len(fds)}" if fds else "NULL, 0"
        for verb, extra, extra_args in (("send", ", uint32_t id", "id, 0, NULL, NULL"),
                                        ("call", "", "0, deadline_ms, (channel_answer_fn *)fn, ctx")):
            sig = (f"bool {ch}_send_{name}(struct channel *c, uint32_t id, const struct {ch}_{name} *m)" if verb == "send" else
                   f"bool {ch}_call_{name}(struct channel *c, const struct {ch}_{name} *m, uint32_t deadline_ms,\n"
                   f"\t\t{ch}_answer_fn *fn, void *ctx)")
            begin = "channel_frame_begin(c)"
            tail = (f"channel_frame_send(c, {CH}_{name.upper()}, id, {fdargs}, ok)" if verb == "send" else
                    f"channel_frame_call(c, {CH}_{name.upper()}, {fdargs}, ok, deadline_ms, (channel_answer_fn *)fn, ctx)")
            c.append(f"{sig}\n{{\n{fdarr}\tstruct buf *b = {begin};\n"
                     f"\tbool ok = b && {ch}_put_{name}(b, m);\n\n\treturn {tail};\n}}\n\n")
    c.append(f"/* Who may send what: one bit a peer kind. */\nstatic const uint32_t senders[] = {{\n\t0,\n" +
             "".join("\t" + " | ".join(f"1u << {CH}_PEER_{s.upper()}" for s in m[1]) + f", /* {m[0]} */\n" for m in msgs) + "};\n\n")
    c.append(f"bool {ch}_decode(uint16_t type, struct view payload, int *fds, size_t n_fds, unsigned from, struct arena *arena,\n"
             f"\t\tstruct {ch}_msg *ret)\n{{\n"
             "\tstruct codec_reader r = codec_reader_init(payload, fds, n_fds, arena);\n"
             f"\tstruct {ch}_msg m = {{0}};\n\n"
             f"\tif (type == 0 || type > {len(msgs)} || from >= {len(peers)} || !(senders[type] >> from & 1))\n"
             "\t\treturn codec_reader_refuse(&r);\n"
             f"\tm.type = (enum {ch}_type)type;\n\tswitch (m.type) {{\n" +
             "".join(f"\tcase {CH}_{m[0].upper()}:\n" + (f"\t\tget_{m[0]}(&r, &m.{m[0]});\n" if m[2] else "") + "\t\tbreak;\n" for m in msgs) +
             "\t}\n\tif (!codec_reader_end(&r))\n\t\treturn false;\n\t*ret = m;\n\treturn true;\n}\n\n")
    c.append(f"void {ch}_log(struct log_line *l, const struct {ch}_msg *m)\n{{\n\tstatic const char *const names[] = {{\n\t\t\"\",\n" +
             "".join(f'\t\t"{m[0]}",\n' for m in msgs) + "\t};\n\n\tlog_cstr(l, \"msg\", names[m->type]);\n\tswitch (m->type) {\n" +
             "".join(f"\tcase {CH}_{m[0].upper()}:\n" + (f"\t\tfields_{m[0]}(l, &m->{m[0]});\n" if any(log(f) for f in m[2]) else "") + "\t\tbreak;\n" for m in msgs) +
             "\t}\n}\n\n")
    with_fds = [(m[0], [f[1] for f in m[2] if f[0] == "FD"]) for m in msgs if any(f[0] == "FD" for f in m[2])]
    c.append(f"void {ch}_close_fds(struct {ch}_msg *m)\n{{\n" +
             "".join(f"\tif (m->type == {CH}_{name.upper()})\n\t\tfd_close(&m->{name}.{fd});\n" for name, fds in with_fds for fd in fds) +
             ("" if with_fds else "\t(void)m;\n") + "}\n\n")
    c.append(f"bool {ch}_put(struct buf *b, const struct {ch}_msg *m)\n{{\n\tswitch (m->type) {{\n" +
             "".join(f"\tcase {CH}_{m[0].upper()}:\n\t\treturn {ch}_put_{m[0]}(b, &m->{m[0]});\n" for m in msgs) +
             "\t}\n\treturn false;\n}\n\n")
    c.append("static bool decode_any(uint16_t type, struct view payload, int *fds, size_t n_fds, unsigned from, struct arena *arena,\n"
             "\t\t       void *ret)\n{\n"
             f"\treturn {ch}_decode(type, payload, fds, n_fds, from, arena, ret);\n}}\n\n"
             "static void log_any(struct log_line *l, const void *m)\n{\n"
             f"\t{ch}_log(l, m);\n}}\n\n"
             f"const struct channel_proto {ch}_proto = {{\n\t.name = \"{ch}\",\n\t.version = {CH}_VERSION,\n"
             f"\t.msg_size = sizeof(struct {ch}_msg),\n\t.decode = decode_any,\n\t.log = log_any,\n}};\n")
    with open(out_h, "w", encoding="ascii") as f:
        f.write("".join(h))
    with open(out_c, "w", encoding="ascii") as f:
        f.write("".join(c))


if __name__ == "__main__":
    main()
