-- Numbers of things, places and sizes beyond their range are refused by the function that is given them; so is what
-- there is no memory for.
local t = require "tt.test"
local shell = dofile(arg[0]:match("^(.*)/[^/]*$") .. "/support/shell.lua")
local tensor, features, frame, nn, train = tt.tensor, tt.features, tt.frame, tt.nn, tt.train

local m = tensor.randn { 2, 2 }
local indices = tensor.range(1, 3)
local rows = frame.from_table { a = { 1, 2, 3 } }
local generator = tt.random.new(1)
local huge, tiny = math.maxinteger, math.mininteger

-- Each takes one number; the range is what its message tells.
local numbers = {
    { "1 to 2147483647", function(n) return m:rows { n } end, "rows" },
    { "1 to 2147483647", function(n) return indices:rows { n } end, "rows" },
    { "1 to 2147483647", function(n) return tensor.indices { 1, n } end, "indices" },
    { "1 to 2147483647", function(n) return tensor.range(n, n) end, "range" },
    { "-2147483647 to 2147483647", function(n) return indices:shift(n) end, "shift" },
    { "0 to 2147483647", function(n) return m:topk(n) end, "topk" },
    { "0 to 2147483647", function(n) return nn.topk(m, m, n) end, "topk" },
    { "0 to 2147483647", function(n) return nn.linear(n, 2) end, "linear" },
    { "0 to 2147483647", function(n) return nn.linear(2, n) end, "linear" },
    { "0 to 2147483647", function(n) return nn.sparse_linear({ 2, n }, 2) end, "sparse_linear" },
    { "1 to 2147483647", function(n) return nn.embed(nn.linear(2, 2), m, { block = n }) end, "embed", "field 'block'" },
    { "1 to 2147483647", function(n) return train.batches { size = n, fields = { x = indices } } end, "batches",
        "field 'size'" },
    { "0 to 2147483647", function(n) return features.taken(indices, indices, { groups = n, population = 9 }) end,
        "taken", "field 'groups'" },
    { "0 to 2147483647", function(n) return features.taken(indices, indices, { groups = 9, population = n }) end,
        "taken", "field 'population'" },
    { "0 to 2147483647", function(n) return features.to_tensor(rows.a, { rows = n }) end, "to_tensor", "field 'rows'" },
    { "0 to 2147483647", function(n) return generator:uniform(n) end, "uniform" },
    { "0 to 2147483647", function(n) return generator:permutation(n) end, "permutation" },
    { "1 to 2147483647", function(n) return generator:zipf(1, n) end, "zipf" },
    { "0 to 2147483647", function(n) return frame.column { n = n } end, "column", "field 'n'" },
    { "1 to 2147483647", function(n) return rows:format { max_rows = n } end, "format", "field 'max_rows'" },
    { "8 to 2147483647", function(n) return rows:format { width = n } end, "format", "field 'width'" },
}

for _, case in ipairs(numbers) do
    local range, call, name, place = table.unpack(case)
    local low, high = range:match("^(%S+) to (%S+)$")
    low, high = math.tointeger(low), math.tointeger(high)
    t.test(name .. " takes " .. (place or "its number") .. " from " .. range, function()
        for _, number in ipairs { low - 1, high + 1, 1 << 32, 1 << 40, huge, tiny } do
            local raised = t.error("argument", call, number)
            t.ok(raised.message:find(("'%s'"):format(name), 1, true), raised.message)
            t.ok(raised.message:find(("%s expected, got %d)"):format(range, number), 1, true), raised.message)
            if place then t.ok(raised.message:find(place, 1, true), raised.message) end
        end
        -- The lower end is taken, or refused for another reason; what takes no memory goes to the upper one, too.
        local done, raised = pcall(call, low)
        t.ok(done or not tostring(raised):find(range .. " expected", 1, true), tostring(raised))
    end)
end

t.test("numbers that only cut are taken whatever they are", function()
    t.equal(rows:head(huge):height(), 3)
    t.equal(rows:tail(huge):height(), 3)
    t.equal(rows:slice(2, huge):height(), 2)
    t.equal(rows:slice(huge):height(), 0)
    t.equal(rows:row(huge), nil)
    t.equal(rows.a[tiny], nil)
    t.error("1 or more expected, got 0", rows.slice, rows, 0)
    t.error("0 or more expected, got -1", rows.head, rows, -1)
    for _, number in ipairs { huge, tiny, 1 << 31 } do
        t.error("are outside 1 to 2", m.slice, m, 1, number, number)
        t.error("there is no dimension", m.sum, m, number)
        t.error("tensor.shape", m.reshape, m, number, number)
    end
end)

-- ---- memory

-- What a script prints that has less memory than there is.
local function bounded(kilobytes, code)
    if os.getenv("TT_TEST_SANITIZER") then t.skip("a sanitizer maps terabytes for its own use") end
    return shell.capture(("ulimit -c 0; ulimit -v %d; exec %s -e %s"):format(
        kilobytes, shell.program, shell.quote("local function large(path) "
            .. "local file <close> = io.open(path, 'w') file:seek('set', 1 << 33) file:write('x') end "
            .. "local _, e = pcall(function() " .. code .. " end) print(e.code, e.message)")))
end

local demands = {
    tensor = "return tt.tensor.zeros { 1 << 15, 1 << 14 }",
    broadcast = "return tt.tensor.zeros { 50000, 1 } + tt.tensor.zeros { 1, 50000 }",
    matmul = "return tt.tensor.zeros({ 50000, 1 }):matmul(tt.tensor.zeros { 1, 50000 })",
    layer = "return tt.nn.linear(1 << 15, 1 << 14)",
    sums = "local held = tt.tensor.zeros { 5 << 26 } return tt.tensor.zeros({ 0, 5 << 26 }):sum(1):sum(), held",
    uniform = "return tt.random.new(1):uniform(1 << 30)",
    bools = "return tt.random.new(1):bools((1 << 31) - 2)",
    zipf = "return tt.random.new(1):zipf(1, 1 << 29)",
    permutation = "return tt.random.new(1):permutation(1 << 29)",
    taken = "local i = tt.tensor.indices {} return tt.features.taken(i, i, { groups = 1 << 30, population = 1 })",
    to_tensor = "return tt.features.to_tensor(tt.frame.column { 1 }, { rows = 1 << 30 })",
    sample = [[local i = tt.tensor.indices {}
        local taken = tt.features.taken(i, i, { groups = 1, population = 1 << 30 })
        return tt.features.sample_without { wanted = tt.frame.column { 1 << 30 }, taken = taken }]],
    join = [[local one = tt.frame.from_table { cols = { k = tt.random.new(1):integers(40000, 1, 1) } }
        return one:join(one, { on = "k" })]],
    replace = [[local part = ("x"):rep(100000)
        return tt.frame.column({ part }):replace("x", part)]],
    file = [[local folder <close> = tt.fs.tempdir()
        local path = folder.path .. "/sparse"
        large(path)
        return tt.fs.read(path)]],
    parquet_file = [[local folder <close> = tt.fs.tempdir()
        local path = folder.path .. "/sparse.csv"
        large(path)
        return tt.csv.read(path)]],
}

local names = {}
for name in pairs(demands) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
    t.test("more memory than there is: " .. name, function()
        local output, status = bounded(1500000, demands[name])
        t.equal(status, 0, output)
        t.ok(output:match("^memory\t.*: .* of memory needed, .*; ask for less, or work in parts"), output)
    end)
end

t.test("the message tells what was asked for and what there is", function()
    local output = bounded(1500000, "return tt.tensor.zeros { 1 << 15, 1 << 14 }")
    t.equal(output, "memory\tzeros: (32768, 16384): 2.1 GB of memory needed, ulimit -v allows 1.5 GB; ask for less, or "
        .. "work in parts\n")
    local raised = t.error("memory", tensor.zeros, { 1 << 40 })
    t.equal(raised.details.bytes, 1 << 42)
    t.ok(raised.details.limit > 0 and raised.details.limit < 1 << 42)
end)

t.test("as many blocks as there is memory for", function()
    local output, status = bounded(1500000, [[local all = {}
        for i = 1, 100 do all[i] = tt.tensor.zeros { 1 << 25 } end]])
    t.equal(status, 0, output)
    t.ok(output:match("^memory\tzeros: %(33554432,%): 134 MB of memory needed, .* are free at the moment"), output)
end)

-- ---- Lua's stack

t.test("as many results and arguments as Lua has room for", function()
    if os.getenv("TT_TEST_SANITIZER") then t.skip("a sanitizer makes it take minutes") end
    local many = {}
    for index = 1, 600000 do many[index] = index end
    t.equal(select("#", tensor.no_grad(function() return table.unpack(many) end)), 600000)
    local db <close> = tt.sql.open("sqlite::memory:")
    t.equal(select("#", db:transaction(function() return table.unpack(many) end)), 600000)
    for index = 1, 999900 do many[index] = "x" end
    for count = 999000, 999900, 100 do
        -- No room is an error; the process goes on.
        pcall(function() return tt.fs.join(table.unpack(many, 1, count)) end)
        pcall(function(...) return tt.json.encode { { { {} } } }, ... end, table.unpack(many, 1, count))
    end
end)

t.test("layers lie in each other 200 deep at most", function()
    local layer = nn.relu()
    for _ = 1, 200 do layer = nn.sequential { layer } end
    t.equal(layer(m):shape(), { 2, 2 })
    t.error("nn.value", nn.sequential, { layer })
    layer = nn.relu()
    for _ = 1, 15 do layer = nn.sequential { layer, layer } end
    t.error("131071 layers, 16 deep in each other, where 100000 and 200 are the most", nn.sequential, { layer, layer })
end)
