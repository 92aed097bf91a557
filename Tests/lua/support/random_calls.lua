-- Calls the functions of every module and the methods of every class with values that are right, wrong and at the edge.
-- Errors are what is asked for; the process has to live. Run by random_calls_test.lua, in an empty folder:
--   tt random_calls.lua SEED CALLS [print]
-- `print` shows each call before it is made; otherwise the last one stands in the file `last`.
--
-- Nothing is listed here but how to get a first object of a class, and what cannot be called without harm. Names, types
-- and options come from the modules themselves and from their comments.

local seed, calls, prints = math.tointeger(arg[1]), math.tointeger(arg[2]), arg[3] == "print"
local random = math.random
math.randomseed(seed)

-- Nothing here may wait, end the process, or answer for the calls of others.
local left_out = {
    ["tt.time.sleep"] = "waits", ["tt.cli.parse"] = "ends the process", ["tt.tensor.threads"] = "stays set",
}
local left_out_modules = { ["tt.test"] = "runs the tests" }

local function pick(list) return list[random(#list)] end
local function chance(share) return random() < share end

-- ---- what is there

local functions = {}   -- { name, call, class?, params = { type, … } }
local options = {}     -- names of all options
local classes = {}     -- fields of option tables: { [class] = { { name, type }, … } }

-- `---@param name? type` and `---@field` of a file; types stand before the first two blanks or a word that is no type.
local function read_comments(text, params)
    local class, list
    for line in (text .. "\n"):gmatch("(.-)\n") do
        local tag, rest = line:match("^%-%-%-@(%w+)%s+(.*)$")
        if tag == "class" then
            class = rest:match("^([%w_.]+)")
            classes[class] = classes[class] or {}
        elseif tag == "field" and class then
            local name, kind = rest:match("^%[?([%w_]+)%]?%??%s+(.*)$")
            if name and #name > 1 then
                table.insert(classes[class], { name, kind })
                options[#options + 1] = name
            end
        elseif tag == "param" then
            list = list or {}
            list[#list + 1] = rest:match("^%S+%s+(.*)$") or "any"
            for name in rest:gmatch("([%a_]+)%??: ") do options[#options + 1] = name end
        elseif line:match("^function ") then
            local owner, name = line:match("^function ([%w_]+)[.:]([%w_]+)%(")
            if owner then params[owner:lower() .. "." .. name] = list or {} end
            list = nil
        end
    end
end

local params = {}
for _, path in ipairs(tt.carried()) do
    if path:match("^lua/meta/tt/") or path:match("^lua/tt/") then read_comments(tt.carried(path), params) end
end

for _, module in ipairs(tt.modules()) do
    if not left_out_modules[module] then
        local short = module:match("[^.]+$")
        local exports = require(module)
        for name, value in next, exports do
            local full = module .. "." .. tostring(name)
            if type(value) == "function" and not left_out[full] then
                functions[#functions + 1] = { name = full, call = value, params = params[short .. "." .. name] or {} }
            end
        end
    end
end
for _, class in ipairs(tt.classes()) do
    local short = class:match("[^.]+$"):lower()
    local methods = tt.class(class)
    for name, method in next, methods do
        functions[#functions + 1] = {
            name = class .. ":" .. name, call = method, class = class, params = params[short .. "." .. name] or {},
        }
    end
end
for _, operator in ipairs {
    { "a + b", function(a, b) return a + b end }, { "a - b", function(a, b) return a - b end },
    { "a * b", function(a, b) return a * b end }, { "a / b", function(a, b) return a / b end },
    { "a // b", function(a, b) return a // b end }, { "a % b", function(a, b) return a % b end },
    { "a ^ b", function(a, b) return a ^ b end }, { "a .. b", function(a, b) return a .. b end },
    { "a & b", function(a, b) return a & b end }, { "a | b", function(a, b) return a | b end },
    { "-a", function(a) return -a end }, { "~a", function(a) return ~a end }, { "#a", function(a) return #a end },
    { "a[b]", function(a, b) return a[b] end }, { "a()", function(a, b) return a(b) end },
    { "a == b", function(a, b) return a == b end }, { "a < b", function(a, b) return a < b end },
    { "tostring(a)", function(a) return tostring(a) end },
    { "a[b] = c", function(a, b, c) if type(a) == "userdata" then a[b] = c end end },
} do
    functions[#functions + 1] = { name = operator[1], call = operator[2], class = "any", params = { "any", "any" } }
end
-- The order of `next` differs from run to run.
table.sort(functions, function(a, b) return a.name < b.name end)
table.sort(options)

-- ---- values

local integers = {
    0, 1, 2, 3, 4, 5, 7, 10, 100, -1, -2, 1000, 65535, 65536, (1 << 31) - 2, (1 << 31) - 1, 1 << 31, (1 << 31) + 1,
    -(1 << 31), -(1 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 40, 1 << 53, (1 << 53) + 1, -(1 << 53), 1 << 62,
    math.maxinteger, math.maxinteger - 1, math.mininteger, math.mininteger + 1,
}
local numbers = {
    0.0, -0.0, 0.1, 0.5, 1.5, -1.5, 1e-320, 1e308, -1e308, 1e39, 2.0 ^ 31, 2.0 ^ 53, 2.0 ^ 63, -2.0 ^ 63, 1 / 0, -1 / 0,
    0 / 0,
}
-- Without a bound on memory, blocks of some gigabytes are made, which takes minutes under a sanitizer.
if os.getenv("TT_TEST_SANITIZER") then
    local function is_block(number) return math.abs(number) > 1000 and math.abs(number) < 1e12 end
    for _, list in ipairs { integers, numbers } do
        for index = #list, 1, -1 do
            if is_block(list[index]) then table.remove(list, index) end
        end
    end
end
-- No slash and no dot at the start: what is a path stays in this folder.
local texts = {
    "", "a", "b", "x", "id", "name", "k", "v", "t", "l", "f", "0", "-1", "*", "a[].b", "new", "folder",
    "int64", "float32", "float64", "bool", "string", "timestamp", "uuid", "list<string>", "list<float32>",
    "a > 1", "a + 1", "len(name)", "sum", "mean", "count", "list", "inner", "left", "zstd", "gzip", "none", "1h", "1d",
    "some.parquet", "some.csv", "some.json", "some.yaml", "some.pt", "some.safetensors", "sqlite::memory:",
    "sqlite:some.db", "select 1", "items", "create table if not exists items (a integer, b text)",
    "insert into items values (1, 'x')", "9223372036854775808", "1e400", "nan", "null", "true", "[1,2]", "{\"a\":1}",
    "a: 1", "a,b\n1,2", "2025-01-31T00:00:00Z", "+294246-01-01", "00000000-0000-0000-0000-000000000000",
    "\0", "\xff\xfe", "é", "日本", "\u{1F600}", "%s%n", ("x"):rep(300), ("("):rep(500), ("["):rep(5000),
    ("a,"):rep(2000), ("1+"):rep(5000) .. "1", ("- "):rep(5000), ("x"):rep(100000),
}
local callbacks = {
    function() end, function(...) return ... end, function() error("no") end, function() return 1 end,
    function() return { a = 1 } end, function() return table.unpack(texts) end, function() coroutine.yield() end,
    function(x) return x == x end, function() error({}) end,
}

local objects = {}     -- { [class] = { object, … } }
local object_names = {}

local function remember(value)
    if type(value) ~= "userdata" then return end
    local meta = getmetatable(value)
    local class = meta and rawget(meta, "__name")
    if type(class) ~= "string" or not class:match("^tt%.") then return end
    if not objects[class] then
        objects[class] = {}
        object_names[#object_names + 1] = class
        table.sort(object_names)
    end
    local list = objects[class]
    if #list < 12 then list[#list + 1] = value else list[random(4, 12)] = value end
end

local value

local function wrong(depth)
    local kind = random(12)
    if kind == 1 then return nil end
    if kind == 2 then return chance(0.5) end
    if kind <= 4 then return pick(integers) end
    if kind == 5 then return pick(numbers) end
    if kind <= 7 then return pick(texts) end
    if kind == 8 then return pick(callbacks) end
    if kind <= 10 and #object_names > 0 then return pick(objects[pick(object_names)]) end
    if kind == 11 then return tt.json.null end
    local made = {}
    if depth > 3 then return made end
    for _ = 1, random(0, 4) do
        if chance(0.5) then made[#made + 1] = wrong(depth + 1) else made[pick(options)] = wrong(depth + 1) end
    end
    if chance(0.02) then made[1] = made end
    return made
end

local function list_of(kind, depth)
    local made = {}
    local count = chance(0.03) and 3000 or random(0, 5)
    for index = 1, count do made[index] = value(kind, depth + 1) end
    return made
end

local function options_of(fields, depth)
    local made = {}
    for _, field in ipairs(fields) do
        if chance(0.4) then made[field[1]] = value(field[2], depth + 1) end
    end
    if chance(0.05) then made[pick(options)] = wrong(depth + 1) end
    return made
end

-- A value of a type as comments spell it, mostly.
function value(kind, depth)
    if depth > 6 or chance(0.12) then return wrong(depth) end
    kind = kind:match("^%s*(.*)$")
    if kind:match("^{") then
        local fields = {}
        for name, inner in kind:gmatch("([%a_]+)%??: ([%w_.|<>%[%]\"]+)") do fields[#fields + 1] = { name, inner } end
        return options_of(fields, depth)
    end
    local choices = {}
    for choice in kind:match("^%S+"):gmatch("[^|]+") do choices[#choices + 1] = choice end
    local chosen = pick(choices):gsub("%?$", "")
    local inner = chosen:match("^(.*)%[%]$")
    if inner then return list_of(inner, depth) end
    if chosen == "integer" or chosen == "number" and chance(0.5) then
        -- Half of them small: a call that is refused at once tests little.
        return chance(0.5) and random(0, 6) or pick(integers)
    end
    if chosen == "number" then return pick(numbers) end
    if chosen == "string" or chosen == "tt.dtype" then return pick(texts) end
    if chosen:match('^"') then return (chosen:gsub('"', "")) end
    if chosen == "boolean" then return chance(0.5) end
    if chosen:match("^fun") or chosen == "function" then return pick(callbacks) end
    if chosen:match("^table<") or chosen == "table" then
        local made = {}
        local inside = chosen:match("^table<[^,]*,%s*(.*)>$") or "any"
        for _ = 1, random(0, 4) do made[pick(texts)] = value(inside, depth + 1) end
        return made
    end
    local list = objects[chosen]
    if list then return pick(list) end
    if classes[chosen] and #classes[chosen] > 0 then return options_of(classes[chosen], depth) end
    return wrong(depth)
end

-- ---- first objects

local function first_objects()
    local frame, tensor, features = tt.frame, tt.tensor, tt.features
    local rows = frame.from_table({ cols = {
        id = { 1, 2, 3, 4 }, name = { "a", "b", "a", "é" }, a = { 1.5, -2.0, 0 / 0, 1 / 0 },
        f = { true, false, true, false }, l = { { "x" }, {}, { "y", "x" }, { "z" } },
        t = { 0, 1, -1, math.maxinteger },
    } }, { schema = { t = "timestamp" } })
    local generator = tt.random.new(1)
    local many = frame.from_table { cols = { k = generator:integers(2000, 1, 20), v = generator:normal(2000) } }
    local made = {
        rows, many, rows:filter("id > 9"), rows.id, rows.name, rows.a, rows.f, rows.l, rows.t, many.v, generator,
        generator:uuids(5), frame.column({}, "string"), rows:group_by("name"), rows:select("a"),
        rows:with { n = frame.column({ n = 4 }, "float32") },
        rows:with { o = frame.column({ math.maxinteger, 0, math.mininteger, 1 }) },
        tensor.randn { 4, 3 }, tensor.zeros { 0, 3 }, tensor.ones {}, tensor.randn({ 3 }):requires_grad(true),
        tensor.randn { 2, 3, 4 }, tensor.range(1, 4), tensor.indices { 4, 1, 1 }, tensor.indices {},
        tt.nn.linear(3, 2), tt.nn.sequential { tt.nn.linear(3, 4), tt.nn.relu(), tt.nn.dropout(0.5) },
        tt.nn.normalize(), tt.nn.sparse_linear(6, 2),
        features.vocabulary { "x", "y", "z" }, features.fit_scaler(rows:select("id")), features.row_index(rows.id),
        features.taken(tensor.indices { 1, 2 }, tensor.indices { 1, 1 }, { groups = 4, population = 9 }),
        tt.sql.open("sqlite::memory:"), tt.sql.trace(), tt.http.client { retry = false }, tt.fs.tempdir(),
        tt.fs.lock("held"),
    }
    local matrix = tensor.feature_matrix {
        dense = tensor.randn { 4, 3 },
        sparse = { { width = 3, offsets = { 0, 1, 1, 2, 3 }, codes = { 1, 3, 2 }, values = { 1, 2, 3 } } },
    }
    local weight = tensor.randn({ 3 }):requires_grad(true)
    local optimizer = tt.train.adamw({ weight }, { lr = 0.1 })
    local db = tt.sql.open("sqlite::memory:")
    db:exec("create table items (a integer, b text)")
    db:exec("insert into items values (1, 'x'), (2, null)")
    local client = tt.http.client { retry = false }
    local more = {
        matrix, matrix:rows { 1, 4, 4 }, optimizer, weight, db, (db:chunks("select * from items")),
        db:read_ahead("items"),
        features.store { ids = rows.id, numbers = rows:select("id"), bags = { {
            owners = rows.id, tokens = rows.name, vocabulary = features.vocabulary { "a", "b" } } } },
        tt.train.trainer { optimizer = optimizer, loss = function() return (weight * weight):sum() end },
        tt.train.batches { size = 2, fields = { x = tensor.range(1, 5) } }, (client:each {}),
    }
    rows:write_parquet("some.parquet")
    rows:select({ "id", "name" }):write_csv("some.csv")
    tt.json.write("some.json", { a = { 1, 2 } })
    tt.fs.write("some.yaml", "a: [1, 2]\n")
    tt.checkpoint.save("some.pt", { w = weight, list = { 1, "x" } })
    tt.checkpoint.save_safetensors("some.safetensors", { w = weight })
    more[#more + 1] = tt.parquet.open("some.parquet")
    more[#more + 1] = tt.parquet.writer("new.parquet")
    for _, list in ipairs { made, more } do
        for _, object in ipairs(list) do remember(object) end
    end
end

-- ---- calls

local function show(what, depth)
    if type(what) == "string" then
        return #what > 40 and string.format("<%d bytes>", #what) or string.format("%q", what):gsub("\n", "n")
    elseif type(what) == "table" then
        if depth > 3 then return "{…}" end
        local parts, count = {}, 0
        for index = 1, math.min(#what, 8) do parts[#parts + 1] = show(rawget(what, index), depth + 1) end
        if #what > 8 then parts[#parts + 1] = "… " .. #what end
        local names = {}
        for name in next, what do
            count = count + 1
            if type(name) == "string" and count < 200 then names[#names + 1] = name end
        end
        table.sort(names)
        for _, name in ipairs(names) do
            parts[#parts + 1] = show(name, 4) .. " = " .. show(rawget(what, name), depth + 1)
        end
        return "{ " .. table.concat(parts, ", ") .. " }"
    elseif type(what) == "userdata" then
        local meta = getmetatable(what)
        local known, size = pcall(function() return #what end)
        return "<" .. tostring(meta and rawget(meta, "__name")) .. (known and " of " .. tostring(size) or "") .. ">"
    elseif math.type(what) == "float" then
        return string.format("%.17g", what)
    end
    return type(what) == "function" and "<function>" or tostring(what)
end

local last = assert(io.open("last", "w"))
local function announce(text)
    if prints then io.stderr:write(text, "\n") end
    last:seek("set", 0)
    last:write(text:sub(1, 3000), "\n\n")
    last:flush()
end

first_objects()
local missing = {}
for _, class in ipairs(tt.classes()) do
    -- An answer needs a server; the others are kinds of Module or Optimizer.
    if not objects[class] and class ~= "tt.HTTPResponse" then missing[#missing + 1] = class end
end
if #missing > 0 then error("no object of " .. table.concat(missing, ", ") .. ": make one in first_objects()") end

local succeeded = 0
for number = 1, calls do
    local target = pick(functions)
    local given, count = {}, 0
    local function add(one)
        count = count + 1
        given[count] = one
    end
    if target.class == "any" then
        add(pick(objects[pick(object_names)]))
    elseif target.class then
        local own = objects[target.class]
        add(own and not chance(0.03) and pick(own) or wrong(0))
    end
    for _, kind in ipairs(target.params) do
        -- What may be left out mostly stands at the end.
        if chance(0.1) then break end
        add(value(kind, 0))
    end
    for _ = 1, chance(0.1) and random(3) or 0 do add(wrong(0)) end
    if target.class == "any" and chance(0.4) then given[1], given[2] = given[2], given[1] end

    local parts = {}
    for index = 1, count do parts[index] = show(given[index], 0) end
    announce(string.format("call %d: %s(%s)", number, target.name, table.concat(parts, ", ")))
    local results = table.pack(pcall(target.call, table.unpack(given, 1, count)))
    if results[1] then
        succeeded = succeeded + 1
        for index = 2, math.min(results.n, 20) do remember(results[index]) end
    end
    if number % 500 == 0 then
        -- Objects grow, and are closed; files go.
        objects, object_names = {}, {}
        collectgarbage()
        tt.tensor.no_grad(function() end)
        tt.fs.remove("held")
        first_objects()
    end
end
last:close()
io.stdout:write(string.format("random calls: %d made, %d without an error\n", calls, succeeded))
