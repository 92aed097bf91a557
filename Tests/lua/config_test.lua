local t = require "tt.test"
local config = require "tt.config"
local json = require "tt.json"

local schema = {
    { "name", config.string { default = "base" } },
    { "seed", config.int { default = 42, min = 0 } },
    { "training", {
        { "epochs", config.int { default = 25, min = 1 } },
        { "lr", config.number { default = 0.001, above = 0 } },
        { "split", config.number { default = 0.1, min = 0, below = 1 } },
        { "clip", config.optional(config.number { default = 5, min = 0 }) },
        { "rpc", config.bool { default = true } },
    } },
    { "features", {
        { "numeric", config.list { of = config.string(), default = { "a", "b" }, min_length = 1 } },
        { "kinds", config.map { of = { kind = config.choice { "numeric", "tag" } }, default = {} } },
    } },
    { "optimizer", {
        { "name", config.choice { "adamw", "adam", "sgd", default = "adamw" } },
        { "parameters", config.map { default = { betas = { 0.9, 0.999 } } } },
    } },
}

local folder <const> = tt.fs.tempdir()
local path = tt.fs.join(folder.path, "c.yaml")

local function load(text, set)
    tt.fs.write(path, text)
    return config.load(path, schema, { set = set })
end

local function problem(text, set)
    local ok, failure = pcall(load, text, set)
    if ok then return "no error" end
    t.equal(failure.code, "config")
    return (failure.message:gsub(path:gsub("%p", "%%%0"), "c.yaml"))
end

local DEFAULTS = '{"name":"base","seed":42,"training":{"epochs":25,"lr":0.001,"split":0.1,"clip":5.0,"rpc":true},'
    .. '"features":{"numeric":["a","b"],"kinds":{}},"optimizer":{"name":"adamw","parameters":{"betas":[0.9,0.999]}}}'

t.test("defaults alone, in the order of the schema", function()
    t.equal(json.encode(config.load(nil, schema)), DEFAULTS)
    t.equal(json.encode(load("")), DEFAULTS)
    t.equal(json.encode(config.load({}, schema)), DEFAULTS)
    t.equal(json.encode(load("training:\nfeatures:\n")), DEFAULTS)
end)

t.test("values of the file stand over defaults", function()
    local values = load [[
seed: 7
training: {lr: 1, clip: null, rpc: false}
features:
  numeric: [x]
  kinds: {tags: {kind: tag}, ages: {kind: numeric}}
optimizer: {parameters: {eps: 1.0e-8, betas: [0.5, 0.6]}}
]]
    t.equal(values.seed, 7)
    t.equal(math.type(values.training.lr), "float")
    t.equal(values.training.clip, nil)
    t.equal(values.training.rpc, false)
    t.equal(values.training.epochs, 25)
    t.equal(json.encode(values.features), '{"numeric":["x"],"kinds":{"tags":{"kind":"tag"},"ages":{"kind":"numeric"}}}')
    t.equal(json.encode(values.optimizer.parameters), '{"eps":1e-08,"betas":[0.5,0.6]}')
end)

t.test("unknown keys are refused with the nearest known one", function()
    t.equal(problem "seed: 1\ntraining:\n  epcohs: 3\n",
        "c.yaml:3: unknown key 'training.epcohs'; did you mean 'training.epochs'?")
    t.equal(problem "trainig: {lr: 1}", "c.yaml:1: unknown key 'trainig'; did you mean 'training'?")
    t.equal(problem "optimizer: {whatever: 1}",
        "c.yaml:1: unknown key 'optimizer.whatever'; known here: name, parameters")
    t.equal(problem "features:\n  kinds:\n    tags:\n      kid: tag",
        "2 problems in the configuration:\n"
        .. "  c.yaml:4: unknown key 'features.kinds.tags.kid'; did you mean 'features.kinds.tags.kind'?\n"
        .. "  c.yaml:3: 'features.kinds.tags.kind' is required")
end)

t.test("types and ranges name the key, the value and the line", function()
    t.equal(problem "seed: x", "c.yaml:1: 'seed' must be a whole number, not the text 'x'")
    t.equal(problem "seed: 1.0", "c.yaml:1: 'seed' must be a whole number, not 1.0")
    t.equal(problem "seed: -1", "c.yaml:1: 'seed' must be at least 0, not -1")
    t.equal(problem "seed:", "c.yaml:1: 'seed' must be a whole number, not null")
    t.equal(problem "name: 5", "c.yaml:1: 'name' must be text, not 5; quote it")
    t.equal(problem "name: ''", "c.yaml:1: 'name' must not be empty")
    t.equal(problem "training:\n  lr: 0", "c.yaml:2: 'training.lr' must be above 0, not 0")
    t.equal(problem "training:\n  split: 1", "c.yaml:2: 'training.split' must be at least 0 and below 1, not 1")
    t.equal(problem "training:\n  lr: .nan", "c.yaml:2: 'training.lr' must be a number, not nan")
    t.equal(problem "training:\n  rpc: 1", "c.yaml:2: 'training.rpc' must be true or false, not 1")
    t.equal(problem "training: [1]", "c.yaml:1: 'training' must be a map, not a list")
    t.equal(problem "training: 5", "c.yaml:1: 'training' must be a map, not 5")
    t.equal(problem "[1]", "c.yaml: the configuration must be a map, not a list")
    t.equal(problem "features:\n  numeric: {a: 1}", "c.yaml:2: 'features.numeric' must be a list, not a map")
    t.equal(problem "features:\n  numeric: []", "c.yaml:2: 'features.numeric' must have at least 1 elements, not 0")
    t.equal(problem "features:\n  numeric:\n  - a\n  - 5",
        "c.yaml:4: 'features.numeric[2]' must be text, not 5; quote it")
    t.equal(problem "optimizer: {name: adamm}",
        "c.yaml:1: 'optimizer.name' must be one of adamw, adam, sgd, not the text 'adamm'; did you mean 'adamw'?")
    t.equal(problem "optimizer: {parameters: [1]}", "c.yaml:1: 'optimizer.parameters' must be a map, not a list")
end)

t.test("all problems are told at once", function()
    t.equal(problem "seed: x\ntraining:\n  epochs: 0\n  lr: fast\n",
        "3 problems in the configuration:\n"
        .. "  c.yaml:1: 'seed' must be a whole number, not the text 'x'\n"
        .. "  c.yaml:3: 'training.epochs' must be at least 1, not 0\n"
        .. "  c.yaml:4: 'training.lr' must be a number, not the text 'fast'")
end)

t.test("what is no YAML is a configuration error too", function()
    t.equal(problem "seed: 1\nseed: 2", "invalid YAML at c.yaml:2:1: duplicate key 'seed', first on line 1")
    local ok, failure = pcall(config.load, path .. "x", schema)
    t.equal(ok, false)
    t.equal(failure.code, "config")
    t.equal(failure.message, ("cannot read '%sx': No such file or directory"):format(path))
end)

t.test("overrides stand over the file", function()
    local values = load("training: {lr: 0.5}", {
        "training.lr=0.01", "training.epochs=3", "name='7'", "training.clip=null", "features.numeric=[x, y]",
        "features.kinds.new={kind: tag}", "optimizer.parameters.betas=[0.1, 0.2]", "seed = 5",
    })
    t.equal(values.training.lr, 0.01)
    t.equal(values.training.epochs, 3)
    t.equal(values.name, "7")
    t.equal(values.training.clip, nil)
    t.equal(values.features.numeric, { "x", "y" })
    t.equal(values.features.kinds.new.kind, "tag")
    t.equal(values.optimizer.parameters.betas, { 0.1, 0.2 })
    t.equal(values.seed, 5)
    t.equal(json.encode(config.load({ seed = 1 }, schema, { set = { "seed=2" } })):match('"seed":%d'), '"seed":2')
end)

t.test("overrides are checked and named", function()
    t.equal(problem("", { "training.lrr=1" }),
        "--set training.lrr=1: unknown key 'training.lrr'; did you mean 'training.lr'?")
    t.equal(problem("", { "training.epochs=many" }),
        "--set training.epochs=many: 'training.epochs' must be a whole number, not the text 'many'")
    t.equal(problem("", { "training.lr.x=1" }), "--set training.lr.x=1: 'training.lr' has no keys inside")
    t.equal(problem("", { "training" }),
        "--set training: write it as key=value, for example training.lr=0.01")
    t.equal(problem("", { "seed=[" }),
        "--set seed=[: did not find expected node content, while parsing a flow node")
    t.equal(problem("training: 5", { "training.lr=1" }), "c.yaml:1: 'training' must be a map, not 5")
end)

t.test("the caller's tables stay as they are", function()
    local given = { training = { lr = 1 } }
    local values = config.load(given, schema, { set = { "training.lr=2" } })
    t.equal(values.training.lr, 2.0)
    t.equal(given, { training = { lr = 1 } })
    values.features.numeric[1] = "changed"
    t.equal(config.load(nil, schema).features.numeric[1], "a")
end)

t.test("keys without default are required, and own checks run", function()
    local own = { even = config.int { check = function(value) return value % 2 == 1 and "must be even" or nil end } }
    local ok, failure = pcall(config.load, {}, own)
    t.equal(ok, false)
    t.equal(failure.message, "'even' is required")
    ok, failure = pcall(config.load, { even = 3 }, own)
    t.equal(ok, false)
    t.equal(failure.message, "'even' must be even, not 3")
    t.equal(config.load({ even = 4 }, own).even, 4)
end)

t.test("lengths and patterns", function()
    local own = {
        two = config.list { of = config.number(), min_length = 2, max_length = 2, default = { 1, 2 } },
        some = config.list { min_length = 1, max_length = 3, default = { 1 } },
        word = config.string { pattern = "%l+", default = "x" },
    }
    local function says(values)
        local ok, failure = pcall(config.load, values, own)
        return ok and "no error" or failure.message
    end
    t.equal(says { two = { 1 } }, "'two' must have 2 elements, not 1")
    t.equal(says { some = { 1, 2, 3, 4 } }, "'some' must have 1..3 elements, not 4")
    t.equal(says { word = "X" }, "'word' does not allow 'X'; it must match the pattern %l+")
    t.equal(says { two = { 1, 2 }, some = { "a" }, word = "abc" }, "no error")
end)

t.test("a declaration that contradicts itself is refused", function()
    local ok, failure = pcall(config.int, { minimum = 1 })
    t.equal(ok, false)
    t.equal(failure.code, "argument")
    t.ok(failure.message:find("^bad argument #1 to 'int' %(unknown option 'minimum' "), failure.message)
end)

t.test("arguments of another kind are refused", function()
    for message, call in pairs {
        ["#1 to 'int' (table expected, got number)"] = function() config.int(5) end,
        ["#1 to 'int' (field 'min': number expected, got string)"] = function() config.int { min = "1" } end,
        ["#1 to 'list' (field 'of': table expected, got string)"] = function() config.list { of = "int" } end,
        ["#1 to 'choice' (table expected, got nil)"] = function() config.choice() end,
        ["#1 to 'optional' (field expected, as config.int() makes one, got number)"] = function()
            config.optional(5)
        end,
        ["#1 to 'load' (string or table expected, got number)"] = function() config.load(5, {}) end,
        ["#2 to 'load' (table expected, got nil)"] = function() config.load({}) end,
        ["#3 to 'load' (field 'set': table expected, got string)"] = function()
            config.load({}, {}, { set = "a=1" })
        end,
        ["#3 to 'load' (field 'set[1]': string expected, got number)"] = function()
            config.load({}, {}, { set = { 1 } })
        end,
    } do
        local raised = t.error("argument", call)
        t.equal(raised.message, "bad argument " .. message)
        t.ok(tostring(raised):find("config_test%.lua:%d+: bad argument"), tostring(raised))
    end
    t.error("config: entry 1 of a schema must be { name, field }", config.load, {}, { 5 })
    t.error("config: 'a' has no declaration", config.load, {}, { a = 5 })
end)
