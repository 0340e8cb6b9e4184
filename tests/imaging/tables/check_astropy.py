"""Tables as astropy reads and writes them: check_astropy.py TABLE_DUMP [SEED]

Random tables of all types, written by astropy in every encoding, and astropy's own test files, are read back equal.
"""

import collections
import gzip
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import astropy.io.fits.tests
import astropy.io.votable.tests
import numpy as np
from astropy import units
from astropy.io import fits, votable
from astropy.table import MaskedColumn, Table

warnings.simplefilter("ignore")
program = sys.argv[1]
seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("CUBELINK_SEED", "1"))
rounds = int(os.environ.get("CUBELINK_ROUNDS", "4"))
print("seed", seed)
rng = np.random.default_rng(seed)
Dump = collections.namedtuple("Dump", "info columns")
Cells = collections.namedtuple("Cells", "info values missing")
DTYPES = {"uint8": "u1", "int8": "i1", "uint16": "<u2", "int16": "<i2", "uint32": "<u4", "int32": "<i4", "uint64": "<u8", "int64": "<i8", "float": "<f4",
          "double": "<f8", "boolean": "?"}  # fmt: skip
checked = 0


class Failed(Exception):
    pass


def dump(path, share=256 << 20, most_rows=2**62, threads=2):
    run = subprocess.run([program, path, str(share), str(most_rows), str(threads)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    if run.returncode == 2:
        raise Failed(run.stderr.decode())
    assert run.returncode == 0, (path, run.returncode, run.stderr[-2000:])
    line, _, out = run.stdout.partition(b"\n")
    info = json.loads(line)
    rows, at, columns = info["rows"], 0, []
    for column in info["columns"]:
        if column["type"] == "unsupported":
            columns.append(Cells(column, None, None))
            continue
        missing = np.frombuffer(out, "?", rows, at)
        at += rows
        if column["type"] != "string":
            values = np.frombuffer(out, DTYPES[column["type"]], rows, at)
            at += values.nbytes
        else:
            ends = np.frombuffer(out, "<u4", rows, at)
            at += ends.nbytes
            text = out[at : at + int(ends[-1])] if rows else b""
            at += len(text)
            values = [text[a:b].decode() for a, b in zip(np.concatenate([[0], ends[:-1]]), ends)] if rows else []
        columns.append(Cells(column, values, missing))
    assert at == len(out), (path, at, len(out))
    return Dump(info, columns)


def same(path, cells, expected, mask=None):
    """`expected`: numpy array of numbers, or a list of texts; `mask`: where there is no value, if that is known."""
    global checked
    checked += 1
    where = (path, cells.info["name"])
    if cells.info["type"] == "string":
        assert list(cells.values) == list(expected), (*where, cells.values[:5], list(expected)[:5])
        assert all(missing == (text == "") for missing, text in zip(cells.missing, cells.values)), where
        return
    expected = np.array(expected)
    if mask is None:
        mask = np.zeros(len(expected), bool)
        assert expected.dtype.kind == "f" or not cells.missing.any(), where
    mask = np.broadcast_to(mask, expected.shape)
    if expected.dtype.kind == "f":  # a missing one is NaN; whether a NaN is missing depends on the format
        expected = np.where(mask, np.nan, expected)
        assert np.isnan(np.asarray(cells.values, float)[cells.missing]).all(), where
    else:
        # astropy has 0 for empty cells, and no mask.
        assert (cells.missing[mask]).all() and (cells.missing <= (mask | (expected == 0))).all(), (*where, cells.missing[:20], mask[:20])
        expected = np.where(mask, expected.dtype.type(0), expected)
    np.testing.assert_array_equal(np.asarray(cells.values), expected, err_msg=str(where))


def texts_of(column):
    """Strings as astropy has them, without what stands for missing ones."""
    filled = np.ma.filled(column, "") if isinstance(column, np.ma.MaskedArray) else column
    return ["" if one is None else one.decode("latin1") if isinstance(one, bytes) else str(one) for one in filled]


# --- VOTable


def votable_tables(path):
    return [table for table in votable.parse(path, verify="ignore").iter_tables()]


def check_votable(path, **options):
    tables = votable_tables(path)
    table = next((one for one in tables if len(one.array)), next((one for one in tables if one.fields), None))
    result = dump(path, **options)
    assert result.info["format"] == 1
    assert len(result.columns) == len(table.fields), path
    assert result.info["rows"] == len(table.array), path
    for cells, field in zip(result.columns, table.fields):
        assert cells.info["name"] == (field.name or field.ID)
        assert cells.info["unit"] == ("" if field.unit is None else str(field._unit_original if hasattr(field, "_unit_original") else cells.info["unit"]))
        assert cells.info["ucd"] == (field.ucd or "")
        array = table.array[field.ID]
        if array.dtype.kind in "OSU" and field.datatype in ("char", "unicodeChar"):
            size = (field.arraysize or "1").rstrip("*")  # astropy cuts what is longer
            cut = cells._replace(values=[text[: int(size)].strip() for text in cells.values]) if size else cells
            same(path, cut, [text.strip() for text in texts_of(array)])
        elif array.ndim > 1 or array.dtype.kind in "Oc" or (field.datatype == "bit" and field.arraysize not in (None, "1")) or field.datatype.endswith("Complex"):
            assert cells.info["type"] == "unsupported", (path, cells.info)
        else:
            values, mask = np.asarray(array.data), np.ma.getmaskarray(array)
            if path.endswith("regression.xml") and field.datatype == "short":  # 0xffff: all bits for us, too large a number for astropy
                values = np.where((values == 32767) & (cells.values == -1), np.int16(-1), values)
            if any("shown as missing" in text for text in result.info["warnings"]):  # astropy takes the nearest number
                values, mask = np.where(cells.missing, values.dtype.type(0), values), mask | cells.missing
            same(path, cells, values, mask)
    return result


def random_text(length):
    return "".join(rng.choice(list("abc XYZ<>&\"'019,;"), length)).strip()


def random_table(rows, masked=True, wide=True):
    table = Table(masked=masked)
    mask = (lambda: rng.random(rows) < 0.2) if masked else (lambda: np.zeros(rows, bool))

    def add(name, values):
        table[name] = MaskedColumn(values, mask=mask()) if masked and values.ndim == 1 else values

    add("flag", rng.random(rows) < 0.5)
    for name in ("u1", "i2", "i4", "i8"):
        limits = np.iinfo(name)
        values = rng.integers(limits.min, limits.max, rows, dtype=name, endpoint=True)
        values[:2] = [limits.min, limits.max][: len(values[:2])]
        add(name, values)
    for name in ("f4", "f8"):
        values = (rng.normal(size=rows) * 10.0 ** rng.integers(-30, 30, rows)).astype(name)
        values[rng.random(rows) < 0.1] = np.nan
        values[rng.random(rows) < 0.1] = np.inf
        values[rng.random(rows) < 0.1] = -np.inf
        add(name, values)
    add("fixed", np.array([random_text(rng.integers(0, 12)) for _ in range(rows)], "S12"))
    if wide:
        add("wide", np.array([random_text(rng.integers(0, 9)) + rng.choice(["", "αβ", "日本"]) for _ in range(rows)], "U12"))
    table["array"] = rng.normal(size=(rows, 3))
    table["complex"] = rng.normal(size=rows) + 1j
    table["last"] = np.arange(rows)
    for name in ("f4", "f8"):
        table[name].unit = units.Jy
    return table


def variable_table(rows):
    """Fields that astropy's Table does not make."""
    file = votable.tree.VOTableFile()
    resource = votable.tree.Resource()
    file.resources.append(resource)
    table = votable.tree.Table(file)
    resource.tables.append(table)
    kinds = [("bit", "8"), ("bit", "11"), ("bit", None), ("char", "*"), ("int", "*"), ("double", "2x3"), ("unicodeChar", "*"), ("floatComplex", None), ("boolean", "3"), ("short", None)]
    for i, (datatype, arraysize) in enumerate(kinds):
        extra = {} if arraysize is None else {"arraysize": arraysize}
        table.fields.append(votable.tree.Field(file, ID=f"f{i}", name=f"name {i}", datatype=datatype, ucd="meta.id", **extra))
    table.fields[-1].values.null = -99
    table.create_arrays(rows)
    for row in range(rows):
        table.array[row] = (rng.random(8) < 0.5, rng.random(11) < 0.5, rng.random() < 0.5, random_text(rng.integers(0, 200)), np.ma.array(rng.integers(-5, 5, rng.integers(0, 9), dtype="i4"), mask=False, shrink=False), rng.normal(size=(3, 2)),
                            random_text(rng.integers(0, 20)) + "é", 1 + 2j, rng.random(3) < 0.5, -99 if row % 5 == 0 else row)  # fmt: skip
        table.array.mask[row] = (False,) * 9 + (row % 5 == 0,)
    return file


def check_random_votables(folder):
    for round in range(rounds):
        rows = int(rng.choice([0, 1, 7, 8, 9, 100, 3000]))
        file = votable.from_table(random_table(rows))
        file.version = "1.3"
        for field in file.get_first_table().fields:
            if field.ID in ("u1", "i2", "i4", "i8"):
                field.values.null = 77
        extra = variable_table(rows if rows < 200 else 50)
        extra.version = "1.3"
        for encoding in ("tabledata", "binary", "binary2"):
            for name, one in (("table", file), ("variable", extra)):
                path = os.path.join(folder, f"{name}.{round}.{encoding}.xml")
                one.to_xml(path, tabledata_format=encoding)
                check_votable(path, share=int(rng.choice([0, 1 << 16, 1 << 28])))
                with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as packed:
                    packed.write(plain.read())
                assert repr(dump(path + ".gz")) == repr(dump(path)), path


def check_votable_files():
    folder = Path(astropy.io.votable.tests.__file__).parent / "data"
    no_table = {"irsa-nph-error.xml", "no_field_not_empty_table.xml", "no_resource.xml", "resource_groups.xml"}
    count = 0
    for path in sorted(folder.glob("*.xml*")):
        if path.name in no_table:
            try:
                dump(str(path))
            except Failed as error:
                assert path.name in str(error), error
                continue
            raise AssertionError(path)
        if path.name in {"custom_datatype.xml", "timesys_errors.xml", "too_many_columns.xml.gz"}:  # which astropy refuses
            assert dump(str(path)).info["rows"] == 1, path
            continue
        check_votable(str(path))
        count += 1
    assert count >= 10, count


# --- FITS


def check_fits(path, number, **options):
    result = dump(path, **options)
    assert result.info["format"] == 0
    with fits.open(path, memmap=False) as file:
        hdu = file[number]
        data, header = hdu.data, hdu.header
        assert result.info["rows"] == len(data), path
        assert [cells.info["name"] for cells in result.columns] == [name or f"column {i + 1}" for i, name in enumerate(hdu.columns.names)], path
        for index, (cells, column) in enumerate(zip(result.columns, hdu.columns)):
            values = data.field(index)
            if cells.info["type"] == "unsupported":
                # A repeat of 1 is no array.
                assert values.dtype.kind in "cO" or values.ndim > 1 or column.format in ("0A", "0D") or "X" in column.format or values.dtype.itemsize == 0, (path, cells.info)
                continue
            assert values.size == len(data), (path, cells.info)  # TDIM may be (1,1)
            values = values.reshape(len(data))
            assert cells.info["unit"] == (column.unit or ""), path
            if values.dtype.kind in "SU":
                same(path, cells, [str(one).rstrip() for one in values])
                continue
            mask = np.zeros(len(values), bool)
            null = header.get(f"TNULL{index + 1}")
            if isinstance(hdu, fits.TableHDU):
                raw = np.asarray(data.view(np.ndarray)[data.dtype.names[index]]) if data.dtype.names else None
                texts = [one.decode().strip() for one in raw]
                mask = np.array([one == "" or (null is not None and one == str(null).strip()) for one in texts])
                values = np.array(values, float)
                np.testing.assert_array_equal(cells.missing, mask, err_msg=path)
                np.testing.assert_array_equal(np.asarray(cells.values, float)[~mask], values[~mask], err_msg=path)
                continue
            if null is not None and values.dtype.kind in "iu":
                mask = np.asarray(values) == null
            if null is not None and values.dtype.kind == "f" and column.format.lstrip("1") in "BIJK":
                mask = np.asarray(cells.missing)
            if values.dtype.kind == "b":
                mask = np.asarray(data.view(np.ndarray)[data.dtype.names[index]]).view("u1") == 0
            same(path, cells, np.asarray(values).astype(values.dtype.newbyteorder("=")), mask)
    return result


def random_fits(rows):
    table = random_table(rows, masked=False, wide=False)
    columns = [fits.Column(name=name, format=form, array=table[name].data) for name, form in
               (("flag", "L"), ("u1", "B"), ("i2", "I"), ("i4", "J"), ("i8", "K"), ("f4", "E"), ("f8", "1D"), ("fixed", "12A"), ("array", "3D"), ("complex", "M"))]  # fmt: skip
    for name, form, zero in (("u2", "I", 2**15), ("u4", "J", 2**31), ("u8", "K", 2**63)):
        limits = np.iinfo(name)
        columns.append(fits.Column(name=name, format=form, bzero=zero, array=rng.integers(limits.min, limits.max, rows, dtype=name, endpoint=True)))
    columns.append(fits.Column(name="null", format="J", null=-7, array=np.where(rng.random(rows) < 0.3, -7, rng.integers(0, 100, rows)).astype("i4"), unit="count"))
    for name, form in (("i1", "B"), ("scaled", "I"), ("scaled float", "E"), ("scaled null", "J")):
        columns.append(fits.Column(name=name, format=form, array=rng.integers(0, 100, rows)))
    columns.append(fits.Column(name="bits", format="11X", array=rng.random((rows, 11)) < 0.5))
    columns.append(fits.Column(name="variable", format="PJ()", array=np.array([np.arange(rng.integers(0, 5), dtype="i4") for _ in range(rows)] + [None], dtype=object)[:-1]))
    columns.append(fits.Column(name="names", format="12A", dim="(4,3)", array=np.array([["a", "b", "c"]] * rows, "S4")))
    hdu = fits.BinTableHDU.from_columns(columns, name="sources")
    for name, scale, zero in (("i1", 1, -128), ("scaled", 0.25, 3.5), ("scaled float", -2.0, 0.5), ("scaled null", 1.5, 0.0)):
        index = hdu.columns.names.index(name) + 1
        hdu.header[f"TSCAL{index}"], hdu.header[f"TZERO{index}"] = scale, zero
    hdu.header[f"TNULL{index}"] = 5
    return hdu


def random_ascii(rows):
    return fits.TableHDU.from_columns([
        fits.Column(name="a", format="A9", ascii=True, array=np.array([random_text(rng.integers(0, 9)) for _ in range(rows)], "S9")),
        fits.Column(name="i", format="I6", ascii=True, array=rng.integers(-9999, 9999, rows)),
        fits.Column(name="j", format="I12", ascii=True, array=rng.integers(-(2**31), 2**31 - 1, rows)),
        fits.Column(name="e", format="E15.7", ascii=True, array=rng.normal(size=rows).astype("f4")),
        fits.Column(name="d", format="D25.16", ascii=True, array=rng.normal(size=rows) * 1e30),
        fits.Column(name="f", format="F12.4", ascii=True, array=rng.normal(size=rows)),
    ])  # fmt: skip


def check_random_fits(folder):
    for round in range(rounds):
        for name, make in (("binary", random_fits), ("ascii", random_ascii)):
            rows = int(rng.choice([1, 7, 8, 9, 100, 3000, 70000 if round == 0 else 2]))
            path = os.path.join(folder, f"{name}.{round}.fits")
            empty = fits.BinTableHDU.from_columns([fits.Column(name="x", format="D", array=np.zeros(0))], name="nothing")
            fits.HDUList([fits.PrimaryHDU(np.zeros((3, 4))), empty, make(rows), random_ascii(2)]).writeto(path)
            result = check_fits(path, 2, share=int(rng.choice([0, 1 << 16, 1 << 28])), threads=int(rng.integers(1, 4)))
            assert result.info["others"] == ['HDU 1 ("NOTHING", 1 column, 0 rows)', "HDU 3 (6 columns, 2 rows)"], result.info["others"]
            with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as packed:
                packed.write(plain.read())
            assert repr(dump(path + ".gz")) == repr(result), path
            head = dump(path, most_rows=5)
            assert head.info["rows"] == min(rows, 5) and dump(path, most_rows=0).info["info_rows"] == rows


def check_fits_files():
    folder = Path(astropy.io.fits.tests.__file__).parent / "data"
    count = 0
    for path in sorted(folder.glob("*.fits")):
        with fits.open(path) as file:
            tables = [i for i, hdu in enumerate(file) if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU)) and not isinstance(hdu, fits.CompImageHDU)]
            full = [i for i in tables if len(file[i].data) and file[i].header["NAXIS1"]]
        if not tables:
            try:
                dump(str(path))
            except Failed:
                continue
            raise AssertionError(path)
        if full:
            check_fits(str(path), full[0])
            count += 1
        else:
            assert dump(str(path)).info["rows"] == 0
    assert count >= 8, count


# --- text


def check_text(folder):
    for round in range(rounds):
        rows = int(rng.choice([1, 8, 100, 3000]))
        table = random_table(rows)
        table.remove_columns(["array", "complex"])
        table["fixed"] = np.char.decode(np.ma.filled(table["fixed"].data, b""), "ascii")
        table["fixed"][0] = "a\nb, \"c\""
        table["wide"][0] = "x"
        for form, delimiter, kind in (("csv", ",", "ascii.csv"), ("ecsv", ",", "ascii.ecsv"), ("blank.ecsv", " ", "ascii.ecsv"), ("tsv", "\t", "ascii.csv")):
            path = os.path.join(folder, f"text.{round}.{form}")
            # Signed infinities and all integers are written in full by astropy.
            table.write(path, format=kind, delimiter=delimiter)
            result = dump(path)
            assert result.info["format"] == 2 and result.info["rows"] == rows, (path, result.info)
            assert [cells.info["name"] for cells in result.columns] == table.colnames
            for cells in result.columns:
                column = table[cells.info["name"]]
                if column.dtype.kind in "SU":
                    same(path, cells, [one.strip() if not ("\n" in one) else one for one in texts_of(column)] if form.endswith("csv") else texts_of(column))
                    continue
                if np.ma.getmaskarray(column).all():
                    continue
                mask = np.ma.getmaskarray(column)
                if column.dtype.kind == "f":
                    expected = np.where(mask, np.nan, np.asarray(column.data, float))
                    if cells.info["type"] == "int64" or cells.info["type"] == "string":
                        continue  # all of its values can be so
                    np.testing.assert_array_equal(np.asarray(cells.values, float), expected, err_msg=path)
                elif column.dtype.kind == "b":
                    np.testing.assert_array_equal(cells.values, np.where(mask, False, column.data))
                else:
                    np.testing.assert_array_equal(np.asarray(cells.values, object), np.where(mask, 0, column.data).astype(object))
                if form.endswith("ecsv"):
                    assert cells.info["type"] == {"f4": "float", "f8": "double", "b1": "boolean"}.get(column.dtype.str[1:], column.dtype.name), cells.info
                    assert cells.info["unit"] == ("" if column.unit is None else str(column.unit))


def check_ipac(folder):
    for round in range(rounds):
        rows = int(rng.choice([1, 8, 100, 3000]))
        table = random_table(rows, wide=False)
        table.remove_columns(["array", "complex", "flag"])
        table["fixed"] = MaskedColumn([text.replace("|", "") or "x" for text in texts_of(table["fixed"])], mask=rng.random(rows) < 0.2)
        path = os.path.join(folder, f"ipac.{round}.tbl")
        table.write(path, format="ascii.ipac", overwrite=True)
        result, expected = dump(path), Table.read(path, format="ascii.ipac")
        assert result.info["rows"] == rows and not result.info["warnings"], (path, result.info)
        assert [cells.info["name"] for cells in result.columns] == expected.colnames
        for cells in result.columns:
            column = expected[cells.info["name"]]
            assert cells.info["unit"] == ("" if column.unit is None else str(column.unit))
            if column.dtype.kind in "SU":
                same(path, cells, texts_of(column))
            else:
                same(path, cells, np.asarray(column.data, float if column.dtype.kind == "f" else int), np.ma.getmaskarray(column))


with tempfile.TemporaryDirectory() as folder:
    check_votable_files()
    check_fits_files()
    check_random_votables(folder)
    check_random_fits(folder)
    check_text(folder)
    check_ipac(folder)
print(checked, "columns are equal")
assert checked > 200
