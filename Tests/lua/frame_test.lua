-- Frames and columns from Lua.
local t = require "tt.test"
local frame = require "tt.frame"

local function sample()
    return frame.from_table({
        {id = 1, name = "b", price = 10.0, tags = {"x", "y"}},
        {id = 2, name = "a", tags = {}},
        {id = 3, price = 2.5},
        {id = 4, name = "a", price = 7.0, tags = {"y"}},
    }, {order = {"id", "name", "price", "tags"}})
end

t.test("from_table infers, converts and fills", function()
    local f = sample()
    t.equal(f:columns(), {"id", "name", "price", "tags"})
    t.equal(f:dtypes(), {id = "int64", name = "string", price = "float64", tags = "list<string>"})
    t.equal(f:to_table()[3], {id = 3, price = 2.5})
    t.equal(f:row(5), nil)
    local typed = frame.from_table({}, {schema = {at = "timestamp", v = "list<float32>"}, order = {"v"}})
    t.equal(typed:columns(), {"v", "at"})
    t.equal(#typed, 0)
    local columns = frame.from_table {cols = {b = {1, nil, 3}, a = frame.column({"x", "y", "z"})}}
    t.equal(columns:columns(), {"a", "b"})
    t.equal(columns.b:to_table {null = -1}, {1, -1, 3})
    t.equal(frame.from_table({{a = tt.json.null}, {a = 1}}).a[1], nil)
    t.error("column 'a', row 2: 'x' in a column of int64", frame.from_table, {{a = 1}, {a = "x"}})
    t.error("row 2", frame.from_table, {{a = 1}, {a = 1.5}}, {schema = {a = "int64"}})
    t.error("frame.length", frame.from_table, {a = {1}, b = {1, 2}})
    t.error("no type 'int46'; did you mean 'int64'?", frame.column, {1}, "int46")
    t.equal(#frame.column {1, n = 3}, 3)
    t.error("field 'n': 0 to 2147483647 expected", frame.column, {n = 1 << 60})
    t.error("field 'n': 0 to 2147483647 expected", frame.column, {n = -1})
end)

t.test("columns are found or suggested", function()
    local f = sample():rename {id = "count"}
    t.equal(f.count[4], 4)
    t.equal(frame.from_table({{head = 1}}):col("head")[1], 1)
    t.error("did you mean 'price'?", function() return f.prise end)
    t.error("frame.no_column", f.select, f, {"count", "nope"})
    t.error("no method 'summ'", function() return f.count:summ() end)
    t.equal(f.count[0], nil)
    t.equal(f.count[5], nil)
end)

t.test("operators compute and promote", function()
    local a, b = frame.column {7, -7, nil, 2}, frame.column {2, 2, 2, 0.5}
    t.equal((a + 1):to_table(), {8, -6, nil, 3})
    t.equal((1 - a):to_table(), {-6, 8, nil, -1})
    t.equal((a // 2):to_table(), {3, -4, nil, 1})
    t.equal((a % 2):to_table(), {1, 1, nil, 0})
    t.equal((a / 2):to_table(), {3.5, -3.5, nil, 1.0})
    t.equal((a * b):to_table(), {14.0, -14.0, nil, 1.0})
    t.equal((a ^ 2):to_table(), {49.0, 49.0, nil, 4.0})
    t.equal((-a):to_table(), {-7, 7, nil, -2})
    t.equal(a:dtype(), "int64")
    t.equal((frame.column {"a", nil} .. "!"):to_table(), {"a!"})
    t.error("frame.overflow", function() return a + math.maxinteger end)
    t.error("frame.zero_division", function() return a // 0 end)
    t.equal((a / 0)[1], 1 / 0)
    t.error("frame.length", function() return a + frame.column {1} end)
    t.error("frame.type", function() return a + "x" end)
    t.error("value expected, got nil", function() return a:eq(nil) end)
end)

t.test("booleans know three values", function()
    local x = frame.column {true, true, true, false, false, false, nil, nil, nil, n = 9}
    local y = frame.column({true, false, nil, true, false, nil, true, false, nil, n = 9}, "bool")
    t.equal((x & y):to_table {null = "?"}, {true, false, "?", false, false, false, "?", false, "?"})
    t.equal((x | y):to_table {null = "?"}, {true, true, true, true, false, "?", true, "?", "?"})
    t.equal((~x):to_table {null = "?"}, {false, false, false, true, true, true, "?", "?", "?"})
    t.error("frame.type", function() return x & frame.column {1, 2, 3, 4, 5, 6, 7, 8, 9} end)
end)

t.test("comparisons are methods", function()
    local c = frame.column {1, nil, 3}
    t.equal(c:ge(2):to_table(), {false, nil, true})
    t.equal(c:eq(1.0):to_table(), {true, nil, false})
    t.equal(c:is_in({3, 4}):to_table(), {false, nil, true})
    t.equal(c:is_in(frame.column {3}):to_table(), {false, nil, true})
    t.equal(c:is_null():to_table(), {false, true, false})
    t.equal(c:gt(2):choose(c, 0):to_table(), {0, 0, 3})
    local id = "00000000-0000-4000-8000-00000000000a"
    t.equal(frame.column({id}, "uuid"):eq(id)[1], true)
    t.error("frame.cast", function() return frame.column({id}, "uuid"):eq("x") end)
end)

t.test("filter takes expressions, columns and functions", function()
    local f = sample()
    t.equal(f:filter("price > 5 and name == 'a'").id:to_table(), {4})
    t.equal(f:filter("name is null or len(tags) = 0").id:to_table(), {2, 3})
    t.equal(f:filter(f.price:gt(5)).id:to_table(), {1, 4})
    t.equal(f:filter(function(row) return row.name == "a" end).id:to_table(), {2, 4})
    local raised = t.error("frame.no_column", f.filter, f, "price > 5 and prise < 3")
    t.equal(raised.details.position, 15)
    t.error("use 'and', not '&'", f.filter, f, "price > 5 & id < 3")
    t.error("frame.type", f.filter, f, "price")
    t.error("boom", f.filter, f, function() error("boom") end)
    t.error("frame.type", f.filter, f, function() return 1 end)
end)

t.test("with adds and replaces", function()
    local f = sample():with {total = "price * 2", id = "id + 100", one = 1, name = "coalesce(name, '?')"}
    t.equal(f:columns(), {"id", "name", "price", "tags", "one", "total"})
    t.equal(f.id[1], 101)
    t.equal(f.name[3], "?")
    t.equal(f.total:to_table(), {20.0, nil, 5.0, 14.0})
    t.equal(f:with({{"a", "id - 100"}, {"b", "a * 2"}}).b:to_table(), {2, 4, 6, 8})
    t.equal(f:with({x = function(row) return row.price end}).x[2], nil)
    t.error("frame.length", f.with, f, {x = frame.column {1}})
end)

t.test("a sort keeps the first of those that agree in the leading names", function()
    local random = require("tt.random").new(7)
    local n = 3000
    local few = random:uuids(40)
    local f = frame.from_table({ row = random:integers(n, 1, n) }):with({
        { "id", few:take(random:integers(n, 1, 40)) },
        { "number", random:integers(n, -2, 2) },
        { "word", random:integers(n, 1, 5):cast("string") },
        { "wide", random:integers(n, -2^60 | 0, 2^60 | 0) },
        { "maybe", random:integers(n, 0, 6) },
    })
    f = f:with({ { "maybe", "if(maybe > 3, null, maybe)" }, { "wide", "if(number == 0, 0, wide)" } })
    for _, keys in ipairs { { "id", "number", "-row" }, { "-id", "word", "maybe" }, { "maybe", "id" },
        { "wide", "id", "-number" }, { "-wide", "-maybe", "word", "row" }, { "word", "wide", "id" }, { "number" } } do
        local sorted = f:sort(keys)
        for distinct = 1, #keys do
            local names = {}
            for index = 1, distinct do names[index] = keys[index]:gsub("^-", "") end
            local expected, got = sorted:unique(names), f:sort(keys, { distinct = distinct })
            for _, name in ipairs(f:columns()) do
                t.equal(got:col(name):cast("string"):to_table(), expected:col(name):cast("string"):to_table())
            end
        end
        t.equal(#f:sort(keys, { distinct = 0 }), n)
    end
    t.error("frame.value", f.sort, f, { "id" }, { distinct = 2 })
    t.error("field 'distinct': 0 to 2147483647 expected, got -1", f.sort, f, { "id" }, { distinct = -1 })
end)

t.test("sort is stable, with nulls last", function()
    local f = sample()
    t.equal(f:sort("name").id:to_table(), {2, 4, 1, 3})
    t.equal(f:sort({"-name", "-id"}).id:to_table(), {1, 4, 2, 3})
    t.equal(f.price:sort({descending = true}):to_table(), {10.0, 7.0, 2.5})
    t.equal(f:take({4, 1, 4}).id:to_table(), {4, 1, 4})
    t.equal(f:take(frame.column {2}).id:to_table(), {2})
    t.error("there is no row 5 of 4", f.take, f, {5})
    t.equal(f:slice(3, 1).id:to_table(), {3})
    t.equal(f:tail(2).id:to_table(), {3, 4})
end)

t.test("join multiplies duplicates and skips null keys", function()
    local f = sample():drop "tags"
    local g = frame.from_table {{key = "a", price = 1}, {key = "a", price = 2}, {price = 3}}
    local opts = {left_on = "name", right_on = "key"}
    t.equal(f:join(g, opts).price_right:to_table(), {1, 2, 1, 2})
    opts.how = "left"
    t.equal(f:join(g, opts).id:to_table(), {1, 2, 2, 3, 4, 4})
    opts.how = "semi"
    t.equal(f:join(g, opts).id:to_table(), {2, 4})
    opts.how = "anti"
    t.equal(f:join(g, opts).id:to_table(), {1, 3})
    t.equal(f:join(f, {on = {"id", "name"}, suffix = "_2"}):columns(), {"id", "name", "price", "price_2"})
    t.error("give the keys", f.join, f, g)
    t.error("not 'outer'", f.join, f, g, {on = "name", how = "outer"})
end)

t.test("group_by aggregates in order of appearance", function()
    local g = sample():group_by("name"):agg {
        {"*", "count"}, {"price", "sum"}, {"price", "count"}, {"id", "max", as = "top"}, {"id", "list"},
        {"price", "first"}, {"tags", "last"},
    }
    t.equal(g:to_table(), {
        {name = "b", count = 1, price_sum = 10.0, price_count = 1, top = 1, id_list = {1}, price_first = 10.0,
            tags_last = {"x", "y"}},
        {name = "a", count = 2, price_sum = 7.0, price_count = 1, top = 4, id_list = {2, 4}, tags_last = {"y"}},
        {count = 1, price_sum = 2.5, price_count = 1, top = 3, id_list = {3}, price_first = 2.5},
    })
    t.equal(#sample():group_by {"name", "id"}, 4)
    t.equal(sample():value_counts("name").count:to_table(), {2, 1, 1})
    t.equal(sample():unique("name").id:to_table(), {1, 2, 3})
    t.error("did you mean 'mean'", function() sample():group_by("name"):agg {{"price", "meann"}} end)
    t.error("frame.type", function() sample():group_by("name"):agg {{"name", "mean"}} end)
end)

t.test("aggregates of a column", function()
    local c = frame.column {3, nil, 1, 2}
    t.equal({c:sum(), c:mean(), c:median(), c:min(), c:max(), c:std(), c:count(), c:n_unique(), c:null_count()},
        {6, 2.0, 2.0, 1, 3, 1.0, 3, 3, 1})
    local empty = frame.column({}, "float64")
    t.equal({empty:count(), n = empty:sum()}, {0})
    t.equal(empty:first(), nil)
end)

t.test("map makes columns and frames", function()
    local f = sample()
    t.equal(f:map(function(row) return row.price end):dtype(), "float64")
    t.equal(f:map(function() end, {dtype = "uuid"}):null_count(), 4)
    local g = f:map(function(row) return {k = row.id, v = row.price} end, {order = {"v"}})
    t.equal(g:columns(), {"v", "k"})
    t.equal(f.id:map(function(id) return "#" .. id end)[2], "#2")
    t.error("frame.type", f.map, f, function(row) return row.id == 1 and "x" or 1 end)
end)

t.test("explode, sample, describe, concat", function()
    local f = sample()
    t.equal(f:explode("tags"):select({"id", "tags"}):to_table {null = "-"},
        {{id = 1, tags = "x"}, {id = 1, tags = "y"}, {id = 2, tags = "-"}, {id = 3, tags = "-"}, {id = 4, tags = "y"}})
    t.equal(#f:sample(3), 3)
    t.error("cannot sample 5 of 4", f.sample, f, 5)
    t.equal(f:describe().nulls:to_table(), {0, 1, 1, 1})
    t.equal(#frame.concat {f, f:head(1)}, 5)
    t.error("lacks id", frame.concat, {f, f:drop "id"})
    t.error("column 'id'", frame.concat, {f, f:cast {id = "float64"}})
end)

t.test("timestamps count in microseconds and compare with text", function()
    local f = frame.from_table({{at = "2025-01-31T12:00:00Z"}, {at = "2025-01-01"}, {}},
        {schema = {at = "timestamp"}})
    t.equal(f.at[2], 1735689600000000)
    t.equal(f:filter("at > '2025-01-15'").at[1], f.at[1])
    t.equal(f:with({d = "days('2025-02-01' - at)"}).d:to_table(), {0.5, 31.0})
    t.equal((f.at:max() - f.at):days():to_table(), {0.0, 30.5})
    t.equal((f.at + 3600000000):hour()[1], 13)
    t.equal(f.at:cast("string")[1], "2025-01-31T12:00:00Z")
end)

t.test("iteration gives rows and their numbers", function()
    local ids = {}
    for row, i in sample():rows() do ids[i] = row.id end
    t.equal(ids, {1, 2, 3, 4})
    t.equal(sample():to_table({columns = true}).price, {10.0, nil, 2.5, 7.0})
end)

t.test("frames print as tables", function()
    t.equal(sample():format(), [[
   id  name      price  tags
int64  string  float64  list<string>
-----  ------  -------  ------------
    1  b          10.0  [x, y]
    2  a          null  []
    3  null        2.5  null
    4  a           7.0  [y]
4 rows × 4 columns]])
    t.equal(tostring(frame.column {1, nil, 3}), "int64[3] {1, null, 3}")
    t.equal(sample():format({max_rows = 2, width = 14}), [[
   id  name
int64  string
-----  ------
    1  b
    …  …
    4  a
4 rows × 4 columns; not shown: price, tags]])
end)

t.test("objects that are not frames are refused by name", function()
    local f = sample()
    t.error("tt.Frame expected, got tt.Column", f.join, f, f.id, {on = "id"})
    t.error("tt.Column, number, string or boolean expected", f.id.eq, f.id, {})
end)

t.test("an error below a Lua half names the script's line", function()
    local _, raised = pcall(function() return #frame.read_csv("nowhere.csv") end)
    t.equal(raised.where:match("frame_test.lua:%d+$") ~= nil, true)
end)

t.test("from_json reads the columns that are named", function()
    local text = [[
        [{"id": 1, "price": "12.50", "extra": {"x": [1]}, "at": "2025-01-31",
          "links": [{"tag": {"name": "a"}}, {"tag": null}]},
         {"price": "NaN", "id": 2, "links": [], "v": "[1,2.5]"}]
    ]]
    local f = frame.from_json(text, {columns = {
        {"id", "int64"}, {"price", "float64"}, {"at", "timestamp"}, {"v", "list<float32>"},
        {"tags", "list<string>", path = "links[].tag.name"}, {"raw", "json", path = "links"},
    }})
    t.equal(f:columns(), {"id", "price", "at", "v", "tags", "raw"})
    t.equal(f:dtypes(), {id = "int64", price = "float64", at = "timestamp", v = "list<float32>", tags = "list<string>",
        raw = "string"})
    t.equal(f:to_table(), {
        {id = 1, price = 12.5, at = 1738281600000000, tags = {"a"}, raw = '[{"tag":{"name":"a"}},{"tag":null}]'},
        {id = 2, v = {1.0, 2.5}, tags = {}, raw = "[]"},
    })
    t.equal(#frame.from_json("[]", {columns = {{"id", "int64"}}}), 0)
end)

t.test("from_json says what it cannot read", function()
    local function read(text, ...) return frame.from_json(text, {columns = {...}}) end
    local raised = t.error("json.column", read, '[{"a":1},{"a":"hidden"}]', {"a", "int64"})
    t.equal(raised.message, "row 2, column 'a': the value is no int64")
    t.equal(raised.details, {row = 2, column = "a", expected = "int64"})
    t.equal(t.error("json.syntax", read, '[{"a":1},\n{"a":}]', {"a", "int64"}).details.line, 2)
    t.error("json.duplicate_key", read, '[{"b":1,"b":2}]', {"a", "int64"})
    t.error("json.utf8", read, '[{"b":"\xff"}]', {"a", "int64"})
    t.error("json.rows", read, '{"message":"no"}', {"a", "int64"})
    t.equal(t.error("json.rows", read, "[{},5]", {"a", "int64"}).details.row, 2)
    t.error("json.path", read, "[]", {"a", "int64", path = "b[0]"})
    t.error("gives many values; use a list type", read, "[]", {"a", "int64", path = "b[]"})
    t.error("no type 'int46'; did you mean 'int64'?", read, "[]", {"a", "int46"})
    t.error("unknown option 'pat'; there is 'path'", read, "[]", {"a", "int64", pat = "b"})
    t.error("frame.duplicate", read, "[]", {"a", "int64"}, {"a", "string"})
    t.error("bad argument #2 to 'from_json' (table expected, got no value)", frame.from_json, "[]")
    t.error("field 'columns': table expected, got nil", frame.from_json, "[]", {})
    t.error("unknown option 'column'", frame.from_json, "[]", {column = {}})
    t.error("string expected, got table", frame.from_json, {}, {columns = {}})
end)

t.test("to_json writes one object a row", function()
    local f = frame.from_table({
        {id = 1, name = 'a "b"\n日本', price = 0.1, v = {0.1, -2}, at = "2025-01-31T12:00:00.5Z", ok = true,
            meta = '{"k": [1, 2]}'},
        {id = 2},
    }, {schema = {v = "list<float32>", at = "timestamp", price = "float32"}, order = {"id", "name"}})
    t.equal(f:to_json {json = {"meta"}},
        '[{"id":1,"name":"a \\"b\\"\\n日本","at":"2025-01-31T12:00:00.500000Z","meta":{"k":[1,2]},"ok":true,"price":0.1,'
        .. '"v":[0.1,-2.0]},{"id":2,"name":null,"at":null,"meta":null,"ok":null,"price":null,"v":null}]')
    t.equal(f:to_json {columns = {"ok", "id"}}, '[{"ok":true,"id":1},{"ok":null,"id":2}]')
    local raised = t.error("json.number", f.to_json, f:with {bad = "price / 0"}:head(1))
    t.equal({raised.details.row, raised.details.column}, {1, "bad"})
    raised = t.error("json.utf8", f.to_json, require "tt.csv".decode("a\nfine\n\xff\n"))
    t.equal(raised.message, "row 2, column 'a': the text is not UTF-8")
    t.error("json.syntax", f.to_json, frame.from_table {{a = "[1"}}, {json = {"a"}})
    t.error("frame.no_column", f.to_json, f, {columns = {"idd"}})
    t.error("frame.no_column", f.to_json, f, {json = {"idd"}})
    t.error("frame.type", f.to_json, f, {json = {"id"}})
    t.equal(frame.from_table({}, {schema = {a = "int64"}}):to_json(), "[]")
end)
