# SPDX-License-Identifier: ISC
"""Each check of tools/ must pass on a good sample and fail, with the right words, on every bad one."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOOD_C = """/* SPDX-License-Identifier: ISC
 * A sample that breaks no rule. */
#include "base/view.h"

int sample(int n)
{
	return n;
}
"""
GOOD_H = """/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_VIEW_H
#define POMBO_BASE_VIEW_H
struct view {
	const char *p;
};
#endif
"""


def check(tool, root, *args):
    done = subprocess.run([ROOT / "tools" / tool, "--root", root, *args], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path):
    """A small tree of sources that all checks accept."""
    for folder in ("base", "io", "store", "smtpd", "imapd"):
        (tmp_path / "src" / folder).mkdir(parents=True)
    (tmp_path / "src/base/view.h").write_text(GOOD_H)
    (tmp_path / "src/base/view.c").write_text(GOOD_C)
    return tmp_path


def with_line(line):
    return GOOD_C.replace("\treturn n;", f"\t{line}\n\treturn n;")


def in_struct(member):
    return GOOD_C.replace("int sample", f"struct sample {{\n\t{member}\n}};\n\nint sample", 1)


# Layers


def test_layers_accept_the_good_tree(tree):
    (tree / "src/smtpd/smtpd.h").write_text(GOOD_H.replace("BASE_VIEW", "SMTPD_SMTPD"))
    (tree / "src/smtpd/smtpd.c").write_text(GOOD_C + '#include "smtpd.h"\n#include "io/stream.h"\n')
    assert check("check-layers", tree) == (0, "check-layers: 0 wrong\n")


@pytest.mark.parametrize(
    ("file", "include", "words"),
    [
        ("base/bad.c", '#include "io/stream.h"', "base may not include io"),
        ("io/bad.c", '#include "store/sql.h"', "io may not include store"),
        ("smtpd/bad.c", '#include "store/sql.h"', "smtpd may not include store"),
        ("smtpd/bad.c", '#include "imapd/imapd.h"', "nobody includes a role"),
        ("io/bad.c", '#include "smtpd/smtpd.h"', "nobody includes a role"),
        ("smtpd/bad.c", '  #  include "../store/sql.h"', "is in no layer"),
        ("smtpd/bad.c", "#include <sqlite3.h>", "<sqlite3.h> belongs to store"),
        ("io/bad.c", "#include <seccomp.h>", "<seccomp.h> belongs to base"),
        ("newd/bad.c", '#include "base/view.h"', "src/newd is not in tools/layers.rules"),
    ],
)
def test_layers_refuse(tree, file, include, words):
    (tree / "src" / file).parent.mkdir(exist_ok=True)
    (tree / "src" / file).write_text(GOOD_C + include + "\n")
    status, output = check("check-layers", tree)
    assert status == 1 and words in output


def test_layers_ignore_what_is_commented_out(tree):
    (tree / "src/base/ok.c").write_text(GOOD_C + '/*\n#include "io/stream.h"\n*/\n')
    assert check("check-layers", tree)[0] == 0


def test_layers_find_a_cycle(tree):
    (tree / "src/base/a.h").write_text('#include "base/b.h"\n')
    (tree / "src/base/b.h").write_text('#include "c.h"\n')
    (tree / "src/base/c.h").write_text('#include "base/a.h"\n')
    status, output = check("check-layers", tree)
    assert status == 1 and "include cycle: base/a.h -> base/b.h -> base/c.h -> base/a.h" in output


def test_layers_refuse_rules_that_form_a_cycle(tree, tmp_path):
    rules = tmp_path / "rules"
    rules.write_text("layer a: b\nlayer b: a\n")
    status, output = check("check-layers", tree, "--rules", rules)
    assert status == 1 and "not a layer listed before it" in output


@pytest.mark.parametrize(("name", "status"), [("pombo-smtpd", 1), ("pombo-stored", 0)])
@pytest.mark.parametrize("how", ["library", "copied in"])
def test_layers_find_sql_in_an_executable(tree, tmp_path, name, status, how):
    out = tmp_path / "build" / "src" / name
    out.parent.mkdir(parents=True)
    source = tmp_path / "x.c"
    if how == "library":
        source.write_text("int sqlite3_libversion_number(void);\nint main(void) { return sqlite3_libversion_number(); }\n")
        subprocess.run(["gcc", source, "-o", out, "-lsqlite3"], check=True)
    else:
        source.write_text("int sqlite3_step(void) { return 1; }\nint main(void) { return sqlite3_step(); }\n")
        subprocess.run(["gcc", source, "-o", out], check=True)
    got, output = check("check-layers", tree, "--build", tmp_path / "build")
    assert got == status and ("pombo-smtpd: holds sqlite3_" in output) == bool(status)


# Style


def test_style_accepts_the_good_tree(tree):
    assert check("check-style", tree) == (0, "check-style: 0 wrong\n")


@pytest.mark.parametrize(
    "source",
    [
        with_line('const char *s = "strcpy(a, b) TOD" "O"; /* alloca(3) is not called */'),
        with_line("view_atoi(n); x->system(n); my_gets(n);"),
        with_line("int a[MAX_N + 1], b[sizeof(int)], c[16 * 2], d[0x1f], e[ARRAY_LEN(x)];\n\tint f[ARRAY_LEN(names)];\n\tint g[sizeof(struct x)];"),
        with_line("x = table[n];"),
        with_line("return table[n];"),
        with_line("/* TODO(#12): a promise with a number */"),
        in_struct("char digits[20]; /* proven: decimal digits of 2^64 */"),
        in_struct("/* proven: two letters */\n\tchar code[2];"),
        in_struct("char key[];"),
        in_struct("unsigned char key[KEY_BYTES];"),
    ],
    ids=range(10),
)
def test_style_accepts(tree, source):
    (tree / "src/base/ok.c").write_text(source)
    assert check("check-style", tree) == (0, "check-style: 0 wrong\n")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        *[
            (with_line(f"{call}(n);"), f"ok.c:7: {call}() is banned")
            for call in "strcpy strcat sprintf vsprintf strtok atoi strncpy alloca gets system popen sscanf".split()
        ],
        (with_line("int a[n];"), "array of variable length [n]"),
        (with_line("unsigned char a[2 * n + 1];"), "array of variable length [2 * n + 1]"),
        (in_struct("char name[64];"), "char[N] in a struct"),
        (in_struct("const char name[NAME_MAX];"), "char[N] in a struct"),
        (with_line("/* TODO: one day */"), "TODO without the number"),
        (with_line("// FIXME"), "FIXME without the number"),
        (with_line("/* XXX */"), "XXX without the number"),
        (with_line("\n".join(["\tn++;"] * 100)), "function of 101 lines"),
        (GOOD_C + "/* */\n" * 700, "file of 708 lines"),
        (GOOD_C.split("\n", 1)[1], "does not start with"),
        (GOOD_C.replace("\n * A sample that breaks no rule.", ""), "says in one sentence what the file is for"),
    ],
    ids=lambda value: "" if "\n" in value else value,
)
def test_style_refuses(tree, source, words):
    (tree / "src/base/ok.c").write_text(source)
    status, output = check("check-style", tree)
    assert status == 1 and words in output


def test_style_wants_include_guards(tree):
    (tree / "src/base/bare.h").write_text("/* SPDX-License-Identifier: ISC */\nint x;\n")
    status, output = check("check-style", tree)
    assert status == 1 and "src/base/bare.h:2: no include guard" in output


def test_style_looks_into_tests_and_scripts(tree):
    (tree / "test").mkdir()
    (tree / "test/x_test.c").write_text(with_line("strcpy(a, b);"))
    (tree / "test/x.py").write_text("# SPDX-License-Identifier: ISC\n# FIXME: soon\n")
    (tree / "test/y.py").write_text("pass\n")
    status, output = check("check-style", tree)
    assert status == 1 and "check-style: 3 wrong" in output


# Format


def test_format_accepts_the_good_tree(tree):
    assert check("check-format", tree) == (0, "check-format: 2 files, 0 wrong\n")


def test_format_refuses_and_mends(tree):
    (tree / "src/base/bad.c").write_text(GOOD_C.replace("int sample(int n)\n{", "int  sample( int n ) {"))
    status, output = check("check-format", tree)
    assert status == 1 and "src/base/bad.c: not formatted" in output
    assert check("check-format", tree, "--fix")[0] == 0
    assert check("check-format", tree)[0] == 0
    assert (tree / "src/base/bad.c").read_text() == GOOD_C


def test_format_refuses_to_check_nothing(tmp_path):
    assert check("check-format", tmp_path)[0] == 1


# Documents


@pytest.fixture
def documents(tree):
    (tree / "doc").mkdir()
    (tree / "meson.build").write_text("a = dependency('libevent')\nb = dependency('threads')\n")
    (tree / "src/base/meson.build").write_text("dependencies: [a, b]\n")
    (tree / "doc/dependencies.md").write_text("`libevent` turns the loop\n")
    (tree / "README.md").write_text("see [the list](doc/dependencies.md) and [a page](https://example.org/x)\n")
    (tree / "src/base/README").write_text("line\n" * 5)
    return tree


def test_docs_accept_the_good_tree(documents):
    assert check("check-docs", documents) == (0, "check-docs: 0 wrong\n")


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("README.md", "[x](doc/none.md)\n", "README.md:1: link to doc/none.md"),
        ("doc/y.md", "\n[x](z.md#part)\n", "doc/y.md:2: link to z.md#part"),
        ("src/base/README", "short\n", "src/base/README: 1 lines"),
        ("src/io/x.c", GOOD_C, "src/io: no README"),
        ("meson.build", "a = dependency('libnew', version: '>=2')\n", "nothing about `libnew`"),
        ("meson.build", "c = dependency('libevent')\n", "asks for libevent, which nothing uses"),
        ("doc/man/pombo.1", ".TH\n.Xy\n", "mandoc"),
    ],
)
def test_docs_refuse(documents, file, text, words):
    (documents / file).parent.mkdir(exist_ok=True)
    (documents / file).write_text(text)
    status, output = check("check-docs", documents)
    assert status == 1 and words in output


# Hardening

HARDENED = ["-O2", "-fPIE", "-pie", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]
LINKED = ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]
PROGRAM = """#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
	char b[64];
	memset(b, argc, sizeof b);
	snprintf(b, (size_t)argc * 20, "%s", argv[0]);
	return puts(b);
}
"""


def harden(tmp_path, *flags):
    (tmp_path / "p.c").write_text(PROGRAM)
    subprocess.run(["gcc", tmp_path / "p.c", "-o", tmp_path / "p", *flags], check=True)
    done = subprocess.run([ROOT / "tools/check-hardening", tmp_path / "p"], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_hardening_accepts(tmp_path):
    assert harden(tmp_path, *HARDENED, *LINKED) == (0, "check-hardening: 1 files, 0 wrong\n")


@pytest.mark.parametrize(
    ("drop", "instead", "words"),
    [
        ("-pie", "-no-pie", "not a position independent executable"),
        ("-Wl,-z,now", "-Wl,-z,lazy", "no BIND_NOW"),
        ("-Wl,-z,relro", "-Wl,-z,norelro", "no GNU_RELRO"),
        ("-Wl,-z,noexecstack", "-Wl,-z,execstack", "executable stack"),
        ("-fstack-protector-strong", "-fno-stack-protector", "without the stack protector"),
        ("-D_FORTIFY_SOURCE=3", "-O2", "no fortified call"),
    ],
)
def test_hardening_refuses(tmp_path, drop, instead, words):
    flags = [instead if f == drop else f for f in HARDENED + LINKED]
    status, output = harden(tmp_path, *flags)
    assert status == 1 and words in output


def test_hardening_refuses_to_check_nothing(tmp_path):
    done = subprocess.run([ROOT / "tools/check-hardening", "--build", tmp_path], capture_output=True)
    assert done.returncode == 1 and shutil.which("readelf")
