local t = require "tt.test"
local json = require "tt.json"
local yaml = require "tt.yaml"

local function message(fn, ...)
    local ok, problem = pcall(fn, ...)
    return ok and "no error" or problem.message
end

t.test("a configuration is read as core schema", function()
    local value = yaml.decode [[
# comment
seed: 42
lr: 1.0e-5
flag: true
word: no
quoted: '5'
nothing:
list: [1, 2.5, x]
map: {b: 1, a: 2}
]]
    t.equal(value.seed, 42)
    t.equal(value.lr, 1e-5)
    t.equal(value.flag, true)
    t.equal(value.word, "no")
    t.equal(value.quoted, "5")
    t.equal(value.nothing, json.null)
    t.equal(json.encode(value.list), '[1,2.5,"x"]')
    t.equal(json.encode(value.map), '{"b":1,"a":2}')
    t.equal(yaml.decode(""), nil)
end)

t.test("mistakes are refused with file, line and column", function()
    t.equal(message(yaml.decode, "a: 1\nb: 2\na: 3", "c.yaml"),
        "invalid YAML at c.yaml:3:1: duplicate key 'a', first on line 1")
    t.equal(message(yaml.decode, "a: !!python/name:x y"),
        "invalid YAML at line 1, column 4: the tag '!!python/name:x' is refused; write plain values")
    local problem = t.error("yaml.syntax", yaml.decode, "a: [1, 2")
    t.equal(problem.details.line, 2)
    t.equal(problem.message, "invalid YAML at line 2, column 1: did not find expected ',' or ']', "
        .. "while parsing a flow sequence that starts on line 1")
    t.error("yaml.unsupported", yaml.decode, "a: 1\n---\nb: 2")
    t.error("yaml.number", yaml.decode, "99999999999999999999")
end)

t.test("what is written reads back equal", function()
    local value = json.object {
        { "text", "two\nlines" }, { "number", 1e-5 }, { "no", "yes" }, { "list", { 1, json.null, {} } },
        { "empty", json.array {} },
    }
    t.equal(yaml.encode(value), [[
text: |-
  two
  lines
number: 1.0e-05
'no': 'yes'
list:
- 1
- null
- {}
empty: []
]])
    t.equal(json.encode(yaml.decode(yaml.encode(value))), json.encode(value))
    t.error("argument", yaml.encode, { print })
end)

t.test("lines of keys are told", function()
    t.equal(yaml.lines("a: 1\nb:\n  c: 2\n  d: [3,\n   4]\n"),
        { ["a"] = 1, ["b"] = 2, ["b.c"] = 3, ["b.d"] = 4, ["b.d[1]"] = 4, ["b.d[2]"] = 5 })
end)

t.test("files are read by name", function()
    local path = tt.fs.join(t.tmpdir(), "a.yaml")
    tt.fs.write(path, "a: 1\n b: 2\n")
    t.equal(message(yaml.read, path),
        ("invalid YAML at %s:2:3: mapping values are not allowed in this context"):format(path))
    tt.fs.write(path, "a: 1\n")
    t.equal(yaml.read(path).a, 1)
    t.error("fs.not_found", yaml.read, path .. "x")
end)
