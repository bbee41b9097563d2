#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Writes charset_table.inc: the one-byte charsets of mail as 128 code points each (0x80..0xff), and their names.
import sys

# codec of Python: names in mail, without what is not a letter or digit
TABLES = {
    "cp1252": "windows1252 cp1252 xcp1252 iso88591 latin1 l1 iso885911987 cp819 ibm819 usascii ascii ansix341968"
              " ansix341986 iso646us us cp367 ibm367 ansi 8bit 7bit unknown8bit xunknown",
    "iso8859_2": "iso88592 latin2 l2 iso885921987",
    "iso8859_3": "iso88593 latin3 l3 iso885931988",
    "iso8859_4": "iso88594 latin4 l4 iso885941988",
    "iso8859_5": "iso88595 cyrillic iso885951988",
    "iso8859_6": "iso88596 arabic iso885961987 iso88596i iso88596e",
    "iso8859_7": "iso88597 greek iso885971987",
    "iso8859_8": "iso88598 hebrew iso885981988 iso88598i iso88598e",
    "cp1254": "windows1254 cp1254 iso88599 latin5 l5 iso885991989",
    "iso8859_10": "iso885910 latin6 l6",
    "cp874": "windows874 cp874 iso885911 tis620 tis62025330",
    "iso8859_13": "iso885913 latin7",
    "iso8859_14": "iso885914 latin8",
    "iso8859_15": "iso885915 latin9",
    "iso8859_16": "iso885916 latin10",
    "cp1250": "windows1250 cp1250",
    "cp1251": "windows1251 cp1251",
    "cp1253": "windows1253 cp1253",
    "cp1255": "windows1255 cp1255",
    "cp1256": "windows1256 cp1256",
    "cp1257": "windows1257 cp1257",
    "cp1258": "windows1258 cp1258",
    "koi8_r": "koi8r koi8 cskoi8r",
    "koi8_u": "koi8u koi8ru",
    "cp437": "ibm437 cp437",
    "cp850": "ibm850 cp850",
    "cp852": "ibm852 cp852",
    "cp866": "ibm866 cp866",
    "mac_roman": "macintosh mac macroman xmacroman",
    "mac_cyrillic": "maccyrillic xmaccyrillic",
}


def code_point(codec, byte):
    try:
        return ord(bytes([byte]).decode(codec))
    except UnicodeDecodeError:
        return 0xFFFD


def main(path):
    with open(path, "w", encoding="ascii") as out:
        out.write("/* Made by gen-charset.py. */\n")
        out.write(f"static const uint16_t tables[{len(TABLES)}][128] = {{\n")
        for codec in TABLES:
            points = [code_point(codec, b) for b in range(128, 256)]
            out.write("\t{" + ", ".join(f"0x{p:04x}" for p in points) + "}, /* " + codec + " */\n")
        out.write("};\n\n")
        out.write("static const struct {\n\tconst char *name;\n\tuint32_t table;\n} table_names[] = {\n")
        for i, names in enumerate(TABLES.values()):
            for name in names.split():
                out.write(f'\t{{"{name}", {i}}},\n')
        out.write("};\n")


main(sys.argv[1])
