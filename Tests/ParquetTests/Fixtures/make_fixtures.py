#!/usr/bin/env python3
"""Writes the Parquet files of this folder with pyarrow, DuckDB and polars, and expected.json with what is in them.

    python make_fixtures.py            # needs pyarrow, duckdb, polars

expected.json: {"tables": {name: {column: {"dtype": …, "values": […]}}}, "files": {file: table},
"refused": {file: {"column": …, "code": …, "says": …}}}. Timestamps are microseconds, UUIDs text, NaN and infinities text.
"""
import datetime as dt
import decimal
import json
import math
import os
import pathlib
import uuid

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

HERE = pathlib.Path(__file__).parent
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
tables, files, refused = {}, {}, {}


def plain(value):
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, dt.datetime):
        value = value.replace(tzinfo=value.tzinfo or dt.timezone.utc)
        return (value - EPOCH) // dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days * 86_400_000_000
    if isinstance(value, (decimal.Decimal,)):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.decode()
    return value


def expect(table, columns):
    tables[table] = {name: {"dtype": t, "values": [plain(v) for v in values]} for name, (t, values) in columns.items()}


def save(name, table, arrow, **options):
    pq.write_table(arrow, HERE / name, **options)
    files[name] = table


def nulls(values, every, offset=0):
    return [None if (i + offset) % every == 0 else v for i, v in enumerate(values)]


# ---------------------------------------------------------------- base: every way to lay out the same 300 rows
N = 300
WORDS = ["sun", "moon", "star", "日本", "", "comet", "a rather longer word, so that lengths differ"]
base = {
    "id": ("int64", [(i * 7919) % 1000 - 300 for i in range(N)]),
    "big": ("int64", nulls([(i - 150) * (1 << 54) for i in range(N)], 11)),
    "price": ("float64", nulls([i * 0.37 - 20 for i in range(N)], 7)),
    "score": ("float32", [i / 16 for i in range(N)]),
    "flag": ("bool", nulls([i % 3 == 0 for i in range(N)], 13)),
    "word": ("string", nulls([WORDS[i * i % 7] for i in range(N)], 5, 2)),
    "unique": ("string", [f"key-{i:05d}-{i * i}" for i in range(N)]),
    "at": ("timestamp", nulls([EPOCH + dt.timedelta(microseconds=i * 86_399_999_993 - 10**12) for i in range(N)], 17)),
    "vector": ("list<float32>", nulls([[float(j * i) / 4 for j in range(i % 6)] for i in range(N)], 19)),
    "tags": ("list<string>", nulls([nulls([WORDS[(i + j) % 7] for j in range(i % 4)], 6, i) for i in range(N)], 23)),
}
expect("base", base)
ARROW = {
    "int64": pa.int64(), "float64": pa.float64(), "float32": pa.float32(), "bool": pa.bool_(), "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"), "list<float32>": pa.list_(pa.float32()), "list<string>": pa.list_(pa.string()),
}
arrow_base = pa.table({name: pa.array(values, ARROW[t]) for name, (t, values) in base.items()})

for codec in ["none", "snappy", "gzip", "zstd", "lz4"]:
    save(f"arrow_{codec}.parquet", "base", arrow_base, compression=codec)
save("arrow_v2_pages.parquet", "base", arrow_base, data_page_version="2.0", compression="zstd")
save("arrow_v2_pages_none.parquet", "base", arrow_base, data_page_version="2.0", compression="none")
save("arrow_plain.parquet", "base", arrow_base, use_dictionary=False, compression="none")
save("arrow_small_pages.parquet", "base", arrow_base, data_page_size=256, row_group_size=100, write_batch_size=16)
save("arrow_v1_format.parquet", "base", arrow_base, version="1.0")
save("arrow_item_name.parquet", "base", arrow_base, use_compliant_nested_type=False)
save("arrow_checksums.parquet", "base", arrow_base, write_page_checksum=True)
save("arrow_page_index.parquet", "base", arrow_base, write_page_index=True, data_page_size=512)
for version in ["1.0", "2.0"]:
    save(
        f"arrow_delta_v{version[0]}.parquet", "base", arrow_base, use_dictionary=False, data_page_version=version,
        column_encoding={
            "id": "DELTA_BINARY_PACKED", "big": "DELTA_BINARY_PACKED", "price": "BYTE_STREAM_SPLIT",
            "score": "BYTE_STREAM_SPLIT", "flag": "RLE", "word": "DELTA_BYTE_ARRAY", "unique": "DELTA_BYTE_ARRAY",
            "at": "DELTA_BINARY_PACKED", "vector.list.element": "BYTE_STREAM_SPLIT",
            "tags.list.element": "DELTA_LENGTH_BYTE_ARRAY",
        })
save(
    "arrow_delta_length.parquet", "base", arrow_base, use_dictionary=False,
    column_encoding={"unique": "DELTA_LENGTH_BYTE_ARRAY", "word": "DELTA_LENGTH_BYTE_ARRAY", "id": "BYTE_STREAM_SPLIT"})
required = pa.schema([f.with_nullable(False) if not base[f.name][1].count(None) else f for f in arrow_base.schema])
save("arrow_required.parquet", "base", arrow_base.cast(required))

polars_base = pl.from_arrow(arrow_base)
for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4"]:
    name = f"polars_{codec}.parquet"
    polars_base.write_parquet(HERE / name, compression=codec)
    files[name] = "base"
polars_base.write_parquet(HERE / "polars_groups.parquet", row_group_size=64, data_page_size=300)
files["polars_groups.parquet"] = "base"

duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'; SET threads = 1")
duck.register("base", arrow_base)
for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4_raw"]:
    for version in ["V1", "V2"]:
        if codec not in ["uncompressed", "zstd"] and version == "V2":
            continue
        name = f"duckdb_{codec}_{version.lower()}.parquet"
        duck.execute(f"COPY base TO '{HERE / name}' (FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION {version})")
        files[name] = "base"

# ---------------------------------------------------------------- types: what other types become
D = decimal.Decimal
days = [dt.date(1969, 12, 31), None, dt.date(2025, 1, 31), dt.date(1582, 10, 15)]
moments = [EPOCH - dt.timedelta(seconds=1), None, EPOCH + dt.timedelta(days=20000, milliseconds=5), EPOCH]
types = {
    "i8": ("int64", [-128, None, 127, 0], pa.int8()), "i16": ("int64", [-32768, None, 32767, 0], pa.int16()),
    "i32": ("int64", [-(2**31), None, 2**31 - 1, 0], pa.int32()), "u8": ("int64", [0, None, 255, 1], pa.uint8()),
    "u16": ("int64", [0, None, 65535, 1], pa.uint16()), "u32": ("int64", [0, None, 2**32 - 1, 1], pa.uint32()),
    "u64": ("int64", [0, None, 2**63 - 1, 1], pa.uint64()), "f16": ("float32", [0.5, None, -65504.0, 6e-8], pa.float16()),
    "f32": ("float32", [math.nan, None, -math.inf, 1.5], pa.float32()),
    "f64": ("float64", [math.nan, None, math.inf, -1e-300], pa.float64()),
    "date": ("timestamp", days, pa.date32()), "ms": ("timestamp", moments, pa.timestamp("ms")),
    "us": ("timestamp", moments, pa.timestamp("us", tz="Asia/Tokyo")), "s": ("timestamp", [m and m.replace(microsecond=0) for m in moments], pa.timestamp("s")),
    "d_small": ("float64", [D("-123.45"), None, D("0.01"), D("999.99")], pa.decimal128(5, 2)),
    "d_mid": ("float64", [D("-1234567890123.45"), None, D("0.01"), D("1.00")], pa.decimal128(15, 2)),
    "d_big": ("float64", [D("-12345678901234567890.5"), None, D("0.1"), D("1.0")], pa.decimal128(38, 1)),
    "d_huge": ("float64", [D("-1"), None, D(10) ** 60, D(0)], pa.decimal256(76, 0)),
    "time_ms": ("int64", [dt.time(0, 0, 1), None, dt.time(23, 59, 59), dt.time(0)], pa.time32("ms")),
    "time_us": ("int64", [dt.time(0, 0, 1), None, dt.time(23, 59, 59), dt.time(0)], pa.time64("us")),
    "large": ("string", ["a", None, "", "日本"], pa.large_string()), "view": ("string", ["a", None, "", "日本"], pa.string_view()),
    "binary": ("string", [b"a", None, b"", "日本".encode()], pa.binary()),
    "fixed": ("string", [b"abc", None, b"def", b"ghi"], pa.binary(3)),
    "dictionary": ("string", ["x", None, "y", "x"], pa.dictionary(pa.int32(), pa.string())),
    "none": ("int64", [None] * 4, pa.null()), "duration": ("int64", [1, None, -5, 0], pa.duration("us")),
    "json": ("string", ['{"a":1}', None, "[]", "null"], pa.json_()),
    "large_list": ("list<int64>", [[1, 2], None, [], [3]], pa.large_list(pa.int64())),
    "fixed_list": ("list<float32>", [[1.0, 2.0], [0.0, 0.0], [3.0, None], [4.0, 5.0]], pa.list_(pa.float32(), 2)),
    "list_bool": ("list<bool>", [[True, None], None, [], [False]], pa.list_(pa.bool_())),
    "list_date": ("list<timestamp>", [[days[0], None], None, [], [days[2]]], pa.list_(pa.date32())),
}
ids = [uuid.UUID("00000000-0000-4000-8000-00000000000a"), None, uuid.UUID(int=2**128 - 1), uuid.UUID(int=0)]


def microseconds(value):
    return None if value is None else ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000


def rounded(kind, values):
    if kind == "float32":
        return [None if v is None else pa.scalar(v, pa.float32()).as_py() for v in values]
    return values


def typed(name, values, kind):
    if name == "f16":
        return pa.array([None if v is None else float(v) for v in values], pa.float32()).cast(pa.float16())
    return pa.array(values, kind)


arrow_types = pa.table({name: typed(name, values, kind) for name, (_, values, kind) in types.items()})
arrow_types = arrow_types.append_column("uuid", pa.array([i and i.bytes for i in ids], pa.uuid()))
shown = {}
for name, (kind, values, _) in types.items():
    if name.startswith("time_"):
        values = [microseconds(v) for v in values]
    if name == "f16":
        values = [None if v is None else float(v) for v in typed(name, values, None).to_pylist()]
    shown[name] = (kind, values)
shown["uuid"] = ("uuid", ids)
expect("types", shown)
save("arrow_types.parquet", "types", arrow_types)
save("arrow_types_delta.parquet", "types", arrow_types, use_dictionary=False, data_page_version="2.0", column_encoding={
    **{n: "DELTA_BINARY_PACKED" for n in ["i8", "i16", "i32", "u8", "u16", "u32", "u64", "date", "ms", "time_ms"]},
    **{n: "BYTE_STREAM_SPLIT" for n in ["f16", "f32", "f64", "fixed", "d_small", "uuid"]},
    **{n: "DELTA_BYTE_ARRAY" for n in ["d_mid", "large", "binary"]}})
save("arrow_decimal_integers.parquet", "types", arrow_types, store_decimal_as_integer=True)

expect("times", {"at": ("timestamp", [EPOCH - dt.timedelta(microseconds=1), None, EPOCH + dt.timedelta(days=20000, microseconds=7)])})
nanos = pa.array([-1, None, 20000 * 86_400_000_000_000 + 7999], pa.timestamp("ns"))
save("arrow_nanoseconds.parquet", "times", pa.table({"at": nanos}))
save("arrow_int96.parquet", "times", pa.table({"at": nanos}), use_deprecated_int96_timestamps=True)
expect("nothing", {name: (t, []) for name, (t, _) in base.items()})
save("arrow_empty.parquet", "nothing", arrow_base.slice(0, 0))
expect("nulls", {"a": ("string", [None] * 40), "b": ("list<float32>", [None] * 40), "c": ("float64", [None] * 40)})
arrow_nulls = pa.table({"a": pa.array([None] * 40, pa.string()), "b": pa.array([None] * 40, pa.list_(pa.float32())), "c": pa.array([None] * 40, pa.float64())})
save("arrow_nulls.parquet", "nulls", arrow_nulls)
pl.from_arrow(arrow_nulls).write_parquet(HERE / "polars_nulls.parquet")
files["polars_nulls.parquet"] = "nulls"

# Bytes that are no text, which JSON could not show.
pq.write_table(pa.table({"x": pa.array([b"\xff\xfe"])}), HERE / "arrow_no_text.parquet")

duck.execute("""CREATE TABLE kinds AS SELECT * FROM (VALUES
  (1::TINYINT, 2::UTINYINT, 3::UINTEGER, 4.5::DECIMAL(9,1), 4.5::DECIMAL(18,1), 4.5::DECIMAL(30,1), 7::HUGEINT, 'a'::BLOB,
   '00000000-0000-4000-8000-00000000000a'::UUID, DATE '2025-01-31', TIMESTAMP '2025-01-31 12:00:00.000001',
   TIMESTAMPTZ '2025-01-31 12:00:00+00', TIMESTAMP_NS '2025-01-31 12:00:00.000001999', TIME '00:00:01', 'x'::VARCHAR, [1.5::FLOAT, NULL]),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) AS t(i8, u8, u32, d9, d18, d30, huge, blob, id, day, "at", atz, at_ns, clock, e, list)""")
duck.execute("CREATE TYPE letter AS ENUM ('x', 'y'); ALTER TABLE kinds ALTER e TYPE letter")
noon = dt.datetime(2025, 1, 31, 12, tzinfo=dt.timezone.utc)
micro = noon + dt.timedelta(microseconds=1)
expect("kinds", {
    "i8": ("int64", [1, None]), "u8": ("int64", [2, None]), "u32": ("int64", [3, None]), "d9": ("float64", [4.5, None]),
    "d18": ("float64", [4.5, None]), "d30": ("float64", [4.5, None]), "huge": ("float64", [7.0, None]), "blob": ("string", ["a", None]),
    "id": ("uuid", [ids[0], None]), "day": ("timestamp", [dt.date(2025, 1, 31), None]), "at": ("timestamp", [micro, None]),
    "atz": ("timestamp", [noon, None]), "at_ns": ("timestamp", [micro, None]), "clock": ("int64", [1_000_000, None]),
    "e": ("string", ["x", None]), "list": ("list<float32>", [[1.5, None], None])})
duck.execute(f"COPY kinds TO '{HERE / 'duckdb_kinds.parquet'}' (FORMAT parquet)")
files["duckdb_kinds.parquet"] = "kinds"

# ---------------------------------------------------------------- refused
def refuse(name, code, says, column=None, arrow=None, **options):
    if arrow is not None:
        pq.write_table(arrow, HERE / name, **options)
    refused[name] = {"code": code, "says": says, "column": column}


one = pa.table({"x": pa.array([1, 2], pa.int64())})
refuse("refused_struct.parquet", "parquet.unsupported", "it is a struct", "x", pa.table({"x": pa.array([{"a": 1, "b": "c"}])}))
refuse("refused_map.parquet", "parquet.unsupported", "it is a map", "x", pa.table({"x": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))}))
refuse("refused_list_list.parquet", "parquet.unsupported", "it is a list of lists", "x", pa.table({"x": pa.array([[[1]], [[2], []]])}))
refuse("refused_list_struct.parquet", "parquet.unsupported", "it is a list of structs", "x", pa.table({"x": pa.array([[{"a": 1, "b": 2}]])}))
refuse("refused_brotli.parquet", "parquet.unsupported", "Brotli", "x", one, compression="brotli")
refuse("refused_u64.parquet", "parquet.unsupported", "18446744073709551615", "x", pa.table({"x": pa.array([2**64 - 1], pa.uint64())}))
duck.execute(f"COPY (SELECT INTERVAL 1 DAY AS x) TO '{HERE / 'refused_interval.parquet'}' (FORMAT parquet)")
refuse("refused_interval.parquet", "parquet.unsupported", "interval", "x")


class Kms(pe.KmsClient):
    def wrap_key(self, key, master):
        return key.hex()

    def unwrap_key(self, wrapped, master):
        return bytes.fromhex(wrapped)


for name, plaintext in [("refused_encrypted.parquet", False), ("refused_encrypted_column.parquet", True)]:
    properties = pe.CryptoFactory(lambda _: Kms()).file_encryption_properties(
        pe.KmsConnectionConfig(), pe.EncryptionConfiguration(footer_key="f", column_keys={"c": ["x"]}, plaintext_footer=plaintext))
    with pq.ParquetWriter(HERE / name, one.schema, encryption_properties=properties) as writer:
        writer.write_table(one)
    refuse(name, "parquet.unsupported", "encrypted")
whole = (HERE / "arrow_plain.parquet").read_bytes()
(HERE / "refused_truncated.parquet").write_bytes(whole[: len(whole) // 2])
refuse("refused_truncated.parquet", "parquet.out_of_spec", "truncated")
(HERE / "refused_text.parquet").write_bytes(b"id,name\n1,a\n2,b\n")
refuse("refused_text.parquet", "parquet.out_of_spec", "not a Parquet file")
damaged = bytearray((HERE / "arrow_checksums.parquet").read_bytes())
damaged[200] ^= 1
(HERE / "refused_checksum.parquet").write_bytes(damaged)
refuse("refused_checksum.parquet", "parquet.out_of_spec", "checksum")

(HERE / "expected.json").write_text(
    json.dumps({"tables": tables, "files": files, "refused": refused}, ensure_ascii=False, indent=0, sort_keys=True))
print(len(files), "files,", len(refused), "refused,", sum(f.stat().st_size for f in HERE.iterdir()) // 1024, "KiB")
