local t = require "tt.test"
local parquet = require "tt.parquet"
local frame = require "tt.frame"
local fs = require "tt.fs"

local here = arg[0]:match("^(.*)/[^/]*$") or "."
local fixtures = here .. "/../ParquetTests/Fixtures/"

local function sample(n)
    local rows = {}
    for i = 1, n do
        rows[i] = { id = i, name = i % 3 > 0 and "name " .. i % 5 or nil, price = i / 4, ok = i % 2 == 0 }
    end
    return frame.from_table(rows, { schema = { id = "int64", name = "string", price = "float64", ok = "bool" } })
end

local function path() return fs.join(t.tmpdir(), "a.parquet") end

t.test("what is written is read back", function()
    local file = path()
    local written = sample(100)
    for _, compression in ipairs { "none", "snappy", "zstd" } do
        local bytes = parquet.write(file, written, { compression = compression })
        t.equal(bytes, fs.stat(file).size)
        t.equal(parquet.read(file):to_table(), written:to_table(), compression)
        t.equal(parquet.read(file):dtypes(), written:dtypes())
    end
end)

t.test("lists, timestamps, uuids and float32", function()
    local file = path()
    local written = frame.from_table({
        { at = 1700000000123456, key = "00000000-0000-4000-8000-00000000000a", v = { 0.5, 1.5 }, tags = { "a", "b" } },
        { v = {}, tags = {} },
    }, { schema = { at = "timestamp", key = "uuid", v = "list<float32>", tags = "list<string>" } })
    parquet.write(file, written, { uuid = "fixed", byte_stream_split = true })
    t.equal(parquet.read(file):to_table(), written:to_table())
    t.equal(parquet.read(file):dtypes(), written:dtypes())
    parquet.write(file, written, { byte_stream_split = { "v" } })
    t.equal(parquet.read(file, { columns = { "key" } }).key[1], "00000000-0000-4000-8000-00000000000a")
end)

t.test("a writer takes frames and makes row groups", function()
    local file = path()
    local writer <close> = parquet.writer(file, { row_group_rows = 30, metadata = { b = "2", a = "1" } })
    for _ = 1, 5 do writer:write(sample(20)) end
    t.equal(writer:height(), 100)
    t.equal(fs.exists(file), false)
    local bytes = writer:close()
    t.equal(bytes, fs.stat(file).size)
    t.error("parquet.closed", writer.write, writer, sample(1))
    local opened <close> = parquet.open(file)
    t.equal(opened:height(), 100)
    t.equal(opened:row_group_heights(), { 30, 30, 30, 10 })
    t.equal(opened:metadata(), { a = "1", b = "2" })
    t.equal(opened:created_by(), "tt version " .. tt.version)
    local rows = 0
    for group in opened:row_groups { columns = { "id" } } do
        t.equal(group:columns(), { "id" })
        rows = rows + group:height()
    end
    t.equal(rows, 100)
    t.equal(opened:read_row_group(4).id[1], 11)
    t.error("argument", opened.read_row_group, opened, 5)
    t.error("argument", opened.read_row_group, opened, 0)
    t.equal(tostring(opened), "tt.ParquetFile " .. file .. ": 100 rows, 4 columns, 4 row groups")
    opened:close()
    t.error("parquet.closed", opened.read, opened)
end)

t.test("an unfinished writer leaves nothing", function()
    local folder = t.tmpdir()
    local file = fs.join(folder, "a.parquet")
    t.error("boom", function()
        local writer <close> = parquet.writer(file, { row_group_rows = 5 })
        writer:write(sample(20))
        error("boom")
    end)
    t.equal(fs.list(folder), {})
    local writer = parquet.writer(file)
    writer:write(sample(3))
    writer:abort()
    writer = nil -- luacheck: ignore
    parquet.writer(file):write(sample(3))
    collectgarbage()
    collectgarbage()
    t.equal(fs.list(folder), {})
    t.error("parquet.bad_parameter", function() parquet.writer(file):close() end)
end)

t.test("no rows give the columns", function()
    local file = path()
    parquet.write(file, sample(0))
    t.equal(parquet.read(file):columns(), sample(0):columns())
    t.equal(parquet.read(file):dtypes(), sample(0):dtypes())
end)

t.test("files of other programs", function()
    local read = parquet.read(fixtures .. "duckdb_kinds.parquet")
    t.equal(read.e[1], "x")
    t.equal(read.d30[1], 4.5)
    t.equal(read.id[1], "00000000-0000-4000-8000-00000000000a")
    t.equal(parquet.read(fixtures .. "polars_zstd.parquet"):to_table(),
        parquet.read(fixtures .. "arrow_delta_v2.parquet"):to_table())
end)

t.test("columns that cannot be read say why", function()
    local file = fixtures .. "refused_struct.parquet"
    local column = parquet.schema(file)[1]
    t.equal(column.name, "x")
    t.equal(column.dtype, nil)
    t.equal(column.stored_as, "group")
    t.equal(column.obstacle, "it is a struct; only plain values and lists of plain values can be read")
    t.error("parquet.unsupported", parquet.read, file)
    local ok, raised = pcall(parquet.read, file)
    t.equal(ok, false)
    t.equal(raised.details, { path = file, column = "x" })
    t.equal(raised.message, file .. ": column 'x': cannot be read: " .. column.obstacle)
end)

t.test("errors have codes", function()
    local file = path()
    t.error("fs.not_found", parquet.read, file)
    t.error("fs.not_found", parquet.write, file .. "/none/x.parquet", sample(1))
    fs.write(file, "id,name\n1,a\n2,b\n")
    t.error("parquet.out_of_spec", parquet.read, file)
    parquet.write(file, sample(10))
    t.error("did you mean 'name'", parquet.read, file, { columns = { "nmae" } })
    t.error("parquet.would_allocate_too_much", parquet.read, file, { max_bytes = 10 })
    t.error("unknown option 'colums'", parquet.read, file, { colums = {} })
    t.error("'gzip' is none of none, snappy, zstd", parquet.write, file, sample(1), { compression = "gzip" })
    t.error("only zstd has levels", parquet.write, file, sample(1), { compression_level = 3 })
    t.error("parquet.bad_parameter", parquet.write, file, sample(1), { row_group_rows = 0 })
    t.error("parquet.bad_parameter", parquet.write, file, sample(1), { byte_stream_split = { "name" } })
    t.error("argument", parquet.write, file, {})
    t.equal(parquet.read(file):height(), 10)
end)

t.test("bytes that are no text need the option", function()
    local file = path()
    local odd = parquet.read(fixtures .. "arrow_no_text.parquet")
    t.error("row 1 is not valid UTF%-8", parquet.write, file, odd)
    parquet.write(file, odd, { binary = { "x" } })
    t.equal(parquet.schema(file)[1].stored_as, "BYTE_ARRAY")
    t.equal(parquet.read(file).x[1], "\xff\xfe")
end)

t.test("a file that becomes shorter while it is open is an error", function()
    local file = path()
    parquet.write(file, sample(100), { row_group_rows = 30 })
    local whole = fs.read(file)
    local opened <close> = parquet.open(file)
    t.equal(opened:read_row_group(1):height(), 30)
    for _, length in ipairs { 100, 10, 0 } do
        fs.truncate(file, length)
        local raised = t.error("fs.changed", opened.read, opened)
        t.equal(raised.message, ("'%s' became shorter while it was read; read it again once it is whole"):format(file))
    end
    -- What was there again is read again; nothing is kept of it.
    local again = assert(io.open(file, "r+"))
    again:write(whole)
    again:close()
    t.equal(opened:read():to_table(), sample(100):to_table())
end)
