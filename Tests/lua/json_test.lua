local t = require "tt.test"
local json = require "tt.json"

local function message(fn, ...)
    local ok, problem = pcall(fn, ...)
    return ok and "no error" or problem.message
end

t.test("values keep their kinds there and back", function()
    local text = '{"i":5,"f":5.0,"s":"é\\n","t":true,"n":null,"l":[1,[],{}],"o":{"b":1,"a":2}}'
    local value = json.decode(text)
    t.equal(math.type(value.i), "integer")
    t.equal(math.type(value.f), "float")
    t.equal(value.s, "é\n")
    t.equal(value.n, json.null)
    t.equal(json.encode(value), text)
end)

t.test("exact integers and shortest doubles", function()
    t.equal(json.encode { math.maxinteger, math.mininteger }, "[9223372036854775807,-9223372036854775808]")
    t.equal(json.decode("9223372036854775807"), math.maxinteger)
    t.equal(json.encode { 0.1, 1e22, 1 / 3 }, "[0.1,1e+22,0.3333333333333333]")
end)

t.test("null, lists and order are marked", function()
    t.equal(json.decode("null"), nil)
    t.equal(json.encode(nil), "null")
    t.equal(json.encode {}, "{}")
    t.equal(json.encode(json.array {}), "[]")
    t.equal(json.encode(json.array { 1 }), "[1]")
    local list = json.decode("[]")
    t.equal(json.array(list), list)
    t.equal(json.encode { b = 1, a = json.null, c = {} }, '{"a":null,"b":1,"c":{}}')
    t.equal(json.encode(json.object { { "b", 1 }, { "gone", nil }, { "a", 2 } }), '{"b":1,"a":2}')
    local object = json.object { { "b", 1 }, { "a", 2 } }
    object.c = 3
    object.b = nil
    t.equal(json.encode(object), '{"a":2,"c":3}')
    -- One letter spelled in two ways gives two keys.
    local spelled = '{"\u{e9}":1,"e\u{301}":2}'
    t.equal(json.encode(json.decode(spelled)), spelled)
end)

t.test("indented text", function()
    t.equal(json.encode({ a = { 1, { b = 2 } }, c = json.array {} }, { indent = 2 }), [[
{
  "a": [
    1,
    {
      "b": 2
    }
  ],
  "c": []
}]])
end)

t.test("files are written whole and read back", function()
    local path = tt.fs.join(t.tmpdir(), "a.json")
    json.write(path, json.object { { "b", 1 }, { "a", "日本" } }, { indent = 1 })
    t.equal(tt.fs.read(path), '{\n "b": 1,\n "a": "日本"\n}\n')
    t.equal(json.read(path).a, "日本")
    t.error("json.number", json.write, path, { 0 / 0 })
    t.equal(json.read(path).b, 1)
    tt.fs.write(path, "{\n x}")
    t.equal(message(json.read, path),
        ("invalid JSON at %s:2:2: a name in quotes expected, got 'x'"):format(path))
    t.error("fs.not_found", json.read, path .. "x")
end)

t.test("what JSON cannot hold is refused by its place", function()
    t.equal(message(json.encode, { a = { 1, { b = 0 / 0 } } }),
        "cannot write JSON: 'a[2].b': NaN is no JSON number; use null instead")
    t.equal(message(json.encode, { math.huge }),
        "cannot write JSON: '[1]': infinity is no JSON number; use null instead")
    t.equal(message(json.encode, { f = print }),
        "bad argument #1 to 'encode' (field 'f': plain value expected, got function)")
    t.error("argument", json.encode, { 1, nil, 3, x = 2 })
    t.equal(message(json.encode, {}, { ident = 2 }),
        "bad argument #2 to 'encode' (unknown option 'ident' (did you mean 'indent'?))")
    t.equal(message(json.encode, {}, { indent = 99 }),
        "bad argument #2 to 'encode' (field 'indent': 0 to 16 expected, got 99)")
    t.equal(message(json.object, { { "a", 1 }, { "a", 2 } }), "json.object: the name 'a' is there twice")
    t.equal(message(json.object, { { 1 } }), 'json.object: member 1 needs a name: { "name", value }')
end)

t.test("what is no JSON is refused with line and column", function()
    local ok, problem = pcall(json.decode, '{"a": 1,\n "a": 2}')
    t.equal(ok, false)
    t.equal(problem.code, "json.duplicate_key")
    t.equal(problem.message, "invalid JSON at line 2, column 2: the name 'a' is there twice")
    t.equal(problem.details.line, 2)
    t.equal(problem.details.column, 2)
    t.error("json.utf8", json.decode, '"\xff"')
    t.error("json.number", json.decode, "18446744073709551616")
    t.error("json.depth", json.decode, ("["):rep(5000))
    t.error("json.syntax", json.decode, "[1] 2")
end)

t.test("marks name the line of a wrong argument", function()
    for _, mark in ipairs { json.array, json.object } do
        for _, wrong in ipairs { "x", 3, false } do
            local raised = t.error("argument", mark, wrong)
            t.equal(raised.message:match("table expected, got %a+"), "table expected, got " .. type(wrong))
        end
    end
    t.error("argument", json.object, { 1 })
    local _, raised = pcall(function() json.array("x") end)
    t.equal(raised.where:match("json_test.lua:%d+$") ~= nil, true)
end)
