-- JSON comes into tt through many doors, and one reader stands behind them all: they take and refuse the same texts.
-- The texts are those of a public test suite, some of our own, and damaged ones.
local t = require "tt.test"
local json = require "tt.json"
local frame = require "tt.frame"
local fs = require "tt.fs"

local folder = arg[0]:match("^(.*)/[^/]*$") or "."
local shell = dofile(folder .. "/support/shell.lua")
local suite = folder .. "/../../../shared/corpora/json"
local elements = { "string", "int64", "float32", "float64", "bool", "uuid", "timestamp", "list<int64>" }

-- Texts by name: `y_` are JSON, `n_` are not, of the others it is only asked that the doors agree.
local function suite_texts()
    if not fs.exists(suite) then t.skip("the JSON test suite is not at ../shared/corpora/json") end
    local texts = {}
    for _, name in ipairs(fs.list(suite)) do
        if name:find("%.json$") then texts[#texts + 1] = { name, fs.read(fs.join(suite, name)) } end
    end
    t.ok(#texts > 300, #texts)
    return texts
end

local own = {
    y_list = "[1,2]", y_whole = "[1.0, 1e2, -0.0]", y_null = "null", y_empty = " [ ] ", y_strings = '["a","\\u00e9"]',
    y_nested = "[[1],[2,null],null]", y_large = "[9223372036854775807,-9223372036854775808]",
    y_exact = "[9007199254740993.0, 9223372036854775807.0, 922337203685477580.70e1]",
    y_times = '["2025-01-31T12:00:00Z","infinity"]', y_ids = '["00112233-4455-6677-8899-aabbccddeeff"]',
    y_booleans = "[true,false,null]", y_vector = '"[1,2.5]"', y_texts_of_numbers = '["1","2.5","NaN"]',
    y_tiny = "[1e-400]", y_nul = '["\\u0000"]', y_nul_in_a_name = '{"a\\u0000":1,"a":2}',
    -- Names that one 64-bit hash takes for the same.
    y_names_of_one_hash = '{"x":1,"8yn0iYCKYHlIj4-BwPqk":1,"GReLUrM4wMqfg9yzV3KQ":2}',
    n_plus = "[+1, 007]", n_point = "[1.]", n_no_digit = "[.5]", n_bytes = '["\xff"]', n_overlong = '["\xc0\x80"]',
    n_surrogate = '["\xed\xa0\x80"]', n_more = "[1] 2", n_comma = "[1,]", n_word = "[nul]", n_nan = "[NaN]",
    n_deep = ("["):rep(100000), n_deep_objects = ('{"a":'):rep(100000), n_control = '["\1"]', n_nothing = "",
    n_name_twice = '{"a":1,"\\u0061":2}', i_float = "[1e39]", i_double = "[1e999]", i_integer = "[9223372036854775808]",
}

-- The first door: whether it takes the text, and with which code it refuses it.
local function decode(text)
    local ok, result = pcall(json.decode, text)
    if ok then return true, result end
    t.ok(result.code:find("^json%."), result)
    t.ok(result.details.line >= 1 and result.details.column >= 1)
    return false, result
end

-- A string column of one text, whatever its bytes.
local function column(text)
    return tt.csv.decode('a\n"' .. text:gsub('"', '""') .. '"\n', { types = { a = "string" } }).a
end

local db = tt.sql.open("sqlite::memory:")

-- Gives a column of the texts through each door that reads lists; nil where it is refused.
local doors = {
    from_json = function(text, element)
        return frame.from_json('[{"a":' .. text .. "}]", { columns = { { "a", "list<" .. element .. ">" } } }).a
    end,
    cast = function(text, element)
        return column(text):cast("list<" .. element .. ">")
    end,
    sqlite = function(text, element)
        local bytes = text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
        return db:query(("SELECT CAST(x'%s' AS TEXT) AS a"):format(bytes), {}, {
            types = { a = "list<" .. element .. ">" },
        }).a
    end,
    csv = function(text, element)
        return tt.csv.decode('a,b\n"' .. text:gsub('"', '""') .. '",x\n', {
            types = { a = "list<" .. element .. ">" },
        }).a
    end,
}
-- Not all types are to be had through all doors: lists of lists come from texts alone.
local function has(door, element) return door ~= "from_json" or element ~= "list<int64>" end
local refusals = { from_json = "^json%.", cast = "^frame%.cast$", sqlite = "^sql%.type$", csv = "^csv%.value$" }

local function agree(name, text)
    local ok, result = decode(text)
    local function note(door) return ("%s through %s: %q"):format(name, door, text:sub(1, 200)) end

    -- Rows, and cells kept as text.
    local rows, raised = pcall(frame.from_json, text, { columns = {} })
    local is_json = rows or raised.code == "json.rows"
    -- A number that does not fit is JSON all the same, where it is nobody's value.
    if ok or result.code ~= "json.number" then t.equal(is_json, ok, note "rows") end
    if not is_json and result.code ~= "json.number" then t.equal(raised.message, result.message, note "rows") end
    local cells, cell = pcall(frame.from_json, '[{"a":' .. text .. "}]", { columns = { { "a", "json" } } })
    t.equal(cells, is_json, note "cells")
    if ok and type(result) == "table" then
        t.equal(json.decode(cell.a[1]), result, note "cells")
        -- Tables can be written less deep than texts can be read.
        if not text:find(("["):rep(200), 1, true) then
            t.equal(json.decode(json.encode(result)), result, note "writing")
        end
    end
    -- And back: a column of texts that is written as JSON.
    local texts = frame.from_table { { b = 1 } }:with { a = column(text) }
    t.equal((pcall(texts.to_json, texts, { json = { "a" } })), is_json, note "to_json")

    for _, element in ipairs(elements) do
        local expected
        for _, door in ipairs { "cast", "from_json", "sqlite", "csv" } do
            -- An empty field is a null.
            if has(door, element) and (door ~= "csv" or text ~= "") then
                local taken, read = pcall(doors[door], text, element)
                if not taken then t.ok(read.code:find(refusals[door]), note(door) .. tostring(read)) end
                if taken and not is_json then t.ok(false, note(door)) end
                local found = taken and { read:dtype(), read[1] } or false
                if expected == nil then expected = found end
                t.equal(found, expected, note(door .. " as " .. element))
            end
        end
    end
end

local function judge(name, text)
    local kind = name:sub(1, 1)
    local ok, result = decode(text)
    -- The one place where tt asks for more than the RFC, which leaves it to the reader: names that repeat.
    if name:find("^y_object_duplicated_key") then
        t.equal(not ok and result.code, "json.duplicate_key", name)
    elseif kind ~= "i" then
        t.equal(ok, kind == "y", name)
    end
end

t.test("texts of our own are read through every door alike", function()
    for name, text in pairs(own) do
        judge(name, text)
        agree(name, text)
    end
    t.equal(doors.cast(own.y_exact, "int64")[1], { 9007199254740993, math.maxinteger, 9223372036854775807 })
    t.equal(doors.sqlite(own.y_whole, "int64")[1], { 1, 100, 0 })
end)

t.test("the suite is read as it says, through every door alike", function()
    for _, file in ipairs(suite_texts()) do
        judge(file[1], file[2])
        agree(file[1], file[2])
    end
end)

t.test("an answer's body is read as any text is", function()
    if not os.execute("command -v python3 >/dev/null") then t.skip("python3 is not installed") end
    local pipe <close> = assert(io.popen("exec python3 " .. shell.quote(folder .. "/support/http_server.py")))
    local client <close> = tt.http.client { base_url = "http://127.0.0.1:" .. pipe:read("l"), proxy = "" }
    for _, file in ipairs(suite_texts()) do
        local ok, result = decode(file[2])
        local answer = client:post("/mirror", { body = file[2] })
        t.equal(answer.body, file[2], file[1])
        local read, value = pcall(answer.json, answer)
        t.equal(read, ok, file[1])
        if ok then t.equal(value, result, file[1]) else t.equal(value.code, result.code, file[1]) end
    end
end)

t.test("damaged texts are read through every door alike", function()
    local texts = {}
    for _, text in pairs(own) do if #text < 1000 then texts[#texts + 1] = text end end
    table.sort(texts)
    local columns = tt.random.new(41)
    local count, at = 1500, 0
    local drawn = columns:integers(8 * count, 0, 1 << 40)
    local function below(bound)
        at = at + 1
        return drawn[at] % bound
    end
    local pieces = "{}[],:\"\\ 0e-.+tn\0\xff"
    for round = 1, count do
        local text = texts[1 + below(#texts)]
        for _ = 1, 1 + below(2) do
            local place, piece = below(#text + 1), 1 + below(#pieces)
            -- A character put in, or in the place of another.
            text = text:sub(1, place) .. pieces:sub(piece, piece) .. text:sub(place + 1 + below(2))
        end
        agree("damaged " .. round, text)
    end
end)
