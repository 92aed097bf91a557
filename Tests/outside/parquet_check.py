"""Checks tt's Parquet files against pyarrow, DuckDB and polars, both ways.

    python Tests/outside/parquet_check.py --tt PATH_TO_TT [--seed N] [--keep FOLDER]

Files written by tt under many options must hold the same table for all three readers, with honest statistics. Files
the three write in many variants must read the same in tt, or be refused with a message that says why. Needs pyarrow,
duckdb, polars and numpy. Prints a line per check and a closing line; exit status 1 when one failed.
"""

import datetime as dt
import decimal
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import uuid

import duckdb
import numpy
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption

import common

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
WORDS = ["", "a", "sun", "moon", "日本", "😀", "a longer word that takes more than a few bytes", "x" * 70]

REWRITE = """
for _, job in ipairs(tt.json.read(arg[1])) do
    local frame = tt.parquet.read(job.source)
    if job.parts then
        local writer <close> = tt.parquet.writer(job.target, job.options)
        local file = tt.parquet.open(job.source)
        for part in file:row_groups() do writer:write(part) end
        writer:close()
    else
        tt.parquet.write(job.target, frame, job.options)
    end
end
"""

DUMP = """
local null = tt.json.null
local function plain(value, length)
    if math.type(value) == "float" then
        if value ~= value then return "nan" end
        if value == math.huge then return "inf" end
        if value == -math.huge then return "-inf" end
    elseif type(value) == "table" then
        local list = {}
        for i = 1, length do list[i] = value[i] == nil and null or plain(value[i]) end
        return tt.json.array(list)
    end
    return value
end
for _, job in ipairs(tt.json.read(arg[1])) do
    local result = {}
    local ok, raised = pcall(function()
        local frame = tt.parquet.read(job.file)
        for _, name in ipairs(frame:columns()) do
            local values = frame:col(name):to_table({null = null})
            -- A list that ends in nil does not know its length.
            local lengths = frame:dtypes()[name]:find("^list") and frame:col(name):len()
            for i = 1, frame:height() do values[i] = plain(values[i], lengths and lengths[i]) end
            result[#result + 1] = {name = name, dtype = frame:dtypes()[name], values = tt.json.array(values)}
        end
    end)
    if not ok then result = {code = raised.code, message = raised.message} end
    tt.json.write(job.out, result)
end
"""


class Checks:
    def __init__(self):
        self.passed, self.failures = 0, []

    def check(self, name, problem):
        if problem:
            self.failures.append(name)
            print(f"FAILED {name}: {problem}")
        else:
            self.passed += 1

    def group(self, name, before):
        print(f"{name}: {self.passed - before[0]} ok" + (f", {len(self.failures) - before[1]} failed" if len(self.failures) > before[1] else ""))


def run(tt, folder, code, jobs):
    script, data = folder / "script.lua", folder / "jobs.json"
    script.write_text(code)
    data.write_text(json.dumps(jobs))
    done = subprocess.run([tt, str(script), str(data)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"tt failed:\n{done.stdout}{done.stderr}")


# ---------------------------------------------------------------- tables of tt's own types

def tables(rng):
    def column(rows, nulls, make):
        return [None if nulls and rng.random() < nulls else make(i) for i in range(rows)]

    def build(rows, nulls):
        word = lambda i: rng.choice(WORDS)
        return pa.table({
            "id": pa.array(column(rows, nulls, lambda i: rng.randrange(-(2**63), 2**63)), pa.int64()),
            "few": pa.array(column(rows, nulls, lambda i: rng.randrange(7) - 3), pa.int64()),
            "f32": pa.array(column(rows, nulls, lambda i: float(numpy.float32(rng.gauss(0, 1)))), pa.float32()),
            "f64": pa.array(column(rows, nulls, lambda i: rng.choice([rng.gauss(0, 1e10), -0.0, 0.0])), pa.float64()),
            "odd": pa.array(column(rows, nulls, lambda i: rng.choice([math.nan, math.inf, -1.0])), pa.float64()),
            "flag": pa.array(column(rows, nulls, lambda i: rng.random() < 0.5), pa.bool_()),
            "word": pa.array(column(rows, nulls, word), pa.string()),
            "unique": pa.array(column(rows, nulls, lambda i: f"{i:07d}-{rng.random()}"), pa.string()),
            "at": pa.array(column(rows, nulls, lambda i: rng.randrange(-(10**15), 10**16)), pa.timestamp("us", tz="UTC")),
            "key": pa.array(column(rows, nulls, lambda i: rng.randbytes(16)), pa.uuid()),
            "vector": pa.array(column(rows, nulls, lambda i: [float(numpy.float32(rng.gauss(0, 1))) for _ in range(rng.randrange(6))]), pa.list_(pa.float32())),
            "holes": pa.array(column(rows, nulls, lambda i: column(rng.randrange(5), nulls, lambda j: rng.random())), pa.list_(pa.float64())),
            "tags": pa.array(column(rows, nulls, lambda i: column(rng.randrange(4), nulls, word)), pa.list_(pa.string())),
            "flags": pa.array(column(rows, nulls, lambda i: column(rng.randrange(4), nulls, lambda j: rng.random() < 0.5)), pa.list_(pa.bool_())),
            "times": pa.array(column(rows, nulls, lambda i: column(rng.randrange(3), nulls, lambda j: rng.randrange(10**15))), pa.list_(pa.timestamp("us", tz="UTC"))),
        })

    yield "full", build(5000, 0)
    yield "holes", build(5000, 0.2)
    yield "sparse", build(2000, 0.97)
    yield "one", build(1, 0)
    yield "empty", build(10, 0).slice(0, 0)
    yield "nulls", build(300, 1)
    ids = sorted(str(uuid.UUID(int=rng.randrange(2**128))) for _ in range(3000))
    vectors = numpy.array([[rng.gauss(0, 1) for _ in range(64)] for _ in range(3000)], dtype=numpy.float32)
    yield "embeddings", pa.table({"video_id": pa.array(ids), "embedding": pa.array(list(vectors), pa.list_(pa.float32()))})


OPTIONS = {
    "default": {}, "none": {"compression": "none"}, "zstd": {"compression": "zstd"},
    "zstd19": {"compression": "zstd", "compression_level": 19, "byte_stream_split": True},
    "split": {"byte_stream_split": True, "compression": "none"}, "no_dictionary": {"dictionary": False},
    "small_pages": {"page_bytes": 1024, "row_group_rows": 700}, "tiny_groups": {"row_group_rows": 97, "compression": "zstd"},
    "uuid_bytes": {"uuid": "fixed", "metadata": {"b": "2", "a": "日本"}},
}


def normal(table):
    """The table as lists; UUIDs, stored as bytes or as text, are text."""
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        if name == "key":
            storage = column.cast(pa.binary(16)) if pa.types.is_fixed_size_binary(column.type) else column
            values = [None if v is None else (v if isinstance(v, uuid.UUID) else uuid.UUID(bytes=v) if isinstance(v, bytes) else uuid.UUID(v)) for v in storage.to_pylist()]
            column = pa.array([None if v is None else str(v) for v in values])
        columns[name] = column.to_pylist()
    return columns


def same(a, b):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b and math.copysign(1, a) == math.copysign(1, b) or a != a and b != b
    if isinstance(a, dt.datetime) and isinstance(b, dt.datetime):
        utc = lambda v: v if v.tzinfo else v.replace(tzinfo=dt.timezone.utc)
        return utc(a) == utc(b)
    return a == b and type(a) == type(b)


def compare(found, expected):
    if list(found) != list(expected):
        return f"columns {list(found)}"
    for name in expected:
        if len(found[name]) != len(expected[name]):
            return f"column {name} has {len(found[name])} rows, not {len(expected[name])}"
        for row, (a, b) in enumerate(zip(found[name], expected[name])):
            if not same(a, b):
                return f"column {name} row {row}: {a!r} is not {b!r}"
    return None


def duck_table(connection, path):
    return connection.sql(f"SELECT * FROM '{path}'").to_arrow_table()


def polars_table(path):
    return polars.read_parquet(path).to_arrow()


def bounds(column):
    """Least and greatest value as statistics may state them."""
    values = [v for v in column.combine_chunks().to_pylist() if v is not None]
    return (min(values), max(values)) if values else (None, None)


def statistics_problem(path, table):
    file = pq.ParquetFile(path)
    row = 0
    for group in range(file.metadata.num_row_groups):
        part = file.metadata.row_group(group)
        for index in range(part.num_columns):
            chunk = part.column(index)
            name = chunk.path_in_schema.split(".")[0]
            if "." in chunk.path_in_schema or name in ("odd", "key"):
                continue
            column = table[name].slice(row, part.num_rows)
            stats = chunk.statistics
            if stats is None or stats.null_count != column.null_count:
                return f"{name}: null count in row group {group}"
            low, high = bounds(column)
            if stats.has_min_max:
                if name == "word" and len(high.encode()) > 64:
                    return f"{name}: a bound longer than 64 bytes"
                if low is None or stats.min > low or stats.max < high or stats.min != low or stats.max != high:
                    return f"{name}: bounds {stats.min!r} {stats.max!r}, not {low!r} {high!r}"
            elif low is not None and name != "word":
                return f"{name}: no bounds"
        row += part.num_rows
    return None


def check_written(checks, tt, folder, rng):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    sources, jobs = {}, []
    for name, table in tables(rng):
        sources[name] = table
        pq.write_table(table, folder / f"{name}.source", row_group_size=333, compression="zstd")
        for option, options in OPTIONS.items():
            for parts in [False, True]:
                if parts and (option not in ("default", "small_pages") or table.num_rows == 0):
                    continue
                jobs.append({"source": str(folder / f"{name}.source"), "options": options, "parts": parts,
                             "target": str(folder / f"{name}-{option}{'-parts' if parts else ''}.parquet")})
    run(tt, folder, REWRITE, jobs)
    readers = {"pyarrow": pq.read_table, "duckdb": lambda path: duck_table(connection, path), "polars": polars_table}
    for reader, read in readers.items():
        before = checks.passed, len(checks.failures)
        for job in jobs:
            path = pathlib.Path(job["target"])
            source = sources[path.name.split("-")[0]]
            try:
                problem = compare(normal(read(path)), normal(source))
            except Exception as error:
                problem = repr(error)
            checks.check(f"{reader} reads {path.name}", problem)
        checks.group(f"{reader} reads files of tt", before)
    before = checks.passed, len(checks.failures)
    for job in jobs:
        path = pathlib.Path(job["target"])
        source = sources[path.name.split("-")[0]]
        checks.check(f"statistics of {path.name}", statistics_problem(path, source))
        if job["parts"]:
            whole = path.with_name(path.name.replace("-parts", ""))
            checks.check(f"{path.name} has the bytes of the whole", None if path.read_bytes() == whole.read_bytes() else "it differs")
    # Readers skip row groups by the statistics: counts must not change.
    for option in ["small_pages", "tiny_groups"]:
        path = folder / f"holes-{option}.parquet"
        for condition in ["few = 2", "few > 1", "word = 'sun'", "f64 < 0", "f64 = 0", '"at" > TIMESTAMPTZ \'2100-01-01\'', "flag", "odd > 5", "\"unique\" < '0000500'", "id IS NULL"]:
            count = lambda p: connection.execute(f"SELECT count(*) FROM '{p}' WHERE {condition}").fetchone()[0]
            found, expected = count(path), connection.execute(f"SELECT count(*) FROM read_parquet('{folder}/holes.source') WHERE {condition}").fetchone()[0]
            checks.check(f"{condition} on {path.name}", None if found == expected else f"{found} rows, not {expected}")
    footer = pq.ParquetFile(folder / "holes-uuid_bytes.parquet").metadata
    checks.check("footer pairs", None if footer.metadata == {b"b": b"2", "a".encode(): "日本".encode()} else repr(footer.metadata))
    checks.check("created by", None if footer.created_by.startswith("tt version ") else footer.created_by)
    wanted = "optional group field_id=-1 embedding (List) {\n    repeated group field_id=-1 list {\n      optional float field_id=-1 element;"
    shape = str(pq.ParquetFile(folder / "embeddings-default.parquet").schema)
    checks.check("the schema of embeddings", None if wanted in shape and "optional binary field_id=-1 video_id (String);" in shape else shape)
    split = pq.ParquetFile(folder / "embeddings-split.parquet").metadata.row_group(0).column(1)
    checks.check("byte streams of embeddings", None if "BYTE_STREAM_SPLIT" in split.encodings else split.encodings)
    checks.group("schemas, statistics and footers", before)


# ---------------------------------------------------------------- files of others

def microseconds(value):
    return (value.replace(tzinfo=value.tzinfo or dt.timezone.utc) - EPOCH) // dt.timedelta(microseconds=1)


def plain(value):
    """A pyarrow value as tt shows it in JSON."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return "nan" if value != value else value if math.isfinite(value) else "inf" if value > 0 else "-inf"
    if hasattr(value, "to_pydatetime"):
        return value.value // 1000
    if isinstance(value, dt.datetime):
        return microseconds(value)
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days * 86_400_000_000
    if isinstance(value, dt.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.decode()
    return value


def foreign_table(rng, rows, nulls):
    """Every type of Arrow that tt reads."""
    def column(kind, make):
        return pa.array([None if rng.random() < nulls else make() for _ in range(rows)], kind)

    def integer(bits, signed=True):
        low = -(2 ** (bits - 1)) if signed else 0
        return lambda: rng.randrange(low, low + 2 ** (bits if bits < 64 or signed else 63))

    moment = lambda: dt.datetime(1900, 1, 1) + dt.timedelta(seconds=rng.randrange(10**10))
    number = lambda digits, scale: (lambda: decimal.Decimal(rng.randrange(-(10**digits) + 1, 10**digits)).scaleb(-scale))
    word = lambda: rng.choice(WORDS)
    columns = {
        "i8": column(pa.int8(), integer(8)), "i16": column(pa.int16(), integer(16)), "i32": column(pa.int32(), integer(32)),
        "i64": column(pa.int64(), integer(64)), "u8": column(pa.uint8(), integer(8, False)), "u16": column(pa.uint16(), integer(16, False)),
        "u32": column(pa.uint32(), integer(32, False)), "u64": column(pa.uint64(), integer(64, False)),
        "f32": column(pa.float32(), lambda: float(numpy.float32(rng.gauss(0, 1)))), "f64": column(pa.float64(), lambda: rng.gauss(0, 1)),
        "flag": column(pa.bool_(), lambda: rng.random() < 0.5), "runs": column(pa.bool_(), lambda: rng.random() < 0.01),
        "text": column(pa.string(), word), "large": column(pa.large_string(), word), "view": column(pa.string_view(), word),
        "bytes": column(pa.binary(), lambda: word().encode()), "fixed": column(pa.binary(5), lambda: b"%05d" % rng.randrange(10**5)),
        "sorted": pa.array([f"prefix/{i // 7:05d}/{i}" for i in range(rows)], pa.string()), "code": column(pa.dictionary(pa.int16(), pa.string()), word),
        "s": column(pa.timestamp("s"), moment), "ms": column(pa.timestamp("ms", tz="Asia/Tokyo"), moment), "us": column(pa.timestamp("us"), moment),
        "day": column(pa.date32(), lambda: moment().date()), "t_ms": column(pa.time32("ms"), lambda: dt.time(rng.randrange(24), 5, 7)),
        "t_us": column(pa.time64("us"), lambda: dt.time(rng.randrange(24), 5, 7, 11)),
        "d5": column(pa.decimal128(5, 2), number(5, 2)), "d14": column(pa.decimal128(14, 6), number(14, 6)), "d38": column(pa.decimal128(38, 10), number(38, 10)),
        "list": column(pa.list_(pa.int32()), lambda: [rng.choice([None, 1, -5]) for _ in range(rng.randrange(5))]),
        "texts": column(pa.list_(pa.string()), lambda: [rng.choice([None, *WORDS]) for _ in range(rng.randrange(5))]),
        "triples": column(pa.list_(pa.float32(), 3), lambda: [0.5, rng.choice([None, 1.5]), float(rng.randrange(9))]),
    }
    table = pa.table(columns)
    ids = [None if rng.random() < nulls else rng.randbytes(16) for _ in range(rows)]
    return table.append_column("uuid", pa.array(ids, pa.uuid()))


def foreign_files(folder, rng):
    """(file, table it holds) for many ways to write a file."""
    count = 0

    def name(writer):
        nonlocal count
        count += 1
        return folder / f"{writer}-{count:03d}.parquet"

    delta = {
        **{c: "DELTA_BINARY_PACKED" for c in ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "ms", "us", "day", "t_ms", "list.list.element"]},
        **{c: "DELTA_BYTE_ARRAY" for c in ["sorted", "text", "fixed", "texts.list.element", "d38"]},
        **{c: "DELTA_LENGTH_BYTE_ARRAY" for c in ["large", "bytes"]},
        **{c: "BYTE_STREAM_SPLIT" for c in ["f32", "f64", "d5", "uuid", "triples.list.element"]}, "flag": "RLE", "runs": "RLE",
    }
    small = {**delta, "i32": "BYTE_STREAM_SPLIT", "i64": "BYTE_STREAM_SPLIT", "text": "PLAIN", "sorted": "DELTA_LENGTH_BYTE_ARRAY"}
    for rows, nulls in [(0, 0), (1, 0), (3, 0.5), (127, 0.3), (1000, 0), (1000, 0.1), (2500, 0.95), (4000, 0.02)]:
        table = foreign_table(rng, rows, nulls)
        for codec in rng.sample(["none", "snappy", "gzip", "zstd", "lz4"], 3 if rows < 2000 else 5):
            for version in ["1.0", "2.0"]:
                for encoding in [None, delta, small]:
                    options = {"use_dictionary": False, "column_encoding": encoding} if encoding else {"use_dictionary": rng.choice([True, ["text", "i32"]])}
                    path = name("pyarrow")
                    pq.write_table(
                        table, path, compression=codec, data_page_version=version, **options,
                        data_page_size=rng.choice([64, 1000, 1 << 20]), write_batch_size=rng.choice([1, 7, 1024]) if rows < 2000 else 1024,
                        row_group_size=rng.choice([rows or 1, rows // 3 + 1]), write_statistics=rng.choice([True, False]),
                        write_page_checksum=rng.choice([True, False]), write_page_index=rng.choice([True, False]),
                        store_decimal_as_integer=rng.choice([True, False]), use_compliant_nested_type=rng.choice([True, False]),
                        version=rng.choice(["2.4", "2.6"]), dictionary_pagesize_limit=rng.choice([300, 1 << 20]))
                    # Not what pyarrow reads back: it refuses a few of its own files (an empty list in DELTA_BYTE_ARRAY).
                    yield path, table
        times = pa.table({"at": pa.array([None if rng.random() < nulls else rng.randrange(-(10**17), 10**18) for _ in range(rows)], pa.timestamp("ns"))})
        for options in [{"use_deprecated_int96_timestamps": True}, {}]:
            path = name("pyarrow-time")
            pq.write_table(times, path, **options)
            floor = pa.array([None if v is None else v // 1000 for v in times["at"].cast(pa.int64()).to_pylist()], pa.timestamp("us"))
            yield path, pa.table({"at": floor})
        # DuckDB and polars hold fewer types; they write what they make of the table.
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("source", table.drop_columns(["view", "triples"]))
        for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4_raw"]:
            for version in ["V1", "V2"]:
                path = name("duckdb")
                group = rng.choice([2048, 122880])
                connection.execute(f"COPY source TO '{path}' (FORMAT parquet, COMPRESSION {codec}, PARQUET_VERSION {version}, ROW_GROUP_SIZE {group})")
                yield path, connection.sql("SELECT * FROM source").to_arrow_table()
        frame = polars.from_arrow(table.drop_columns(["uuid", "u64"]))
        for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4"]:
            path = name("polars")
            frame.write_parquet(path, compression=codec, row_group_size=rng.choice([None, 500]), data_page_size=rng.choice([None, 700]), statistics=rng.choice([True, False, "full"]))
            yield path, frame.to_arrow()


def refused_files(folder):
    """(file, words its refusal must hold)."""
    one = pa.table({"x": pa.array([1, 2, 3])})
    connection = duckdb.connect()
    pq.write_table(one, folder / "refused-brotli.parquet", compression="brotli")
    yield "refused-brotli.parquet", "Brotli"
    polars.from_arrow(one).write_parquet(folder / "refused-polars-brotli.parquet", compression="brotli")
    yield "refused-polars-brotli.parquet", "Brotli"
    nested = {
        "struct": ([{"a": 1}], "a struct"), "list of lists": ([[[1.0]]], "a list of lists"), "list of structs": ([[{"a": 1}]], "a list of structs"),
    }
    for name, (values, words) in nested.items():
        path = f"refused-{name.replace(' ', '-')}.parquet"
        pq.write_table(pa.table({"x": pa.array(values)}), folder / path)
        yield path, words
        polars.DataFrame({"x": values}).write_parquet(folder / f"polars-{path}")
        yield f"polars-{path}", words
    pq.write_table(pa.table({"x": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32()))}), folder / "refused-map.parquet")
    yield "refused-map.parquet", "a map"
    pq.write_table(pa.table({"x": pa.array([2**64 - 1], pa.uint64())}), folder / "refused-u64.parquet")
    yield "refused-u64.parquet", "does not fit an int64 column"
    for name, query in {"interval": "SELECT INTERVAL 1 DAY AS x", "nested": "SELECT {'a': [1]} AS x", "duck-map": "SELECT MAP {'a': 1} AS x"}.items():
        connection.execute(f"COPY ({query}) TO '{folder}/refused-{name}.parquet' (FORMAT parquet)")
    yield "refused-interval.parquet", "interval"
    yield "refused-nested.parquet", "a struct"
    yield "refused-duck-map.parquet", "a map"
    for name, plaintext in [("refused-encrypted.parquet", False), ("refused-encrypted-columns.parquet", True)]:
        configuration = encryption.EncryptionConfiguration(footer_key="f", column_keys={"c": ["x"]}, plaintext_footer=plaintext)
        properties = encryption.CryptoFactory(lambda _: Keys()).file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
        with pq.ParquetWriter(folder / name, one.schema, encryption_properties=properties) as writer:
            writer.write_table(one)
        yield name, "encrypted"


class Keys(encryption.KmsClient):
    """A key service that keeps no secret."""

    def wrap_key(self, key, master):
        return key.hex()

    def unwrap_key(self, wrapped, master):
        return bytes.fromhex(wrapped)


def check_foreign(checks, tt, folder, rng):
    files = list(foreign_files(folder, rng))
    refused = list(refused_files(folder))
    jobs = [{"file": str(path), "out": f"{path}.json"} for path, _ in files]
    jobs += [{"file": str(folder / name), "out": f"{folder / name}.json"} for name, _ in refused]
    run(tt, folder, DUMP, jobs)
    before = checks.passed, len(checks.failures)
    for path, table in files:
        found = json.loads(pathlib.Path(f"{path}.json").read_text())
        if isinstance(found, dict):
            checks.check(f"tt reads {path.name}", found["message"] if found else "no columns" if table.num_columns else None)
            continue
        expected = {name: [plain(v) for v in table[name].to_pylist()] for name in table.column_names}
        for name in table.column_names:
            if pa.types.is_duration(table[name].type) or pa.types.is_timestamp(table[name].type) and table[name].type.unit == "ns":
                expected[name] = [None if v is None else v // 1000 for v in table[name].cast(pa.int64()).to_pylist()]
        values = {column["name"]: column["values"] for column in found}
        checks.check(f"tt reads {path.name}", compare_json(values, expected))
    checks.group("tt reads files of pyarrow, DuckDB and polars", before)
    before = checks.passed, len(checks.failures)
    for name, words in refused:
        found = json.loads((folder / f"{name}.json").read_text())
        message = found.get("message", "") if isinstance(found, dict) else "it was read"
        checks.check(f"tt refuses {name}", None if words in message and name in message and found["code"] == "parquet.unsupported" else message)
    checks.group("refusals say why", before)


def compare_json(found, expected):
    if list(found) != list(expected):
        return f"columns {list(found)}, not {list(expected)}"
    for name in expected:
        for row, (a, b) in enumerate(zip(found[name], expected[name])):
            if a != b:
                return f"column {name} row {row}: {a!r} is not {b!r}"
        if len(found[name]) != len(expected[name]):
            return f"column {name} has {len(found[name])} rows, not {len(expected[name])}"
    return None


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="folder for the files, kept afterwards")
    arguments = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(arguments.keep or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        tt = arguments.tt
        check_written(checks, tt, folder, random.Random(arguments.seed))
        check_foreign(checks, tt, folder, random.Random(arguments.seed + 1))
    if checks.failures:
        print(f"parquet check: {len(checks.failures)} of {checks.passed + len(checks.failures)} failed")
        sys.exit(1)
    print(f"parquet check: all {checks.passed} passed")


main()
