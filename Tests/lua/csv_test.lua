-- CSV to frames and back.
local t = require "tt.test"
local csv = require "tt.csv"
local frame = require "tt.frame"
local fs = require "tt.fs"

local function write(text)
    local path = t.tmpdir() .. "/x.csv"
    fs.write(path, text)
    return path
end

t.test("types are inferred from the whole file", function()
    local lines = {"id,score,flag,at,key,note,code"}
    for i = 1, 3000 do
        lines[#lines + 1] = i .. "," .. i .. ",true,2025-01-31T00:00:0" .. i % 10 ..
            "Z,00000000-0000-4000-8000-00000000000a,,0" .. i
    end
    lines[#lines + 1] = "3001,1.5,false,2025-02-01,00000000-0000-4000-8000-00000000000b,x,1"
    local f = csv.read(write(table.concat(lines, "\n")))
    t.equal(f:dtypes(), {id = "int64", score = "float64", flag = "bool", at = "timestamp", key = "uuid",
        note = "string", code = "string"})
    t.equal(#f, 3001)
    t.equal(f.code[1], "01")
    t.equal(f.note:null_count(), 3000)
end)

t.test("options are honoured", function()
    local path = write("1|NA|\n2||x\n")
    local f = csv.read(path, {header = false, delimiter = "|", names = {"a", "b", "c"}, null = {"NA"},
        types = {a = "string"}, columns = {"b", "a"}})
    t.equal(f:columns(), {"b", "a"})
    t.equal(f.a:to_table(), {"1", "2"})
    t.equal(f.b[1], nil)
    t.equal(f.b[2], "")
    t.equal(csv.decode("x\n[1.5]\n", {types = {x = "list<float32>"}}).x[1], {1.5})
    -- Just below the middle of two float32, which is a double: rounded twice it would be the upper one.
    local rounded = csv.decode("x\n1.00000017881393432617187499\n", {types = {x = "float32"}}).x[1]
    t.equal(rounded, 1 + 2.0 ^ -23)
end)

t.test("errors name file, line and column", function()
    local path = write("a,b\n1,2\n3,x\n")
    local raised = t.error("csv.value", csv.read, path, {types = {b = "int64"}})
    t.equal(raised.message, path .. ", line 3, column 'b': 'x' is not an int64")
    t.equal(raised.details.line, 3)
    t.error("csv.fields", csv.read, write("a,b\n1\n"))
    t.error("csv.syntax", csv.read, write("a\n\"b"))
    t.error("csv.header", csv.read, write("a,a\n"))
    t.error("fs.not_found", csv.read, path .. ".missing")
    t.error("did you mean 'delimiter'", csv.read, path, {delimeter = ";"})
    t.error("one ASCII character", csv.read, path, {delimiter = ";;"})
end)

t.test("what is written reads back equal", function()
    local f = frame.from_table({
        {i = 1, x = 0.1, s = 'a "quoted", text\nin two lines', b = true, l = {"p", "q,r"}},
        {i = -9223372036854775807 - 1, x = 1e300, s = "", b = false},
        {x = -0.0, l = {}},
    }, {schema = {i = "int64"}, order = {"i", "x", "s", "b", "l"}})
    local path = t.tmpdir() .. "/out.csv"
    for _, opts in ipairs {{}, {delimiter = "\t"}, {null = "-"}, {delimiter = "1"}, {header = false}} do
        csv.write(path, f, opts)
        local back = csv.read(path, {delimiter = opts.delimiter, null = opts.null, header = opts.header,
            names = f:columns(), types = {l = "list<string>", i = "int64", x = "float64", b = "bool"}})
        t.equal(back:equals(f), true, "delimiter " .. tostring(opts.delimiter))
    end
    t.equal(csv.encode(frame.from_table {{a = 1, b = "x"}}), "a,b\n1,x\n")
end)

t.test("odd files", function()
    t.equal(#csv.decode "", 0)
    t.equal(#csv.decode "a,b\n", 0)
    t.equal(csv.decode("\xEF\xBB\xBFa\r\n1\r\n\r\n3"):to_table(), {{a = 1}, {}, {a = 3}})
    t.equal(csv.decode('a,b\n"1","2"\n').a:dtype(), "int64")
    t.error("UTF%-16", csv.decode, "\xFF\xFEa\0")
end)
